//! The GUID partition table (UEFI specification, chapter 5.3).

use uuid::Uuid;

use super::super::Blocks;
use super::super::bytes;
use super::resized::{NewEnd, Patch, damaged};
use super::table::{Partition, PartitionType, SECTORS, Table, TableKind};
use crate::error::{Error, Kind, Result};
use crate::image::{le16, le32, le64};

const SIGNATURE: &[u8; 8] = b"EFI PART";

/// The size of a header of version 1.0, in bytes; the rest of its sector is
/// reserved.
const HEADER: usize = 92;

/// The size of an entry, in bytes; a multiple of it is possible.
const ENTRY: u32 = 128;

/// How large all entries together may be, in bytes. Usual are 16 KiB; Linux
/// reads up to 4 MiB.
const MAX_ENTRIES: u64 = 4 << 20;

/// "Legacy BIOS bootable".
const BOOTABLE: u64 = 1 << 2;

/// A header whose checksum is right.
struct Header {
    sector: u32,
    alternate: u64,
    id: Uuid,
    entries_lba: u64,
    count: u32,
    entry_size: u32,
    entries_crc: u32,
}

/// Reads the GPT of a disk whose MBR says that there is one.
pub(super) fn read(disk: &dyn Blocks) -> Result<Table> {
    let mut alternates = Vec::new();
    for sector in SECTORS {
        let Some(header) = Header::read(disk, sector, 1)? else {
            continue;
        };
        if let Some(entries) = header.entries(disk)? {
            return Ok(header.table(disk, &entries, Vec::new()));
        }
        alternates.push((sector, header.alternate));
    }
    let ends = SECTORS.map(|sector| (sector, (disk.len() / u64::from(sector)).saturating_sub(1)));
    for (sector, lba) in alternates.into_iter().chain(ends) {
        let Some(header) = Header::read(disk, sector, lba)? else {
            continue;
        };
        if let Some(entries) = header.entries(disk)? {
            let said = "the partition table is damaged; its copy at the end of the disk is used";
            return Ok(header.table(disk, &entries, vec![said.to_owned()]));
        }
    }
    Err(Error::new(
        Kind::Unsafe,
        "the disk has a GUID partition table, and both copies of it are damaged",
    ))
}

impl Header {
    /// Reads a header from where it should be; `None` if there is none or it is
    /// damaged.
    fn read(disk: &dyn Blocks, sector: u32, lba: u64) -> Result<Option<Self>> {
        let Some(at) = lba.checked_mul(u64::from(sector)) else {
            return Ok(None);
        };
        let length = usize::try_from(sector).unwrap_or(512);
        let bytes = bytes::read(disk, at, length)?;
        Ok(bytes.and_then(|bytes| Self::parse(&bytes, sector, lba)))
    }

    fn parse(bytes: &[u8], sector: u32, lba: u64) -> Option<Self> {
        let length = usize::try_from(le32(bytes, 12)?).ok()?;
        if !bytes.starts_with(SIGNATURE) || length < HEADER {
            return None;
        }
        let header = bytes.get(..length)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(header.get(..16)?);
        crc.update(&[0; 4]);
        crc.update(header.get(20..)?);
        if crc.finalize() != le32(header, 16)? || le64(header, 24)? != lba {
            return None;
        }
        let entry_size = le32(header, 84)?;
        let count = le32(header, 80)?;
        let possible = entry_size % ENTRY == 0 && (entry_size / ENTRY).is_power_of_two();
        if !possible || u64::from(entry_size) * u64::from(count) > MAX_ENTRIES {
            return None;
        }
        Some(Self {
            sector,
            alternate: le64(header, 32)?,
            id: uuid_at(header, 56)?,
            entries_lba: le64(header, 72)?,
            count,
            entry_size,
            entries_crc: le32(header, 88)?,
        })
    }

    /// Reads the entries; `None` if they are damaged.
    fn entries(&self, disk: &dyn Blocks) -> Result<Option<Vec<u8>>> {
        let at = self.entries_lba.checked_mul(u64::from(self.sector));
        let length = u64::from(self.entry_size) * u64::from(self.count);
        let (Some(at), Ok(length)) = (at, usize::try_from(length)) else {
            return Ok(None);
        };
        let bytes = bytes::read(disk, at, length)?;
        Ok(bytes.filter(|bytes| crc32fast::hash(bytes) == self.entries_crc))
    }

    fn table(&self, disk: &dyn Blocks, entries: &[u8], problems: Vec<String>) -> Table {
        let mut table = Table {
            kind: TableKind::Gpt,
            sector: self.sector,
            id: self.id.to_string(),
            partitions: Vec::new(),
            problems,
        };
        let size = usize::try_from(self.entry_size)
            .unwrap_or(usize::MAX)
            .max(1);
        for (number, entry) in (1..).zip(entries.chunks_exact(size)) {
            if uuid_at(entry, 0).is_none_or(|kind| kind.is_nil()) {
                continue;
            }
            match self.partition(disk, number, entry) {
                Some(partition) => table.partitions.push(partition),
                None => table.problems.push(format!(
                    "partition {number} is not within the disk, and is left out"
                )),
            }
        }
        table
    }

