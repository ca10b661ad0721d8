//! Header extensions of a qcow2 image.

use super::header::Defect;
use crate::image::file::{be32, be64};

/// One header extension (`qcow2.rst`, "Header extensions").
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Extension {
    /// The format of the backing file, in QEMU's words; not checked here.
    BackingFormat(Vec<u8>),
    /// Names that the writer of the image has for its feature bits.
    FeatureNames(Vec<FeatureName>),
    /// Persistent dirty bitmaps.
    Bitmaps(BitmapDirectory),
    /// Where the LUKS header is: offset and length in bytes.
    LuksHeader {
        /// From the start of the file.
        offset: u64,
        /// The length.
        length: u64,
    },
    /// The name of the file that holds the guest's data.
    DataFile(Vec<u8>),
    /// One that this program does not know, by its type. It may be ignored.
    Unknown(u32),
}

impl Extension {
    pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
    const KNOWN: [u32; 5] = [
        Self::BACKING_FORMAT,
        Self::FEATURE_NAMES,
        Self::BITMAPS,
        Self::LUKS_HEADER,
        Self::DATA_FILE,
    ];
    const FEATURE_NAMES: u32 = 0x6803_f857;
    const BITMAPS: u32 = 0x2385_2875;
    const LUKS_HEADER: u32 = 0x0537_be77;
    const DATA_FILE: u32 = 0x4441_5441;

    /// QEMU has a buffer of 16 bytes for the format of the backing file.
    const LONGEST_FORMAT: usize = 15;

    /// Reads the extensions between `start` and `end`, both in bytes from the
    /// beginning of the image.
    pub(super) fn read_all(bytes: &[u8], start: usize, end: usize) -> Result<Vec<Self>, Defect> {
        let mut found = Vec::new();
        let mut seen = Vec::new();
        let mut at = start;
        while at < end {
            let from = at.saturating_add(8);
            let short = || Defect::Short(from);
            let kind = be32(bytes, at).ok_or_else(short)?;
            let length = be32(bytes, at.saturating_add(4)).ok_or_else(short)?;
            let too_large = || Defect::bad(format!("header extension 0x{kind:08x} is too large"));
            let length = usize::try_from(length).map_err(|_| too_large())?;
            let to = from.checked_add(length).ok_or_else(too_large)?;
            // Also for the last one, of type 0: QEMU does.
            if to > end {
                return Err(too_large());
            }
            if kind == 0 {
                break;
            }
            // Of two names or formats QEMU takes the last and another reader the
            // first, so that an image would be one thing here and another there.
            if seen.contains(&kind) {
                return Err(Defect::bad(format!(
                    "header extension 0x{kind:08x} is there twice"
                )));
            }
            if Self::KNOWN.contains(&kind) {
                seen.push(kind);
            }
            let data = bytes.get(from..to).ok_or(Defect::Short(to))?;
            found.push(Self::read(kind, data)?);
            at = to.checked_next_multiple_of(8).ok_or_else(too_large)?;
        }
        Ok(found)
    }

    fn read(kind: u32, data: &[u8]) -> Result<Self, Defect> {
        let too_small = || Defect::bad(format!("header extension 0x{kind:08x} is too small"));
        Ok(match kind {
            Self::BACKING_FORMAT if data.len() > Self::LONGEST_FORMAT => {
                return Err(Defect::bad("the format of the backing file is too long"));
            }
            Self::BACKING_FORMAT => Self::BackingFormat(until_nul(data)),
            Self::FEATURE_NAMES => Self::FeatureNames(
                data.chunks_exact(FeatureName::SIZE)
                    .filter_map(FeatureName::read)
                    .collect(),
            ),
            Self::BITMAPS if data.len() > BitmapDirectory::SIZE => {
                return Err(Defect::bad("its bitmaps extension is too large"));
            }
            Self::BITMAPS => Self::Bitmaps(BitmapDirectory::read(data).ok_or_else(too_small)?),
            Self::LUKS_HEADER => Self::LuksHeader {
                offset: be64(data, 0).ok_or_else(too_small)?,
                length: be64(data, 8).ok_or_else(too_small)?,
            },
            Self::DATA_FILE => Self::DataFile(data.to_vec()),
            kind => Self::Unknown(kind),
        })
    }
}

/// Where the persistent dirty bitmaps of an image are listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BitmapDirectory {
    /// How many bitmaps there are.
    pub count: u32,
    /// Has to be 0.
    pub reserved: u32,
    /// The length of the list, in bytes.
    pub size: u64,
    /// Where it is.
    pub offset: u64,
}

impl BitmapDirectory {
    const SIZE: usize = 24;

    fn read(data: &[u8]) -> Option<Self> {
        Some(Self {
            count: be32(data, 0)?,
            reserved: be32(data, 4)?,
            size: be64(data, 8)?,
            offset: be64(data, 16)?,
        })
    }
}

/// What the writer of an image calls one of its feature bits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeatureName {
    /// 0 incompatible, 1 compatible, 2 autoclear.
    pub kind: u8,
    /// The number of the bit.
    pub bit: u8,
    /// The name; anything at all.
    pub name: Vec<u8>,
}

impl FeatureName {
    const SIZE: usize = 48;

    fn read(entry: &[u8]) -> Option<Self> {
        let [kind, bit, name @ ..] = entry else {
            return None;
        };
        Some(Self {
            kind: *kind,
            bit: *bit,
            name: until_nul(name),
        })
    }
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&b| b != 0).collect()
}
