//! Backing chains: overlay → … → base image.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{FileId, ImageFormat, NbdExport};

/// The images a disk is made of, as they were found on the host.
///
/// Holding one means that every header was read by this program's own parser
/// and passed its rules of trust; it says nothing about what the files are a
/// moment later.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Chain {
    /// The layers, the one the guest writes to first. Never empty.
    layers: Vec<Layer>,
    /// The raw disk on the network that is below them, if there is one.
    export: Option<NbdExport>,
}

impl Chain {
    /// Makes a chain of a top image and the layers below it, nearest first.
    pub fn new(top: Layer, below: Vec<Layer>) -> Self {
        let mut layers = vec![top];
        layers.extend(below);
        Self {
            layers,
            export: None,
        }
    }

    /// Puts the chain on an NBD export.
    pub fn on(self, export: NbdExport) -> Self {
        Self {
            export: Some(export),
            ..self
        }
    }

    /// The image the guest writes to.
    #[expect(clippy::indexing_slicing, reason = "never empty by construction")]
    pub fn top(&self) -> &Layer {
        &self.layers[0]
    }

    /// The NBD export below the last of the images.
    pub fn export(&self) -> Option<&NbdExport> {
        self.export.as_ref()
    }

    /// Whether the top image is all there is.
    pub fn is_single(&self) -> bool {
        self.backing().is_empty() && self.export.is_none()
    }

    /// The image at the bottom; the top itself where there is no other.
    pub fn base(&self) -> &Layer {
        self.layers.last().unwrap_or_else(|| self.top())
    }

    /// The first layer whose contents are encrypted.
    pub fn encrypted(&self) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.encrypted)
    }

    /// The layers below the top one, nearest first.
    pub fn backing(&self) -> &[Layer] {
        self.layers.get(1..).unwrap_or_default()
    }

    /// All layers, the top one first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether `path` is the path of one of the layers.
    pub fn names(&self, path: &Path) -> bool {
        self.layers.iter().any(|layer| layer.path == path)
    }
}

/// One image of a chain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Layer {
    /// Its absolute path, as the XML or the header above has it (a relative
    /// backing file name is taken from the directory of the layer above).
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// Which file that is.
    pub file: FileId,
    /// Whether it is a block device.
    pub block: bool,
    /// The size of the disk that the guest sees, in bytes.
    pub virtual_size: u64,
    /// The size of the file, in bytes; of a block device, its capacity.
    pub file_size: u64,
    /// What it takes on the host, in bytes; 0 for a block device.
    pub allocated: u64,
    /// How many internal snapshots it holds.
    pub snapshots: u32,
    /// Whether it is marked as not closed: something writes to it, or died
    /// while it did. Reading it is fine.
    pub dirty: bool,
    /// Whether the guest's data in it is encrypted, so that reading it takes
    /// a secret.
    pub encrypted: bool,
}
