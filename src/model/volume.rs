//! Storage pools and volumes, as libvirt tells of them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::ImageFormat;

/// A storage pool that is a directory of this host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Whether libvirt uses it now.
    pub active: bool,
    /// The directory, for the kinds of pool that have one.
    pub path: Option<PathBuf>,
}

/// What libvirt says of a storage volume at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeFacts {
    /// Whether it is a block device.
    pub block: bool,
    /// The size of the file, or the capacity of the device, in bytes.
    pub size: u64,
    /// The size of the disk in it, in bytes, as far as libvirt knows: of an image, it is in
    /// its header.
    pub capacity: u64,
    /// What it takes on its host, in bytes.
    pub allocated: u64,
    /// When it was written to last, as libvirt spells it: seconds since 1970,
    /// with nine digits more.
    pub modified: Option<String>,
    /// The mode bits of the file, where libvirt tells them.
    pub mode: Option<u32>,
    /// The image below it, as far as libvirt has found one in its header.
    pub backing: Option<PathBuf>,
    /// What libvirt takes it for, by its first bytes.
    pub format: Option<String>,
}

/// The name by which libvirt finds a storage volume.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeName {
    /// The pool that it is in.
    pub pool: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume '{}' of storage pool '{}'", self.name, self.pool)
    }
}

/// What libvirt says of a storage pool, as of when it last looked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolFacts {
    /// Its kind: `dir`, `netfs`, `logical`, ….
    pub kind: String,
    /// The directory, for the kinds of pool whose volumes are files in one.
    pub directory: Option<PathBuf>,
    /// What the paths of its volumes begin with, of the kinds in which libvirt clones
    /// volumes.
    pub place: Option<PathBuf>,
    /// What it has room for, in bytes.
    pub capacity: u64,
    /// How much of that is free, in bytes.
    pub available: u64,
}

/// A storage volume of a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PoolVolume {
    /// Its name.
    pub name: String,
    /// Its path on its host.
    pub path: PathBuf,
    /// What it is now.
    pub facts: VolumeFacts,
}

/// A storage volume that is to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewVolume {
    /// Its name, which no other volume of its pool has.
    pub name: String,
    /// How large it is for a guest, in bytes; of a raw one, the size of its file.
    pub capacity: u64,
    /// How much of that gets its place on the host at once, in bytes.
    pub allocation: u64,
    /// What libvirt makes of it.
    pub format: ImageFormat,
    /// The mode bits of its file; else libvirt's own, 0600.
    pub mode: Option<u32>,
}

impl NewVolume {
    /// A file of this many bytes, all zero, that takes no place yet.
    pub fn raw(name: impl Into<String>, size: u64) -> Self {
        Self {
            name: name.into(),
            capacity: size,
            allocation: 0,
            format: ImageFormat::Raw,
            mode: None,
        }
    }
}
