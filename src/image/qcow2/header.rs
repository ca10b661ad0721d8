//! The header of a qcow2 image, version 2 or 3.

use std::fmt;

use super::bitmap::check_directory;
use super::snapshot::{ENTRY, MAX_SNAPSHOTS, Trouble, read_table};
use super::{BitmapDirectory, Extension, FeatureName, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::image::file::{ShownBytes, be32, be64, path_word, shown};
use crate::image::source::Image;
use crate::model::ImageFormat;

/// The first bytes of every qcow2 image, and of its predecessor's too.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// How long the name of a backing file may be, in bytes.
pub const MAX_BACKING_NAME: usize = 1023;

/// What is read at first; most headers end long before.
const FIRST_READ: usize = 4096;

/// The limits of QEMU's `block/qcow2.h`, in bytes.
const MAX_L1: u64 = 32 << 20;
const MAX_REFCOUNT_TABLE: u64 = 8 << 20;
const MAX_BITMAPS: u32 = 65535;
/// An entry of a bitmap directory has 24 bytes and a name of 1023 at the most.
const MAX_BITMAP_DIRECTORY: u64 = 65535 * (24 + 1023);

/// Whether bytes are the beginning of a qcow2 image of version 2 or 3.
///
/// This is for finding images in a directory. It must never decide how a file
/// is opened: a guest can write these bytes to the beginning of a raw disk.
pub fn is_qcow2(head: &[u8]) -> bool {
    head.starts_with(&MAGIC) && matches!(be32(head, 4), Some(2 | 3))
}

/// What is wrong with a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::image) enum Defect {
    /// It goes on for at least so many bytes.
    Short(usize),
    /// It says something that it must not.
    Bad(String),
}

impl Defect {
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(needed) => write!(f, "it ends within its header, before byte {needed}"),
            Self::Bad(what) => f.write_str(what),
        }
    }
}

/// The header of a qcow2 image.
///
/// Offsets and sizes are in bytes unless said otherwise. Holding one means
/// that its fields fit together and into the file, not that it is safe to
/// follow the names in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The name of the backing file as it is written, if there is one.
    pub backing_name: Option<Vec<u8>>,
    /// The cluster size as a power of two, 9 to 21.
    pub cluster_bits: u32,
    /// The size of the disk as the header has it; see [`Header::disk_size`].
    pub virtual_size: u64,
    /// How the guest's data is encrypted, if it is.
    pub encryption: Option<Encryption>,
    /// The number of entries of the L1 table.
    pub l1_size: u32,
    /// Where the L1 table is.
    pub l1_offset: u64,
    /// Where the refcount table is.
    pub refcount_table_offset: u64,
    /// The size of the refcount table, in clusters.
    pub refcount_table_clusters: u32,
    /// The number of internal snapshots.
    pub snapshots: u32,
    /// Where the snapshot table is.
    pub snapshots_offset: u64,
    /// Features that a reader must know.
    pub incompatible: Incompatible,
    /// Features that a reader may ignore.
    pub compatible: u64,
    /// Features that a writer must clear if it does not know them.
    pub autoclear: u64,
    /// The width of a refcount in bits, as a power of two.
    pub refcount_order: u32,
    /// The length of the header without its extensions.
    pub header_length: u32,
    /// How compressed clusters are compressed.
    pub compression: Compression,
    /// The header extensions, in their order.
    pub extensions: Vec<Extension>,
}

/// How the data of an image is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encryption {
    /// The old, broken AES-CBC scheme.
    Aes,
    /// LUKS.
    Luks,
}

/// How the compressed clusters of an image are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Deflate.
    Deflate,
    /// Zstandard.
    Zstd,
}

/// The incompatible features of an image (`qcow2.rst`, bytes 72 to 79).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Incompatible(pub u64);

impl Incompatible {
    const COMPRESSION: u64 = 1 << 3;
    const EXTENDED_L2: u64 = 1 << 4;
    const KNOWN: u64 = 0b1_1111;

    /// The image was not closed, and its refcounts may be stale.
    pub fn dirty(self) -> bool {
        self.0 & 1 != 0
    }

    /// QEMU has found damage in the image.
    pub fn corrupt(self) -> bool {
        self.0 & (1 << 1) != 0
    }

    /// The guest's data is in another file.
    pub fn data_file(self) -> bool {
        self.0 & (1 << 2) != 0
    }

    /// L2 entries are 16 bytes long and tell subclusters apart.
    pub fn extended_l2(self) -> bool {
        self.0 & Self::EXTENDED_L2 != 0
    }

    /// The bits that nobody here knows.
    pub fn unknown(self) -> u64 {
        self.0 & !Self::KNOWN
    }
}

