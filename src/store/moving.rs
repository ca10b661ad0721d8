//! What a journal says of a base that is given another place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{FileId, ImageFormat};

/// A base that is to have another place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MoveIntent {
    /// Where it is.
    pub from: PathBuf,
    /// Which file that is.
    pub file: FileId,
    /// Its format.
    pub format: ImageFormat,
    /// Where it is to be.
    pub to: PathBuf,
    /// The name a copy is made under; `None` where the file itself gets a second
    /// name.
    pub temp: Option<PathBuf>,
    /// Whether the file was immutable.
    pub immutable: bool,
    /// Where the user allowed backing files besides the storage pools.
    #[serde(default)]
    pub allow_dirs: Vec<PathBuf>,
}

/// An overlay that is given another backing file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OldHeader {
    /// Where it is.
    pub path: PathBuf,
    /// Which file that is.
    pub file: FileId,
    /// The first bytes it had, in hexadecimal.
    pub before: String,
    /// Whether it is sealed, as a layer that others are on.
    pub sealed: bool,
}
