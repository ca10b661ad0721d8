//! The label of a physical volume, and the areas that its metadata is in.

use super::super::{Blocks, bytes};
use crate::error::Result;
use crate::image::{le32, le64};

const SECTOR: usize = 512;

/// The label is in one of so many first sectors.
const LABEL_SECTORS: u64 = 4;

/// The header of a metadata area, in bytes. The text comes after it, in a ring.
const AREA_HEADER: u64 = 512;

/// How long the metadata of a group may be, in bytes. By default LVM2 makes
/// room for 1 MiB.
const MAX_TEXT: u64 = 8 << 20;

/// How many areas a label may list; LVM2 makes two.
const MAX_AREAS: usize = 8;

const AREA_MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";

/// "Do not read this copy."
const IGNORED: u32 = 1;

/// What the label of a physical volume says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Label {
    /// The id of the physical volume, without dashes.
    pub(super) id: String,
    /// The areas with metadata: offset and length, in bytes.
    areas: Vec<(u64, u64)>,
}

/// LVM2's checksum: the usual polynomial with a start of its own, and without
/// the usual inversions.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    const START: u32 = 0xf597_a6cf;
    let mut crc = crc32fast::Hasher::new_with_initial(!START);
    crc.update(bytes);
    !crc.finalize()
}

impl Label {
    /// Reads the label of a physical volume; `None` if there is no good one.
    pub(super) fn read(volume: &dyn Blocks) -> Result<Option<Self>> {
        for number in 0..LABEL_SECTORS {
            let sector = bytes::read(volume, number * SECTOR as u64, SECTOR)?;
            if let Some(label) = sector.and_then(|sector| Self::parse(&sector, number)) {
                return Ok(Some(label));
            }
        }
        Ok(None)
    }

    fn parse(sector: &[u8], number: u64) -> Option<Self> {
        let named = sector.starts_with(b"LABELONE") && sector.get(24..32)? == b"LVM2 001";
        if !named || le64(sector, 8)? != number {
            return None;
        }
        if checksum(sector.get(20..SECTOR)?) != le32(sector, 16)? {
            return None;
        }
        let header = sector.get(usize::try_from(le32(sector, 20)?).ok()?..)?;
        let id = header.get(..32)?;
        if !id.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        // After the size: a list of the areas with data, and one of those with
        // metadata, each ended by zeros.
        let mut at = 40;
        while le64(header, at)? != 0 {
            at += 16;
        }
        at += 16;
        let mut areas = Vec::new();
        while le64(header, at)? != 0 && areas.len() < MAX_AREAS {
            areas.push((le64(header, at)?, le64(header, at + 8)?));
            at += 16;
        }
        let id = id.iter().map(|byte| char::from(*byte)).collect();
        Some(Self { id, areas })
    }

    /// Reads the metadata in each of the areas that has some. What is damaged
    /// is left out: there are copies.
    pub(super) fn texts(&self, volume: &dyn Blocks) -> Result<Vec<Vec<u8>>> {
        let mut texts = Vec::new();
        for (offset, length) in &self.areas {
            if let Some(text) = area(volume, *offset, *length)? {
                texts.push(text);
            }
        }
        Ok(texts)
    }

    /// Whether it has a place for metadata at all. Those of a group with many
    /// members need not.
    pub(super) fn has_areas(&self) -> bool {
        !self.areas.is_empty()
    }
}

/// Reads the text in one area; `None` if there is none, or it is damaged.
fn area(volume: &dyn Blocks, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
    let Some(header) = bytes::read(volume, offset, SECTOR)? else {
        return Ok(None);
    };
    let Some(place) = Place::parse(&header, offset, length) else {
        return Ok(None);
    };
    let Some(mut text) = bytes::read(volume, place.offset, place.first)? else {
        return Ok(None);
    };
    let start = offset.saturating_add(AREA_HEADER);
    match bytes::read(volume, start, place.second)? {
        Some(rest) => text.extend(rest),
        None => return Ok(None),
    }
    Ok((checksum(&text) == place.checksum).then_some(text))
}

/// Where a text is: in one piece or, if it goes round the ring, in two.
struct Place {
    /// From the start of the volume, in bytes.
    offset: u64,
    first: usize,
    /// At the beginning of the ring.
    second: usize,
    checksum: u32,
}

impl Place {
    fn parse(header: &[u8], offset: u64, length: u64) -> Option<Self> {
        let good = checksum(header.get(4..SECTOR)?) == le32(header, 0)?
            && header.get(4..20)? == AREA_MAGIC
            && le32(header, 20)? == 1
            && le64(header, 24)? == offset
            && le64(header, 32)? == length;
        let (at, size) = (le64(header, 40)?, le64(header, 48)?);
        let ring = length.checked_sub(AREA_HEADER)?;
        let placed = at >= AREA_HEADER && at < length && size > 0 && size <= ring.min(MAX_TEXT);
        if !good || !placed || le32(header, 60)? & IGNORED != 0 {
            return None;
        }
        let first = size.min(length - at);
        Some(Self {
            offset: offset.checked_add(at)?,
            first: usize::try_from(first).ok()?,
            second: usize::try_from(size - first).ok()?,
            checksum: le32(header, 56)?,
        })
    }
}
