//! Disk images: their formats, and how to tell one file from another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The format of a disk image. Never guessed: it comes from the domain XML,
/// from the header of the overlay above, or from the user.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageFormat {
    /// The bytes of the disk, as they are.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
    /// Its predecessor.
    Qcow,
    /// QEMU enhanced disk.
    Qed,
    /// VMware.
    Vmdk,
    /// VirtualBox.
    Vdi,
    /// Virtual PC (`.vhd`).
    Vpc,
    /// Hyper-V.
    Vhdx,
    /// Parallels (`.hds`).
    Parallels,
    /// LUKS-encrypted raw.
    Luks,
    /// A CD image; raw to QEMU.
    Iso,
}

impl ImageFormat {
    /// The word libvirt uses in `<driver type=…/>`, and `qemu-img` in `-f`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Qcow => "qcow",
            Self::Qed => "qed",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vpc => "vpc",
            Self::Vhdx => "vhdx",
            Self::Parallels => "parallels",
            Self::Luks => "luks",
            Self::Iso => "iso",
        }
    }

    /// Whether an image of this format can be an overlay on another.
    pub fn may_have_backing(self) -> bool {
        !matches!(self, Self::Raw | Self::Iso | Self::Luks | Self::Parallels)
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ImageFormat {
    type Err = UnknownFormat;

    fn from_str(s: &str) -> Result<Self, UnknownFormat> {
        const ALL: [ImageFormat; 11] = [
            ImageFormat::Raw,
            ImageFormat::Qcow2,
            ImageFormat::Qcow,
            ImageFormat::Qed,
            ImageFormat::Vmdk,
            ImageFormat::Vdi,
            ImageFormat::Vpc,
            ImageFormat::Vhdx,
            ImageFormat::Parallels,
            ImageFormat::Luks,
            ImageFormat::Iso,
        ];
        ALL.into_iter()
            .find(|format| format.as_str() == s)
            .ok_or_else(|| UnknownFormat(s.to_owned()))
    }
}

/// A format this program has never heard of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownFormat(pub String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown image format {:?}", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

/// Which file a path leads to, whatever name it has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct FileId {
    /// The device the file is on, or for a block device the device that it is.
    pub device: u64,
    /// The inode on that device; 0 for a block device, so that two nodes of
    /// one device are the same image.
    pub inode: u64,
}

/// What a base image looked like when it was last known to be good.
///
/// Nothing in libvirt or QEMU notices that a base has changed under its
/// overlays: `qemu-img check` passes and the guest reads wrong data.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BaseIdentity {
    /// The file. The device part may change with a reboot. Of an image of
    /// another host nobody tells which it is: both parts are 0 then, and so is
    /// the time of its inode.
    pub file: FileId,
    /// The size of the file in bytes, not of the disk in it.
    pub size: u64,
    /// The time of the last change of its contents, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The time of the last change of its inode, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The SHA-256 of its first 64 KiB (less if it is smaller), in hexadecimal.
    pub head_sha256: String,
}
