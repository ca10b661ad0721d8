//! What a journal says of disks that get other layers below them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CommittedDisk;
use crate::model::{DiskTarget, FileId, ImageFormat};

/// Disks of a domain in whose places others come, which read the same and have
/// other layers below them. Undone before
/// [`Step::Committed`](super::Step::Committed), finished after it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RelayerIntent {
    /// What is done.
    pub act: RelayerAct,
    /// The name of the domain, or of the image, for messages.
    pub name: String,
    /// The UUID of the domain, if one has them.
    pub uuid: Option<Uuid>,
    /// Its disks.
    pub disks: Vec<RelayeredDisk>,
    /// Where the user allowed backing files besides the storage pools.
    #[serde(default)]
    pub allow_dirs: Vec<PathBuf>,
}

/// What is done with the layers of disks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayerAct {
    /// They become images that stand alone.
    Flatten,
    /// They become overlays on another base.
    Rebase,
}

/// A disk in whose place another one comes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RelayeredDisk {
    /// Its name in the domain, if one has it.
    pub target: Option<DiskTarget>,
    /// Where it is, free of symbolic links.
    pub path: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// The format of the new one.
    pub format: ImageFormat,
    /// The name the new one is made under.
    pub temp: PathBuf,
    /// The name the old one has while the definition is changed.
    pub aside: PathBuf,
}

/// The header of an overlay is to name another base, on which it reads the same.
/// Undone before [`Step::Committed`](super::Step::Committed), finished after it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RenameIntent {
    /// The name of the domain, or of the image, for messages.
    pub name: String,
    /// The disk that it is, if a domain has it.
    pub disk: Option<CommittedDisk>,
    /// Where it is, free of symbolic links.
    pub overlay: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// What it began with, in hexadecimal.
    pub before: String,
    /// The base that it is to name.
    pub to: PathBuf,
}
