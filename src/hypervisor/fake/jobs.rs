//! Work on disks that is never done.

use super::Fake;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::BlockJobs;
use crate::model::{DiskTarget, Domain, Size};

impl BlockJobs for Fake {
    fn pull(&self, _domain: &Domain, _disk: &DiskTarget) -> Result<()> {
        Err(Error::new(Kind::Libvirt, "this is not supported here"))
    }

    fn block_job(&self, _domain: &Domain, _disk: &DiskTarget) -> Result<Option<(u64, u64)>> {
        Ok(None)
    }

    fn abort_block_job(&self, _domain: &Domain, _disk: &DiskTarget) -> Result<()> {
        Ok(())
    }

    fn resize_disk(&self, _domain: &Domain, _disk: &DiskTarget, _size: Size) -> Result<()> {
        Err(Error::new(Kind::Libvirt, "this is not supported here"))
    }
}
