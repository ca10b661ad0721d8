//! Whether images are still what they were when they were opened.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::image::{self, LockState};

/// How often it is asked whether somebody writes to a block device, which has no
/// time of its last change.
const BETWEEN: Duration = Duration::from_millis(200);

/// An image of this host, as it was when it was opened.
pub(super) struct Watched {
    pub(super) path: PathBuf,
    looks: Option<Looks>,
    is_block: bool,
    asked: Option<Instant>,
}

/// What is different after somebody has written to a file, or replaced it.
#[derive(Eq, PartialEq)]
struct Looks {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
}

impl Watched {
    pub(super) fn new(path: &Path) -> Self {
        let meta = std::fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            is_block: meta
                .as_ref()
                .is_some_and(|meta| meta.file_type().is_block_device()),
            looks: meta.as_ref().map(Looks::of),
            asked: None,
        }
    }

    /// Whether somebody has written to it since. The kernel notes the time before
    /// it writes, so that what was read before this is asked is old or new, and
    /// this tells which.
    pub(super) fn is_written(&mut self) -> Result<bool> {
        let now = std::fs::metadata(&self.path).ok();
        if now.as_ref().map(Looks::of) != self.looks {
            return Ok(true);
        }
        if !self.is_block || self.asked.is_some_and(|at| at.elapsed() < BETWEEN) {
            return Ok(false);
        }
        self.asked = Some(Instant::now());
        Ok(image::probe(&self.path)? == LockState::Writer)
    }
}

impl Looks {
    fn of(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watched;

    #[test]
    fn what_is_written_to_or_replaced_or_gone_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, [0; 512]).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(old).unwrap();
        let mut watched = Watched::new(&path);
        assert!(!watched.is_written().unwrap());
        // Read, and its mode, are of no matter.
        std::fs::read(&path).unwrap();
        assert!(!watched.is_written().unwrap());
        std::os::unix::fs::FileExt::write_at(&file, b"x", 7).unwrap();
        assert!(watched.is_written().unwrap());
        let mut watched = Watched::new(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(watched.is_written().unwrap());
        std::fs::write(&path, [0; 512]).unwrap();
        assert!(watched.is_written().unwrap());
    }
}
