//! What a journal says of work on the files of a guest.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{FileId, ImageFormat};

/// Changes to the files of a guest. Undone before
/// [`Step::Committed`](super::Step::Committed), finished after it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WriteIntent {
    /// The name of the domain, or of the image, for messages.
    pub name: String,
    /// Its disks.
    pub disks: Vec<RedoDisk>,
}

/// A disk, and where what is to be written to it is.
///
/// At [`Step::Committed`](super::Step::Committed) every disk is aside. One that
/// has its own name again has been written to, all of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RedoDisk {
    /// Where it is, free of symbolic links.
    pub path: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// Its format.
    pub format: ImageFormat,
    /// What is below it.
    pub below: Vec<PathBuf>,
    /// The overlay with what is to be written.
    pub redo: PathBuf,
    /// The name that the disk has while that is done.
    pub aside: PathBuf,
    /// Its size in the end, in bytes, where that is another than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}
