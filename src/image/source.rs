//! What images are read from.

use std::fmt;
use std::path::Path;

use super::file::ImageFile;
use crate::error::Result;
use crate::model::FileId;

/// An image that is open for reading: a file or a device of this host, or a
/// volume of another one.
pub trait Image: fmt::Debug + Send + Sync {
    /// The path it was opened by, on the host that has it.
    fn path(&self) -> &Path;

    /// Which file it is, among those of one host.
    fn id(&self) -> FileId;

    /// Whether it is a block device.
    fn is_block(&self) -> bool;

    /// The size of the file or the capacity of the device when it was opened,
    /// in bytes.
    fn size(&self) -> u64;

    /// The size it has now, in bytes.
    ///
    /// # Errors
    ///
    /// If nobody can tell.
    fn size_now(&self) -> Result<u64>;

    /// What it takes on its host, in bytes; 0 for a block device.
    fn allocated(&self) -> u64;

    /// Fills `bytes` from `offset` on, and returns how many there were; fewer
    /// than asked for only if the image ends.
    ///
    /// # Errors
    ///
    /// If it cannot be read there.
    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<usize>;

    /// Reads up to `most` bytes from `offset`; fewer only if the image ends.
    ///
    /// # Errors
    ///
    /// Those of [`Image::read_into`].
    fn read_at(&self, offset: u64, most: usize) -> Result<Vec<u8>> {
        let past_all = i64::try_from(offset.saturating_add(most as u64)).is_err();
        let mut bytes = vec![0; if past_all { 0 } else { most }];
        let done = self.read_into(offset, &mut bytes)?;
        bytes.truncate(done);
        Ok(bytes)
    }

    /// The open file, if it is one of this host.
    fn here(&self) -> Option<&ImageFile> {
        None
    }
}

impl Image for ImageFile {
    fn path(&self) -> &Path {
        Self::path(self)
    }

    fn id(&self) -> FileId {
        Self::id(self)
    }

    fn is_block(&self) -> bool {
        Self::is_block(self)
    }

    fn size(&self) -> u64 {
        Self::size(self)
    }

    fn size_now(&self) -> Result<u64> {
        Self::size_now(self)
    }

    fn allocated(&self) -> u64 {
        Self::allocated(self)
    }

    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<usize> {
        Self::read_into(self, offset, bytes)
    }

    fn here(&self) -> Option<&ImageFile> {
        Some(self)
    }
}