impl Header {
    /// Reads and checks the header of an image.
    ///
    /// The dirty bit is no error: see [`Incompatible::dirty`]. An external
    /// data file is none here either; following it is another matter.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the header is damaged, has features this program
    /// does not know or says that the image is corrupt; [`Kind::Storage`] if
    /// it cannot be read.
    pub fn read(image: &dyn Image) -> Result<Self> {
        let header = Self::read_marked(image)?;
        header
            .check_mark()
            .map_err(|defect| refusal(image, &defect))?;
        Ok(header)
    }

    /// The same of an image that may be marked corrupt: QEMU sets that bit
    /// when it meets a wrong entry, and opens the image for a repair only.
    ///
    /// # Errors
    ///
    /// Those of [`Header::read`] but for that one.
    pub fn read_marked(image: &dyn Image) -> Result<Self> {
        let found = Self::read_unchecked(image)?;
        let checked = found.and_then(|header| header.check(image.size()).map(|()| header));
        let header = checked.map_err(|defect| refusal(image, &defect))?;
        // QEMU reads both before it opens an image.
        let tables = read_table(&header, image, &mut |_| {});
        let tables = tables.and_then(|()| match header.bitmap_directory() {
            Some(directory) => check_directory(&header, directory, image),
            None => Ok(()),
        });
        match tables {
            Ok(()) => Ok(header),
            Err(Trouble::Damaged(defect)) => Err(refusal(image, &defect)),
            Err(Trouble::Unread(error)) => Err(error),
        }
    }

    /// Reads a header and checks no more than it takes to read it. The inner
    /// error is about the header, the outer one about reading it.
    pub(in crate::image) fn read_unchecked(image: &dyn Image) -> Result<Result2<Self>> {
        let mut wanted = FIRST_READ;
        loop {
            let bytes = image.read_at(0, wanted)?;
            match Self::parse(&bytes) {
                // Extensions and the backing name are within the first cluster.
                Err(Defect::Short(needed)) if bytes.len() == wanted && needed > wanted => {
                    wanted = needed.next_power_of_two().min(2 << 20);
                    if wanted <= bytes.len() {
                        return Ok(Err(Defect::Short(needed)));
                    }
                }
                outcome => return Ok(outcome),
            }
        }
    }

