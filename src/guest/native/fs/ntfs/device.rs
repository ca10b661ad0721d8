//! What the library reads from.

use std::sync::Arc;

use fs_ntfs::block_io::BlockIo;

use super::super::checked::damaged;
use super::super::pages::Pages;
use crate::error::{Error, Result};
use crate::guest::native::Blocks;

/// A volume that refuses to be written to.
pub(super) struct Device {
    pages: Pages,
    /// How many more bytes may be read.
    left: u64,
    /// Why the disk could not be read.
    error: Option<Error>,
}

impl Device {
    pub(super) fn new(blocks: Arc<dyn Blocks>) -> Self {
        Self {
            pages: Pages::of(blocks),
            left: 0,
            error: None,
        }
    }

    /// Lets the library read so many bytes more.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.left = bytes;
        self.error = None;
    }

    /// Why the disk could not be read, if that is why the library failed.
    pub(super) fn failed(&mut self) -> Option<Error> {
        self.error.take()
    }

    pub(super) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let left = self.left.checked_sub(buf.len() as u64);
        self.left = left.ok_or_else(|| damaged("there is no end to what it lists"))?;
        self.pages.read(offset, buf)
    }
}

impl BlockIo for Device {
    fn read_exact_at(&mut self, offset: u64, buf: &mut [u8]) -> std::result::Result<(), String> {
        self.read(offset, buf).map_err(|error| {
            let text = error.to_string();
            self.error = Some(error);
            text
        })
    }

    fn write_all_at(&mut self, _: u64, _: &[u8]) -> std::result::Result<(), String> {
        Err("it is only read".to_owned())
    }

    fn size(&self) -> u64 {
        self.pages.len()
    }
}
