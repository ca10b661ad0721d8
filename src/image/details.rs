//! What a qcow2 header says that is of no matter to a chain.

use serde::Serialize;

use super::file::{ImageFile, ShownBytes};
use super::qcow2::{Compression, Encryption, Extension, Header, Snapshot};
use crate::error::Result;
use crate::model::{ImageFormat, Layer};

/// The bit of the compatible features that says that refcounts are written late.
const LAZY_REFCOUNTS: u64 = 1;

/// What is special about a qcow2 image.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    /// The oldest QEMU that can read it: `0.10` or `1.1`.
    pub compat: &'static str,
    /// The size of a cluster, in bytes.
    pub cluster_size: u64,
    /// How many bits a refcount has.
    pub refcount_bits: u32,
    /// Whether refcounts may be written late, and are then put together again
    /// after a crash.
    pub lazy_refcounts: bool,
    /// Whether each cluster has subclusters.
    pub extended_l2: bool,
    /// How what is compressed is compressed: `zlib` or `zstd`.
    pub compression_type: &'static str,
    /// How the guest's data is encrypted: `luks` or `aes`.
    pub encryption: Option<&'static str>,
    /// Whether it was not closed.
    pub dirty: bool,
    /// Whether QEMU has found damage in it.
    pub corrupt: bool,
    /// How many bitmaps of changed blocks it holds.
    pub bitmaps: u32,
    /// The backing file, as it is written in the header.
    pub backing_name: Option<String>,
    /// The format of the backing file, as it is written in the header.
    pub backing_format: Option<String>,
    /// Its internal snapshots.
    #[serde(skip)]
    pub snapshots: Vec<Snapshot>,
}

/// Reads what is special about a layer; `None` if that is not qcow2.
///
/// # Errors
///
/// Those of [`Header::read_marked`] and of [`Header::snapshot_table`];
/// `Busy` if the file is another one than when the chain was read.
pub fn details(layer: &Layer) -> Result<Option<Details>> {
    if layer.format != ImageFormat::Qcow2 {
        return Ok(None);
    }
    let image = ImageFile::of_layer(layer)?;
    let header = Header::read_marked(&image)?;
    let text = |bytes: &[u8]| ShownBytes(bytes).to_string();
    Ok(Some(Details {
        compat: if header.version == 2 { "0.10" } else { "1.1" },
        cluster_size: header.cluster_size(),
        refcount_bits: 1_u32.checked_shl(header.refcount_order).unwrap_or(0),
        lazy_refcounts: header.compatible & LAZY_REFCOUNTS != 0,
        extended_l2: header.incompatible.extended_l2(),
        compression_type: match header.compression {
            Compression::Deflate => "zlib",
            Compression::Zstd => "zstd",
        },
        encryption: header.encryption.map(|how| match how {
            Encryption::Aes => "aes",
            Encryption::Luks => "luks",
        }),
        dirty: header.incompatible.dirty(),
        corrupt: header.incompatible.corrupt(),
        bitmaps: header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::Bitmaps(directory) => Some(directory.count),
                _ => None,
            })
            .unwrap_or(0),
        backing_name: header.backing_name.as_deref().map(text),
        backing_format: header.backing_format_name().map(text),
        snapshots: header.snapshot_table(&image)?,
    }))
}