    /// Reads a header out of the first bytes of an image.
    pub(in crate::image) fn parse(bytes: &[u8]) -> Result2<Self> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Defect::bad("it does not begin as a qcow2 image does"));
        }
        let u32_at = |at: usize| be32(bytes, at).ok_or(Defect::Short(at + 4));
        let u64_at = |at: usize| be64(bytes, at).ok_or(Defect::Short(at + 8));
        let version = u32_at(4)?;
        if !matches!(version, 2 | 3) {
            return Err(Defect::Bad(format!("unknown qcow2 version {version}")));
        }
        let cluster_bits = u32_at(20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Defect::Bad(format!(
                "its clusters are 2^{cluster_bits} bytes, and 2^9 to 2^21 are possible"
            )));
        }
        let cluster = 1_usize << cluster_bits;
        let header_length = if version == 2 { 72 } else { u32_at(100)? };
        let length = usize::try_from(header_length).unwrap_or(usize::MAX);
        if version == 3 && length < 104 {
            return Err(Defect::Bad(format!(
                "its header is {length} bytes long, and must be 104 at least"
            )));
        }
        if length > cluster {
            return Err(Defect::Bad(format!(
                "its header is {length} bytes long, more than a cluster"
            )));
        }
        if length % 8 != 0 {
            return Err(Defect::Bad(format!(
                "its header is {length} bytes long, and must be a multiple of 8"
            )));
        }
        let v3 = |at: usize| if version == 2 { Ok(0) } else { u64_at(at) };
        let incompatible = Incompatible(v3(72)?);
        let compression = if length > 104 {
            *bytes.get(104).ok_or(Defect::Short(105))?
        } else {
            0
        };
        let (backing_name, end) = backing(bytes, u64_at(8)?, u32_at(16)?, cluster)?;
        Ok(Self {
            version,
            backing_name,
            cluster_bits,
            virtual_size: u64_at(24)?,
            encryption: match u32_at(32)? {
                0 => None,
                1 => Some(Encryption::Aes),
                2 => Some(Encryption::Luks),
                other => return Err(Defect::Bad(format!("unknown encryption {other}"))),
            },
            l1_size: u32_at(36)?,
            l1_offset: u64_at(40)?,
            refcount_table_offset: u64_at(48)?,
            refcount_table_clusters: u32_at(56)?,
            snapshots: u32_at(60)?,
            snapshots_offset: u64_at(64)?,
            incompatible,
            compatible: v3(80)?,
            autoclear: v3(88)?,
            refcount_order: if version == 2 { 4 } else { u32_at(96)? },
            header_length,
            compression: match (compression, incompatible.0 & Incompatible::COMPRESSION) {
                (0, 0) => Compression::Deflate,
                (1, bit) if bit != 0 => Compression::Zstd,
                _ => {
                    return Err(Defect::bad(
                        "its compression is unknown or contradicts itself",
                    ));
                }
            },
            extensions: Extension::read_all(bytes, length, end)?,
        })
    }

    /// Checks what a header says against itself and against the size of its
    /// file, in bytes.
    pub(in crate::image) fn check(&self, file_size: u64) -> Result2<()> {
        let unknown = self.incompatible.unknown();
        if unknown != 0 {
            return Err(Defect::Bad(self.name_unknown(unknown)));
        }
        if self.refcount_order > 6 {
            return Err(Defect::bad("its refcounts are wider than 64 bits"));
        }
        if self.incompatible.extended_l2() && self.cluster_bits < 14 {
            return Err(Defect::bad("its clusters are too small for subclusters"));
        }
        if self.refcount_table_clusters == 0 {
            return Err(Defect::bad("it has no refcount table"));
        }
        let refcounts = u64::from(self.refcount_table_clusters) << self.cluster_bits;
        if refcounts > MAX_REFCOUNT_TABLE {
            return Err(Defect::bad("its refcount table is too large"));
        }
        self.check_table("refcount table", self.refcount_table_offset, 1, file_size)?;

        let per_entry = self.bytes_per_l1_entry();
        let l1_bytes = u64::from(self.l1_size) * 8;
        if l1_bytes > MAX_L1 {
            return Err(Defect::bad("its L1 table is too large"));
        }
        if self.virtual_size.div_ceil(per_entry) > u64::from(self.l1_size) {
            return Err(Defect::bad("its L1 table is too small for its size"));
        }
        self.check_table("L1 table", self.l1_offset, l1_bytes, file_size)?;
        if self.snapshots > MAX_SNAPSHOTS {
            return Err(Defect::bad("it has too many snapshots"));
        }
        let least = u64::from(self.snapshots) * ENTRY as u64;
        self.check_table("snapshot table", self.snapshots_offset, least, file_size)?;
        self.check_bitmaps(file_size)?;
        self.check_encryption(file_size)
    }

    pub(in crate::image) fn check_mark(&self) -> Result2<()> {
        if self.incompatible.corrupt() {
            return Err(Defect::bad(CORRUPT));
        }
        Ok(())
    }

    /// Where the bitmaps are listed, if the image says that the list is true
    /// (`qcow2.rst`, "Bitmaps extension").
    fn bitmap_directory(&self) -> Option<&BitmapDirectory> {
        let mut listed = self.extensions.iter().filter_map(|e| match e {
            Extension::Bitmaps(directory) => Some(directory),
            _ => None,
        });
        listed.next().filter(|_| self.autoclear & 1 != 0)
    }

    fn check_bitmaps(&self, file_size: u64) -> Result2<()> {
        let Some(directory) = self.bitmap_directory() else {
            return Ok(());
        };
        if directory.reserved != 0 {
            return Err(Defect::bad("its bitmaps extension is not understood"));
        }
        let count = 1..=MAX_BITMAPS;
        if !count.contains(&directory.count) || directory.size > MAX_BITMAP_DIRECTORY {
            return Err(Defect::bad(
                "it has no bitmaps where it says so, or too many",
            ));
        }
        let (offset, size) = (directory.offset, directory.size);
        self.check_table("bitmap directory", offset, size.max(1), file_size)
    }

    /// QEMU looks at the L1 table of a snapshot when the snapshot is used.
    pub(super) fn check_snapshot(&self, snapshot: &Snapshot, file_size: u64) -> Result2<()> {
        let bytes = u64::from(snapshot.l1_size) * 8;
        if bytes > MAX_L1 {
            return Err(Defect::bad("the L1 table of a snapshot is too large"));
        }
        self.check_table(
            "L1 table of a snapshot",
            snapshot.l1_offset,
            bytes,
            file_size,
        )
    }

    /// A LUKS header has to be there if the data is encrypted so, and only then.
    fn check_encryption(&self, file_size: u64) -> Result2<()> {
        let header = self.extensions.iter().find_map(|e| match e {
            Extension::LuksHeader { offset, length } => Some((*offset, *length)),
            _ => None,
        });
        match (self.encryption, header) {
            (Some(Encryption::Luks), Some((offset, length))) => {
                self.check_table("LUKS header", offset, length, file_size)
            }
            (Some(Encryption::Luks), None) => Err(Defect::bad("it has no LUKS header")),
            (_, Some(_)) => Err(Defect::bad("it has a LUKS header and is not encrypted so")),
            (_, None) => Ok(()),
        }
    }

    fn check_table(&self, what: &str, offset: u64, length: u64, file_size: u64) -> Result2<()> {
        // An empty table may be anywhere, but not between clusters.
        let aligned = offset & (self.cluster_size() - 1) == 0 && i64::try_from(offset).is_ok();
        if aligned && length == 0 {
            return Ok(());
        }
        if !aligned || offset == 0 {
            return Err(Defect::Bad(format!("its {what} is at an impossible place")));
        }
        match offset.checked_add(length) {
            Some(end) if end <= file_size => Ok(()),
            _ => Err(Defect::Bad(format!(
                "its {what} is beyond the end of the file: it was cut off"
            ))),
        }
    }

    fn name_unknown(&self, bits: u64) -> String {
        let names: Vec<String> = (0..64)
            .filter(|bit| bits & (1 << bit) != 0)
            .map(|bit: u8| match self.feature_name(bit) {
                Some(name) => format!("{bit} ({})", ShownBytes(name)),
                None => bit.to_string(),
            })
            .collect();
        format!("it needs features unknown here: {}", names.join(", "))
    }

    /// What the image itself calls an incompatible feature.
    fn feature_name(&self, bit: u8) -> Option<&[u8]> {
        let mut tables = self.extensions.iter().filter_map(|e| match e {
            Extension::FeatureNames(names) => Some(names),
            _ => None,
        });
        let wanted = |f: &&FeatureName| f.kind == 0 && f.bit == bit;
        tables.find_map(|names| names.iter().find(wanted).map(|f| f.name.as_slice()))
    }

    /// The size of the disk in whole sectors of 512 bytes: QEMU does not show
    /// the guest a part of one.
    pub fn disk_size(&self) -> u64 {
        self.virtual_size & !511
    }

    /// The size of a cluster, in bytes.
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// How much of the disk one L1 entry stands for, in bytes.
    pub(in crate::image) fn bytes_per_l1_entry(&self) -> u64 {
        let entry_bits = if self.incompatible.extended_l2() {
            4
        } else {
            3
        };
        1_u64 << (2 * self.cluster_bits - entry_bits)
    }

    /// The format of the backing file as the header has it, in QEMU's words.
    pub fn backing_format_name(&self) -> Option<&[u8]> {
        self.extensions.iter().find_map(|e| match e {
            Extension::BackingFormat(name) => Some(name.as_slice()),
            _ => None,
        })
    }

    /// The format of the backing file, if the header has one that is known.
    pub fn backing_format(&self) -> Option<ImageFormat> {
        std::str::from_utf8(self.backing_format_name()?)
            .ok()?
            .parse()
            .ok()
            // A word of libvirt's, which means raw; QEMU has no such format.
            .filter(|format| *format != ImageFormat::Iso)
    }

    /// The name of the external data file, if the header has one.
    pub fn data_file_name(&self) -> Option<&[u8]> {
        self.extensions.iter().find_map(|e| match e {
            Extension::DataFile(name) => Some(name.as_slice()),
            _ => None,
        })
    }
}

