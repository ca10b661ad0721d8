//! What operations need of the work of QEMU on the disks of guests that run.

use crate::error::Result;
use crate::model::{DiskTarget, Domain, Size};

/// Work on the disks of active domains, which goes on while the guest does.
pub trait BlockJobs {
    /// Has QEMU copy all that is below a disk into its top image, which stands
    /// alone then. Returns when that has begun.
    fn pull(&self, domain: &Domain, disk: &DiskTarget) -> Result<()>;

    /// How far the work on a disk is: done, and in all, in parts that mean
    /// nothing else. `None` if there is none.
    fn block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<Option<(u64, u64)>>;

    /// Has it stop, and returns when it has. The disk is as sound as before.
    fn abort_block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<()>;

    /// Has QEMU give a disk this size. A smaller one cuts off what is behind it.
    fn resize_disk(&self, domain: &Domain, disk: &DiskTarget, size: Size) -> Result<()>;
}