    fn partition(&self, disk: &dyn Blocks, number: u32, entry: &[u8]) -> Option<Partition> {
        let (first, last) = (le64(entry, 32)?, le64(entry, 40)?);
        let sector = u64::from(self.sector);
        let offset = first.checked_mul(sector)?;
        let end = last.checked_add(1)?.checked_mul(sector)?;
        let len = end.checked_sub(offset).filter(|len| *len > 0)?;
        let attributes = le64(entry, 48)?;
        (end <= disk.len()).then_some(())?;
        Some(Partition {
            number,
            offset,
            len,
            kind: PartitionType::Gpt(uuid_at(entry, 0)?),
            id: uuid_at(entry, 16)?.to_string(),
            name: name(entry.get(56..128)?),
            attributes,
            bootable: attributes & BOOTABLE != 0,
        })
    }
}

/// The first three fields of a GUID are numbers, and little-endian.
fn uuid_at(bytes: &[u8], at: usize) -> Option<Uuid> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| Uuid::from_bytes_le(*bytes))
}

fn name(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).filter_map(|unit| le16(unit, 0));
    let until_nul = units.take_while(|unit| *unit != 0);
    char::decode_utf16(until_nul)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A GPT that is to be changed: its first header and its entries, which are sound.
pub(super) struct Copies {
    sector: u64,
    entries_lba: u64,
    entry_size: usize,
    header: Vec<u8>,
    entries: Vec<u8>,
}

impl Copies {
    pub(super) fn read(disk: &dyn Blocks, sector: u32) -> Result<Self> {
        let header = Header::read(disk, sector, 1)?.ok_or_else(damaged)?;
        let entries = header.entries(disk)?.ok_or_else(damaged)?;
        let length = usize::try_from(sector).unwrap_or(512);
        let bytes = bytes::read(disk, sector.into(), length)?;
        Ok(Self {
            sector: sector.into(),
            entries_lba: header.entries_lba,
            entry_size: usize::try_from(header.entry_size).map_err(|_| damaged())?,
            header: bytes.ok_or_else(damaged)?,
            entries,
        })
    }

    /// What the copy at the end of the disk takes, in bytes.
    pub(super) fn tail(&self) -> u64 {
        self.sector
            .saturating_mul(self.entry_sectors().saturating_add(1))
    }

    fn entry_sectors(&self) -> u64 {
        (self.entries.len() as u64).div_ceil(self.sector.max(1))
    }

    /// What is to be written for both copies to fit a disk of `len` bytes.
    pub(super) fn resized(mut self, len: u64, partition: Option<NewEnd>) -> Result<Vec<Patch>> {
        let last = (len / self.sector).checked_sub(1).ok_or_else(damaged)?;
        let copy = last.checked_sub(self.entry_sectors()).ok_or_else(damaged)?;
        if let Some(new) = partition {
            let index = usize::try_from(new.number)
                .ok()
                .and_then(|n| n.checked_sub(1));
            let at = index.and_then(|index| index.checked_mul(self.entry_size));
            let end = (new.end / self.sector).checked_sub(1).ok_or_else(damaged)?;
            let at = at.and_then(|at| at.checked_add(40)).ok_or_else(damaged)?;
            put(&mut self.entries, at, &end.to_le_bytes())?;
        }
        let crc = crc32fast::hash(&self.entries);
        put(&mut self.header, 48, &copy.saturating_sub(1).to_le_bytes())?;
        put(&mut self.header, 88, &crc.to_le_bytes())?;
        let at = |lba: u64| lba.saturating_mul(self.sector);
        let patch = |lba: u64, bytes: Vec<u8>| Patch {
            offset: at(lba),
            bytes,
        };
        // The copy first: what is torn then is at the end.
        Ok(vec![
            patch(copy, self.entries.clone()),
            patch(last, self.header_at(last, 1, copy)?),
            patch(self.entries_lba, self.entries.clone()),
            patch(1, self.header_at(1, last, self.entries_lba)?),
        ])
    }

    /// The header that is at this place and has its copy at the other.
    fn header_at(&self, lba: u64, other: u64, entries: u64) -> Result<Vec<u8>> {
        let mut header = self.header.clone();
        for (at, value) in [(24, lba), (32, other), (72, entries)] {
            put(&mut header, at, &value.to_le_bytes())?;
        }
        put(&mut header, 16, &[0; 4])?;
        let length = le32(&header, 12).and_then(|length| usize::try_from(length).ok());
        let counted = length.and_then(|length| header.get(..length));
        let crc = crc32fast::hash(counted.ok_or_else(damaged)?);
        put(&mut header, 16, &crc.to_le_bytes())?;
        Ok(header)
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<()> {
    let place = at
        .checked_add(value.len())
        .and_then(|end| bytes.get_mut(at..end));
    place.ok_or_else(damaged)?.copy_from_slice(value);
    Ok(())
}
