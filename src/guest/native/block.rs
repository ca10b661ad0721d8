//! The seam between what disks are made of and the file systems on them.

use crate::error::Result;
use crate::image::read::Disk;

/// A disk, a partition or a volume that can be read. Cheap to share between
/// threads.
#[expect(clippy::len_without_is_empty, reason = "a disk always has a size")]
pub trait Blocks: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> u64;

    /// Fills `buf` from `offset`. Reading beyond the end is an error.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
}

impl Blocks for Disk {
    fn len(&self) -> u64 {
        self.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.read_at(offset, buf)
    }
}
