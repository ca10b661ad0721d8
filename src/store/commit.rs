//! What a journal says of an overlay whose contents go into its base.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{DiskTarget, FileId, ImageFormat};

/// What an overlay holds is written into the image right below it. The overlay
/// hides what is written until [`Step::Merged`](super::Step::Merged), so that there
/// is nothing to undo; finished after it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CommitIntent {
    /// The name of the domain, or of the image, for messages.
    pub name: String,
    /// The disk that it is, if a domain has it.
    pub disk: Option<CommittedDisk>,
    /// Where it is, free of symbolic links.
    pub overlay: PathBuf,
    /// Which file it is.
    pub overlay_file: FileId,
    /// Where its base is.
    pub base: PathBuf,
    /// Which file that is.
    pub base_file: FileId,
    /// The format of that.
    pub base_format: ImageFormat,
    /// The name an empty overlay in its place is made under; `None` if the overlay
    /// goes.
    pub fresh: Option<PathBuf>,
    /// Where the user allowed backing files besides the storage pools.
    #[serde(default)]
    pub allow_dirs: Vec<PathBuf>,
}

/// Whose disk an overlay is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CommittedDisk {
    /// The UUID of the domain.
    pub uuid: Uuid,
    /// The name of the disk in it.
    pub target: DiskTarget,
}
