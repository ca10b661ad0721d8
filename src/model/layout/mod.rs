//! How a new disk is laid out: partitions, logical volumes, file systems.
//!
//! | file | what it knows |
//! |---|---|
//! | `file_system` | the file systems that are made, and what they need |
//! | `check` | what cannot be |
//! | `spec` | what the user types |
//! | `shape` | layouts that have a name |
//! | `place` | how large everything is, and where it begins |

mod check;
mod file_system;
mod place;
mod shape;
mod spec;

use std::fmt;

use serde::{Serialize, Serializer};

pub use self::file_system::FsType;
pub use self::place::{Content, Needed, Placed, Span};
pub use self::shape::Shape;
pub use self::spec::{LogicalSpec, PartSpec};

/// The sorts of partition tables that are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionTable {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

impl PartitionTable {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpt => "gpt",
            Self::Mbr => "mbr",
        }
    }
}

impl std::str::FromStr for PartitionTable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "gpt" | "efi" => Ok(Self::Gpt),
            "mbr" | "msdos" | "dos" => Ok(Self::Mbr),
            _ => Err("a partition table is gpt or mbr"),
        }
    }
}

/// How much of the disk something gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    /// So many bytes.
    Bytes(u64),
    /// What the others leave.
    Rest,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&super::human_bytes(*bytes)),
            Self::Rest => f.write_str("rest"),
        }
    }
}

impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(bytes) => serializer.serialize_u64(*bytes),
            Self::Rest => serializer.serialize_none(),
        }
    }
}

/// What a partition or a volume holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holds {
    /// A file system.
    Files {
        /// Which.
        kind: FsType,
        /// Which directory of the source is in it, with all below it that is in
        /// no other; none, if it stays empty.
        dir: Option<String>,
        /// Its label.
        label: Option<String>,
    },
    /// Swap space.
    Swap {
        /// Its label.
        label: Option<String>,
    },
    /// A part of a volume group.
    Group(String),
    /// The second stage of GRUB, on a GPT.
    BiosBoot,
    /// Nothing.
    Nothing,
}

/// A partition; or the whole disk, where there is no table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// How much it gets.
    pub room: Room,
    /// What it holds.
    pub holds: Holds,
    /// Whether it is the one that UEFI boots from.
    pub esp: bool,
}

/// A logical volume.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logical {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// How much of the group it gets.
    pub room: Room,
    /// What it holds.
    pub holds: Holds,
}

/// How a disk is laid out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// Its partition table; none, if it is one volume.
    pub table: Option<PartitionTable>,
    /// Its partitions; one, where there is no table.
    pub parts: Vec<Part>,
    /// Its logical volumes.
    pub volumes: Vec<Logical>,
}

/// One of its file systems, and where that is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place<'l> {
    /// The name of its device on a disk that is called `sda`, without `/dev/`.
    pub device: String,
    /// What is there.
    pub holds: &'l Holds,
}

impl Layout {
    /// All that something is put into: partitions, then logical volumes.
    pub fn places(&self) -> Vec<Place<'_>> {
        let parts = self.parts.iter().enumerate().map(|(index, part)| Place {
            device: match self.table {
                Some(_) => format!("sda{}", index.saturating_add(1)),
                None => "sda".to_owned(),
            },
            holds: &part.holds,
        });
        let volumes = self.volumes.iter().map(|volume| Place {
            device: format!("{}/{}", volume.group, volume.name),
            holds: &volume.holds,
        });
        parts.chain(volumes).collect()
    }

    /// The names of its volume groups, each once.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups = Vec::new();
        for part in &self.parts {
            if let Holds::Group(name) = &part.holds {
                if !groups.contains(&name.as_str()) {
                    groups.push(name.as_str());
                }
            }
        }
        groups
    }

    /// Whether nothing but a kernel can make it: everything but one FAT file
    /// system on the whole of the disk.
    pub fn is_plain_fat(&self) -> bool {
        let [part] = self.parts.as_slice() else {
            return false;
        };
        let fat = matches!(
            part.holds,
            Holds::Files {
                kind: FsType::Vfat,
                ..
            }
        );
        self.table.is_none() && self.volumes.is_empty() && fat
    }
}
