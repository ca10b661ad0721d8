//! What stands between the appliance and the disks of a guest.
//!
//! libguestfs puts an overlay on a disk that it must not change, and then lets
//! QEMU guess, by what the guest has written to the beginning of the disk, in
//! which format the disk is *inside* of that overlay. A guest that writes the
//! header of an overlay there has a file of the host opened. An overlay of our
//! own is added like a disk that may be changed, whose format is told; its
//! changes go with it.

use std::path::{Path, PathBuf};

use super::machine::Drive;
use crate::error::Result;
use crate::guest::scratch::Scratch;
use crate::image;
use crate::model::ImageFormat;

/// A directory with an overlay for each disk.
pub(super) struct Shield {
    scratch: Scratch,
    overlays: Vec<(PathBuf, ImageFormat)>,
}

impl Shield {
    /// Puts overlays on disks.
    pub(super) fn over(drives: &[Drive]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut overlays = Vec::new();
        for (number, drive) in drives.iter().enumerate() {
            let path = scratch.dir().join(format!("{number}.qcow2"));
            let size = drive.chain.top().virtual_size;
            drop(image::write_shield(&path, &drive.chain, size)?);
            overlays.push((path, ImageFormat::Qcow2));
        }
        Ok(Self { scratch, overlays })
    }

    /// The directory, which there is room in for more.
    pub(super) fn dir(&self) -> &Path {
        self.scratch.dir()
    }

    /// What is to be kept for as long as they are open.
    pub(super) fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// The overlays, in the order of the disks.
    pub(super) fn overlays(&self) -> &[(PathBuf, ImageFormat)] {
        &self.overlays
    }
}
