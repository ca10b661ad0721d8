//! The formats of images that commands make.

use std::path::Path;

use clap::ValueEnum;

use crate::model::ImageFormat;

/// The formats that images can be converted to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// The bytes of the disk, with holes
    Raw,
    /// QEMU's own
    Qcow2,
    /// Its predecessor
    Qcow,
    /// QEMU enhanced disk
    Qed,
    /// VMware
    Vmdk,
    /// VirtualBox
    Vdi,
    /// Virtual PC (.vhd)
    Vpc,
    /// Hyper-V
    Vhdx,
    /// Parallels (.hds)
    Parallels,
}

/// The formats of new disks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DiskFormat {
    /// The bytes of the disk, with holes
    Raw,
    /// QEMU's own
    Qcow2,
}

impl From<Format> for ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Raw => Self::Raw,
            Format::Qcow2 => Self::Qcow2,
            Format::Qcow => Self::Qcow,
            Format::Qed => Self::Qed,
            Format::Vmdk => Self::Vmdk,
            Format::Vdi => Self::Vdi,
            Format::Vpc => Self::Vpc,
            Format::Vhdx => Self::Vhdx,
            Format::Parallels => Self::Parallels,
        }
    }
}

impl From<DiskFormat> for ImageFormat {
    fn from(format: DiskFormat) -> Self {
        match format {
            DiskFormat::Raw => Self::Raw,
            DiskFormat::Qcow2 => Self::Qcow2,
        }
    }
}

/// The format of a new image of this name, if nobody says.
pub(super) fn by_name(out: &Path) -> ImageFormat {
    match out.extension().is_some_and(|end| end == "qcow2") {
        true => ImageFormat::Qcow2,
        false => ImageFormat::Raw,
    }
}
