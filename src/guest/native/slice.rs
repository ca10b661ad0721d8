//! A part of a disk.

use std::sync::Arc;

use super::Blocks;
use crate::error::{Error, Kind, Result};

/// A part of a disk that is one run, such as a partition.
pub struct Slice {
    disk: Arc<dyn Blocks>,
    offset: u64,
    len: u64,
}

impl Slice {
    /// Takes `len` bytes of a disk from `offset` on.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the disk does not go that far.
    pub fn new(disk: Arc<dyn Blocks>, offset: u64, len: u64) -> Result<Self> {
        let end = offset.checked_add(len);
        if end.is_none_or(|end| end > disk.len()) {
            return Err(Error::new(
                Kind::Unsafe,
                format_args!(
                    "{len} bytes from offset {offset} are beyond the end of a disk of {} bytes",
                    disk.len()
                ),
            ));
        }
        Ok(Self { disk, offset, len })
    }
}

impl Blocks for Slice {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        self.disk.read_at(self.offset.saturating_add(offset), buf)
    }
}

/// The same for a moment, of a disk that is only borrowed. It has to be within
/// the disk.
pub(super) struct Part<'a> {
    pub(super) disk: &'a dyn Blocks,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Blocks for Part<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        self.disk.read_at(self.offset.saturating_add(offset), buf)
    }
}

/// Refuses to read beyond the end.
pub(super) fn check_range(len: u64, offset: u64, length: usize) -> Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::new(
            Kind::Unsafe,
            format_args!(
                "{length} bytes at offset {offset} are beyond the end of a volume of {len} bytes"
            ),
        )),
    }
}
