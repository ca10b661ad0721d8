//! Where a clone came from, as its XML carries it in `<metadata>`.

use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::{BaseIdentity, DiskTarget, ImageFormat, Reservation};

/// Where a clone came from.
///
/// It travels with the domain, so it holds what nothing else can tell later:
/// what the base looked like when the clone was made, and which files were
/// made for this domain and go when it goes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Lineage {
    /// The name of the golden domain at that time.
    pub golden_name: String,
    /// The UUID of the golden domain.
    pub golden_uuid: Uuid,
    /// When the clone was made, RFC 3339 in UTC.
    pub time: String,
    /// How its disks were made.
    pub mode: CloneMode,
    /// The disks that were made for it.
    pub disks: Vec<LineageDisk>,
    /// Other files that were made for it: its UEFI variables, and the disk that
    /// tells it who it is.
    pub files: Vec<PathBuf>,
    /// The addresses that were reserved for it.
    pub reservations: Vec<Reservation>,
}

/// How the disks of a clone are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CloneMode {
    /// As overlays on the disks of the golden domain.
    Linked,
    /// As independent copies of them.
    Full,
}

impl CloneMode {
    /// The word for it in XML and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Full => "full",
        }
    }
}

/// A disk that was made for a clone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LineageDisk {
    /// The disk in the domain.
    pub target: DiskTarget,
    /// The image that was made.
    pub path: PathBuf,
    /// The images it is an overlay of, the nearest first; empty if it is no
    /// overlay on an image. A change of any of them changes what it reads.
    pub bases: Vec<BaseRecord>,
    /// The URI of the NBD export it is an overlay of. There is no telling what
    /// that looked like.
    pub export: Option<String>,
}

/// An image below an overlay, and what it looked like.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BaseRecord {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// What it looked like when the overlay was made.
    pub identity: BaseIdentity,
}
