//! Disks of a domain, as its XML has them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ImageFormat, NbdExport, NetworkSource};

/// The name of a disk inside a domain: `vda`, `sdb`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiskTarget(String);

impl DiskTarget {
    /// Returns the name as libvirt spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DiskTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DiskTarget {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        // It becomes part of file names, so nothing else may pass.
        let fine = !s.is_empty() && s.len() <= 32 && s.bytes().all(|b| b.is_ascii_alphanumeric());
        if fine {
            Ok(Self(s.to_owned()))
        } else {
            Err("a disk target is letters and digits, like vda")
        }
    }
}

impl TryFrom<String> for DiskTarget {
    type Error = &'static str;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<DiskTarget> for String {
    fn from(target: DiskTarget) -> Self {
        target.0
    }
}

/// A disk of a domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Disk {
    /// Its name in the domain.
    pub target: DiskTarget,
    /// The bus it is on, such as `virtio`.
    pub bus: Option<String>,
    /// What the guest takes it for.
    pub device: DiskDevice,
    /// Where its contents are.
    pub source: DiskSource,
    /// The format of the top image. Libvirt takes raw where the XML has none,
    /// and so does this.
    pub format: ImageFormat,
    /// The guest cannot write to it.
    pub readonly: bool,
    /// Several domains may write to it at once.
    pub shareable: bool,
    /// What the guest writes is thrown away when it shuts off.
    pub transient: bool,
    /// The layers below the top image, nearest first, if the XML names them.
    pub declared: Vec<DeclaredLayer>,
    /// Whether the XML says that the chain ends after `declared` (an empty
    /// `<backingStore/>`); if not, libvirt goes on with what the headers say.
    pub declared_whole: bool,
    /// Whether the guest sees a part of an image alone (`<slices>`), or of one below.
    #[serde(skip)]
    pub sliced: bool,
}

impl Disk {
    /// Whether the domain keeps what it writes to this disk to itself, so that
    /// a clone needs one of its own.
    pub fn is_private(&self) -> bool {
        matches!(self.device, DiskDevice::Disk | DiskDevice::Lun)
            && !self.readonly
            && !self.shareable
            && !self.transient
            && self.source != DiskSource::Empty
    }

    /// The NBD export that the XML says is below the images of this disk, at
    /// the end of a chain that it declares whole.
    pub fn declared_export(&self) -> Option<&NbdExport> {
        let last = self.declared.last().filter(|_| self.declared_whole)?;
        match &last.source {
            DiskSource::Network(network) if last.format == Some(ImageFormat::Raw) => {
                network.export.as_ref().ok()
            }
            _ => None,
        }
    }
}

/// A lower layer of a backing chain that domain XML names in `<backingStore>`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DeclaredLayer {
    /// Where it is.
    pub source: DiskSource,
    /// Its format.
    pub format: Option<ImageFormat>,
}

/// What a guest takes a disk for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskDevice {
    /// A hard disk.
    Disk,
    /// A CD or DVD drive.
    Cdrom,
    /// A floppy drive.
    Floppy,
    /// A SCSI device of the host, passed through.
    Lun,
}

/// Where the contents of a disk are.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskSource {
    /// A drive without a medium.
    Empty,
    /// A file of the host.
    File(PathBuf),
    /// A block device of the host.
    Block(PathBuf),
    /// A volume in a libvirt storage pool.
    Volume {
        /// The name of the pool.
        pool: String,
        /// The name of the volume.
        volume: String,
    },
    /// A network protocol, such as `nbd` or `rbd`.
    Network(NetworkSource),
    /// Anything else, by the word in the XML: `dir`, `nvme`, `vhostuser`, `vhostvdpa`.
    Other(String),
}

impl fmt::Display for DiskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("(empty)"),
            Self::File(path) | Self::Block(path) => write!(f, "{}", path.display()),
            Self::Volume { pool, volume } => write!(f, "{pool}/{volume}"),
            Self::Network(NetworkSource { protocol, name, .. }) => {
                write!(f, "{protocol}:{}", name.as_deref().unwrap_or_default())
            }
            Self::Other(word) => write!(f, "({word})"),
        }
    }
}
