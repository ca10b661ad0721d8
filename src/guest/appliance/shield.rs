//! What stands between the appliance and the disks of a guest.
//!
//! libguestfs puts an overlay on a disk that it must not change, and then lets
//! QEMU guess, by what the guest has written to the beginning of the disk, in
//! which format the disk is *inside* of that overlay. A guest that writes the
//! header of an overlay there has a file of the host opened. An overlay of our
//! own is added like a disk that may be changed, whose format is told; its
//! changes go with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::machine::Drive;
use crate::error::{Error, Kind, Result};
use crate::image;

/// A directory that nobody else can enter, with an overlay for each disk. It
/// goes when this is dropped.
pub(super) struct Shield {
    dir: PathBuf,
    overlays: Vec<PathBuf>,
}

impl Shield {
    /// Puts overlays on disks.
    pub(super) fn over(drives: &[Drive]) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("vmkin-{}", Uuid::new_v4()));
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|error| {
            Error::io("cannot make a directory for temporary files", error)
                .with_kind(Kind::Environment)
        })?;
        let mut shield = Self {
            dir,
            overlays: Vec::new(),
        };
        for (number, drive) in drives.iter().enumerate() {
            let path = shield.dir.join(format!("{number}.qcow2"));
            drop(image::write_shield(&path, &drive.chain)?);
            shield.overlays.push(path);
        }
        Ok(shield)
    }

    /// The directory, which there is room in for more.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The overlays, in the order of the disks.
    pub(super) fn overlays(&self) -> impl Iterator<Item = &Path> {
        self.overlays.iter().map(PathBuf::as_path)
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        // What cannot be removed is small, and says whose it is.
        drop(std::fs::remove_dir_all(&self.dir));
    }
}
