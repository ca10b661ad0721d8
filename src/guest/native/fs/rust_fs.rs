//! What the XFS and the btrfs reader have in common: where they read from.

use std::sync::Arc;

use fs_core::BlockRead;

use crate::error::{Error, Kind};
use crate::guest::native::Blocks;

/// Our blocks as theirs.
pub(super) struct Device(Arc<dyn Blocks>);

impl Device {
    pub(super) fn over(blocks: Arc<dyn Blocks>) -> Arc<dyn BlockRead> {
        Arc::new(Self(blocks))
    }
}

impl BlockRead for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_core::Result<()> {
        let size = self.0.len();
        let len = buf.len() as u64;
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(fs_core::Error::OutOfBounds { offset, len, size });
        }
        self.0
            .read_at(offset, buf)
            .map_err(|error| fs_core::Error::Custom(error.to_string()))
    }

    fn size_bytes(&self) -> u64 {
        self.0.len()
    }
}

/// The error for a read that failed.
pub(super) fn unreadable(why: &str) -> Error {
    Error::new(Kind::Storage, format!("cannot read the disk: {why}"))
}

/// The error for one file that uses what this engine does not know.
pub(super) fn unknown(what: &str) -> Error {
    super::needs_kernel(what)
}
