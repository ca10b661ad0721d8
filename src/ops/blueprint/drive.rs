//! A disk that a guest is to have.

use std::path::PathBuf;

use crate::model::{DiskDevice, DiskSource, DiskTarget, ImageFormat};

/// A disk that a guest is to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Drive {
    /// Its name in the guest.
    pub target: DiskTarget,
    /// What the guest takes it for.
    pub device: DiskDevice,
    /// The bus it is on.
    pub bus: String,
    /// What is on it.
    pub contents: Contents,
    /// The guest cannot write to it.
    pub readonly: bool,
    /// Several guests may write to it at once.
    pub shareable: bool,
    /// QEMU's cache mode.
    pub cache: Option<String>,
    /// How QEMU reads and writes.
    pub io: Option<String>,
    /// Whether the guest can give blocks back.
    pub discard: Option<String>,
    /// Whether zeros take no room.
    pub detect_zeroes: Option<String>,
    /// The serial number that the guest reads.
    pub serial: Option<String>,
    /// Its turn when the firmware looks for something to boot.
    pub boot_order: Option<u32>,
}

/// What is on a disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Contents {
    /// Nothing: a drive without a medium.
    Empty,
    /// An image that is there, as it is.
    There {
        /// Where it is.
        source: DiskSource,
        /// Its format.
        format: ImageFormat,
    },
    /// A new overlay.
    Overlay {
        /// The image that it is made on.
        base: PathBuf,
        /// The format of that.
        base_format: ImageFormat,
        /// How large the disk is, if not as its base, in bytes.
        size: Option<u64>,
        /// Where it goes, if that is said.
        path: Option<PathBuf>,
        /// The directory for it, if no more than that is said.
        dir: Option<PathBuf>,
    },
    /// A new image with nothing in it.
    Blank {
        /// How large the disk is, in bytes.
        size: u64,
        /// Its format.
        format: ImageFormat,
        /// Where it goes, if that is said.
        path: Option<PathBuf>,
        /// The directory for it, if no more than that is said.
        dir: Option<PathBuf>,
    },
}

impl Drive {
    /// Whether its image is made for each guest.
    pub fn is_made(&self) -> bool {
        matches!(
            self.contents,
            Contents::Overlay { .. } | Contents::Blank { .. }
        )
    }

    /// Where its new image goes, if that is said.
    pub fn path(&self) -> Option<&PathBuf> {
        match &self.contents {
            Contents::Overlay { path, .. } | Contents::Blank { path, .. } => path.as_ref(),
            Contents::Empty | Contents::There { .. } => None,
        }
    }

    /// The directory for its new image, if no more than that is said.
    pub fn dir(&self) -> Option<&PathBuf> {
        match &self.contents {
            Contents::Overlay { dir, .. } | Contents::Blank { dir, .. } => dir.as_ref(),
            Contents::Empty | Contents::There { .. } => None,
        }
    }

    /// What stands for its new image before that is made.
    pub(super) fn prototype(&self) -> Option<(DiskTarget, DiskSource, ImageFormat)> {
        let (path, format) = match &self.contents {
            Contents::Overlay {
                base, base_format, ..
            } => (base.clone(), *base_format),
            // Nobody looks there: it is no image yet.
            Contents::Blank { format, .. } => (PathBuf::from("/nonexistent/new"), *format),
            Contents::Empty | Contents::There { .. } => return None,
        };
        Some((self.target.clone(), DiskSource::File(path), format))
    }
}
