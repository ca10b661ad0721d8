//! What a journal says of work on snapshots.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::FilePair;
use crate::model::{DiskTarget, Domain, FileId, ImageFormat};

/// Work on one snapshot, of a domain or of one image.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SnapshotIntent {
    /// What is done.
    pub act: SnapshotAct,
    /// The domain; `None` for an image that no domain has.
    pub domain: Option<IntentDomain>,
    /// The name of the snapshot, for messages and for libvirt.
    pub name: String,
    /// When it was made, as libvirt has it on record, in seconds since 1970:
    /// one of the same name and another time is somebody else's. `None` if
    /// libvirt does not know of it.
    pub recorded: Option<i64>,
    /// The images.
    pub images: Vec<SnapshotImage>,
    /// The UEFI variables, if they are a raw file.
    pub variables: Option<SavedVariables>,
    /// The name of the snapshots that were taken to go back to, if any were.
    pub undo: Option<String>,
    /// Whether the domain gets the definition back that it had.
    #[serde(default)]
    pub redefines: bool,
    /// Where the user allowed backing files besides the storage pools.
    #[serde(default)]
    pub allow_dirs: Vec<PathBuf>,
}

/// What is done with a snapshot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotAct {
    /// It is made. Undone: the images that have it lose it.
    Create,
    /// Libvirt makes it of a guest that runs, with its memory: it is made or
    /// not, and what is left of one that is not is removed.
    CreateMemory,
    /// The disks go back to it. Undone before
    /// [`Step::Committed`](super::Step::Committed), finished after it.
    Apply,
    /// The guest goes on from it, with its memory, by libvirt. Undone unless
    /// libvirt says that it does.
    ApplyMemory,
    /// It is deleted. Always finished.
    Delete,
    /// Libvirt takes the disks back to an external one, and the UEFI variables
    /// go with them. `images` is what the disks were: when they are others, it
    /// is done.
    Revert,
    /// Libvirt deletes an external one, and a copy of the UEFI variables goes
    /// when that is off the record.
    Merge,
}

/// A domain, by what identifies it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct IntentDomain {
    /// Its name, for messages.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
}

impl IntentDomain {
    /// What identifies this domain.
    pub fn of(domain: &Domain) -> Self {
        Self {
            name: domain.name.clone(),
            uuid: domain.uuid,
        }
    }
}

/// An image that has the snapshot, or is to get it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SnapshotImage {
    /// Its name in the domain; `None` for the UEFI variables, and for an image
    /// that no domain has.
    pub target: Option<DiskTarget>,
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// Which file that is.
    pub file: FileId,
    /// The snapshot's id in it. The image has it, or will give it.
    pub id: Vec<u8>,
    /// The snapshot's name in it.
    pub tag: Vec<u8>,
}

/// UEFI variables in a raw file, and the copy that belongs to a snapshot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SavedVariables {
    /// Where the domain has them.
    pub path: PathBuf,
    /// The copy that belongs to the snapshot; the temporary name is that of
    /// whatever is made.
    pub copy: FilePair,
    /// The name under which the old ones are kept until all is done.
    pub old: PathBuf,
    /// Which file the copy is, if it was there before.
    pub file: Option<FileId>,
}