/// A result whose error is about the header and not yet about a file.
type Result2<T> = std::result::Result<T, Defect>;

/// The error for an image with such a header.
pub(super) fn refusal(image: &dyn Image, defect: &Defect) -> Error {
    let name = shown(image.path());
    let error = Error::new(
        Kind::Unsafe,
        format_args!("image {name} is not safe to use: {defect}"),
    );
    if *defect == Defect::bad(CORRUPT) {
        let word = path_word(image.path());
        error.hint(format!("see what is wrong: `vmkin disk check -a {word}`"))
    } else {
        error
    }
}

const CORRUPT: &str = "it is marked corrupt";

/// Reads the name of the backing file. Returns it, and where the header
/// extensions end at the latest.
fn backing(
    bytes: &[u8],
    offset: u64,
    length: u32,
    cluster: usize,
) -> Result2<(Option<Vec<u8>>, usize)> {
    if offset == 0 {
        return Ok((None, cluster));
    }
    let outside = || Defect::bad("the name of its backing file is outside of the first cluster");
    let from = usize::try_from(offset).map_err(|_| outside())?;
    if from > cluster {
        return Err(outside());
    }
    let length = usize::try_from(length).map_err(|_| outside())?;
    if length == 0 {
        return Ok((None, from));
    }
    if length > MAX_BACKING_NAME {
        return Err(Defect::bad("the name of its backing file is too long"));
    }
    let to = from.checked_add(length).ok_or_else(outside)?;
    if to > cluster {
        return Err(outside());
    }
    let name = bytes.get(from..to).ok_or(Defect::Short(to))?;
    Ok((Some(name.to_vec()), from))
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
