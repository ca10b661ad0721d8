//! New images: disks that are laid out and filled, CDs, floppies.
//!
//! | file | what it does |
//! |---|---|
//! | `plan` | reads the source through, and gives everything a size and a place |
//! | `make` | makes the image: all of it, or nothing |
//! | `verify` | reads back what was made |

mod make;
mod plan;
mod verify;

use std::path::PathBuf;

use serde::Serialize;

use crate::guest::build::{Owners, Source};
use crate::interrupt::Interrupt;
use crate::model::ImageFormat;
use crate::model::layout::{Holds, Layout, PartitionTable, Room};
use crate::ops::Observer;
use crate::store::Store;

pub use self::make::build;
pub use self::plan::Plan;

/// What images are made with: no domain is needed, and so no hypervisor.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// What is remembered between runs.
    pub store: &'a Store,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
    /// Who is told how it goes.
    pub observer: &'a dyn Observer,
}

/// What is to be made.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The image; nothing may be there.
    pub out: PathBuf,
    /// What is put into it.
    pub source: Source,
    /// Whose that is.
    pub owners: Owners,
    /// What sort of image it is.
    pub target: Target,
}

/// The sorts of images.
#[derive(Clone, Debug)]
pub enum Target {
    /// A disk.
    Disk {
        /// How it is laid out.
        layout: Layout,
        /// Raw or qcow2.
        format: ImageFormat,
        /// How large it is.
        size: DiskSize,
    },
    /// A CD.
    Iso {
        /// Its label.
        label: Option<String>,
    },
    /// A floppy.
    Floppy {
        /// Its label.
        label: Option<String>,
    },
}

/// How large a disk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DiskSize {
    /// So many bytes.
    Exactly(u64),
    /// As many as what is in it takes, and so many more.
    Estimated(u64),
}

/// What was made, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// Its format: `raw`, `qcow2` or `iso`.
    pub format: &'static str,
    /// Its size as a disk, in bytes; `None` for a CD that is not made yet.
    pub size: Option<u64>,
    /// What makes it: `vmkin`, `libguestfs`, or a program for CDs.
    pub engine: &'static str,
    /// How many files, directories and others are put into it.
    pub files: u64,
    /// How many bytes those have.
    pub bytes: u64,
    /// Its partition table.
    pub table: Option<PartitionTable>,
    /// What is on it.
    pub volumes: Vec<BuiltVolume>,
    /// What could not be put into it, a clause each.
    pub left_out: Vec<String>,
    /// Whether it was made: not so in a dry run.
    pub made: bool,
}

/// A partition or a volume of it.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltVolume {
    /// What it is called on the first disk of a guest.
    pub device: String,
    /// How much it gets, in bytes; `None` for what the others leave.
    pub room: Option<u64>,
    /// What is in it: a file system, `swap`, `lvm`, `bios` or nothing.
    pub holds: &'static str,
    /// The volume group, the directory of the source, or nothing.
    pub dir: Option<String>,
    /// Its label.
    pub label: Option<String>,
}

impl BuiltVolume {
    fn new(device: String, room: Room, holds: &Holds) -> Self {
        let (word, dir, label) = match holds {
            Holds::Files { kind, dir, label } => (kind.as_str(), dir.clone(), label.clone()),
            Holds::Swap { label } => ("swap", None, label.clone()),
            Holds::Group(group) => ("lvm", Some(group.clone()), None),
            Holds::BiosBoot => ("bios", None, None),
            Holds::Nothing => ("none", None, None),
        };
        Self {
            device: format!("/dev/{device}"),
            room: match room {
                Room::Bytes(bytes) => Some(bytes),
                Room::Rest => None,
            },
            holds: word,
            dir,
            label,
        }
    }
}
