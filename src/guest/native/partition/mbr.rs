//! The master boot record, and the chain of further ones that logical
//! partitions are in.

use super::super::Blocks;
use super::super::bytes;
use super::resized::{NewEnd, Patch};
use super::table::{Partition, PartitionType, Table, TableKind};
use crate::error::Result;
use crate::image::{be16, le32};

/// How many logical partitions are looked for: as many as Linux has room for.
const MAX_LOGICAL: u32 = 256 - 4;

/// How many records are looked at for them. Some may be empty.
const MAX_RECORDS: u32 = 1024;

/// How many sectors a partition can have, and be away from the beginning.
pub(super) const LONGEST: u64 = u32::MAX as u64;

/// Where the entries begin, how long each is, and where its length is, in bytes.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const LENGTH: usize = 12;

/// The highest number of a partition in the first record; the others are logical.
pub(super) const PRIMARY: u32 = 4;

const PROTECTIVE: u8 = 0xee;

/// The types of a partition that holds logical ones: with CHS addresses, with
/// LBA, and Linux's own.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];

/// The partition table of an MBR. Positions and lengths are in sectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    signature: u32,
    entries: [Entry; 4],
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    boot: u8,
    kind: u8,
    start: u32,
    length: u32,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            boot: *bytes.first()?,
            kind: *bytes.get(4)?,
            start: le32(bytes, 8)?,
            length: le32(bytes, 12)?,
        })
    }

    fn is_used(self) -> bool {
        self.kind != 0 && self.length != 0
    }

    fn is_extended(self) -> bool {
        self.is_used() && EXTENDED.contains(&self.kind)
    }
}

/// The length of an entry, as it is to be written, of the record that begins at that
/// byte.
fn length_of(record: u64, index: usize, sectors: u32) -> Patch {
    Patch {
        offset: record.saturating_add((ENTRIES + index * ENTRY + LENGTH) as u64),
        bytes: sectors.to_le_bytes().to_vec(),
    }
}

impl Record {
    /// Reads the table out of the first sector of a disk; `None` if it does not
    /// end as such a sector does, or has entries that cannot be.
    pub(super) fn parse(sector: &[u8]) -> Option<Self> {
        if be16(sector, 510) != Some(0x55aa) {
            return None;
        }
        let table = sector.get(ENTRIES..510)?;
        let mut entries = [Entry::default(); 4];
        for (entry, bytes) in entries.iter_mut().zip(table.chunks_exact(ENTRY)) {
            *entry = Entry::parse(bytes)?;
        }
        let signature = le32(sector, 440)?;
        // Linux's way to tell it from other sectors that end so.
        let possible = entries.iter().all(|entry| entry.boot & 0x7f == 0);
        let used = entries.iter().any(|entry| entry.is_used());
        (possible && used).then_some(Self { signature, entries })
    }

    /// Whether it only says that there is a GPT. One that also lists some of
    /// the partitions of that is for others to read (a hybrid one).
    pub(super) fn is_protective(&self) -> bool {
        let protective = |entry: &Entry| entry.kind == PROTECTIVE && entry.start == 1;
        self.entries.iter().any(protective)
    }

    /// Whether the partitions are within a disk of so many bytes, and apart.
    pub(super) fn is_plausible(&self, disk: u64) -> bool {
        self.is_plausible_in(disk, 512)
    }

    /// The same for sectors of another size.
    pub(super) fn is_plausible_in(&self, disk: u64, sector: u32) -> bool {
        let mut used: Vec<(u64, u64)> = self
            .entries
            .iter()
            .filter(|entry| entry.is_used())
            .map(|entry| {
                let start = u64::from(entry.start);
                (start, start + u64::from(entry.length))
            })
            .collect();
        used.sort_unstable();
        let within = |(start, end): &(u64, u64)| *start > 0 && *end <= disk / u64::from(sector);
        let pairs = used.iter().zip(used.iter().skip(1));
        used.iter().all(within) && pairs.into_iter().all(|(a, b)| a.1 <= b.0)
    }

    /// What is to be written for the entry that only says that there is a GPT to
    /// have the length of the whole disk.
    pub(super) fn protecting(first: &[u8], sectors: u64) -> Option<Patch> {
        let record = Self::parse(first)?;
        let mut entries = record.entries.iter();
        let index = entries.position(|entry| entry.kind == PROTECTIVE)?;
        let sectors = u32::try_from(sectors).unwrap_or(u32::MAX);
        Some(length_of(0, index, sectors))
    }

    /// What is to be written for a partition to have another length; `None` if it
    /// is not in the first record, or that is too long.
    pub(super) fn with_length(first: &[u8], number: u32, sectors: u64) -> Option<Patch> {
        let record = Self::parse(first)?;
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let entry = record.entries.get(index)?;
        // Others may lie in it, or hold what lies in it.
        let end = u64::from(entry.start);
        let is_last = |other: &Entry| !other.is_used() || u64::from(other.start) <= end;
        if !record.entries.iter().all(is_last) {
            return None;
        }
        Some(length_of(0, index, u32::try_from(sectors).ok()?))
    }

    /// What is to be written for an extended partition to end where the disk does, if
    /// it would be longer than that. Nothing that is in it is so far back.
    pub(super) fn within(first: &[u8], sectors: u64) -> Option<Patch> {
        let record = Self::parse(first)?;
        let beyond = |entry: &Entry| {
            let end = u64::from(entry.start) + u64::from(entry.length);
            entry.is_extended() && end > sectors
        };
        let index = record.entries.iter().position(beyond)?;
        let start = u64::from(record.entries.get(index)?.start);
        let left = sectors.checked_sub(start).filter(|left| *left > 0)?;
        Some(length_of(0, index, u32::try_from(left).ok()?))
    }

    /// What is to be written for the last logical partition to have another end: its
    /// own length, that of the way to it, and that of the extended partition. `None` if
    /// there is something behind it, on the disk or in the chain.
    pub(super) fn with_logical(
        disk: &dyn Blocks,
        sector: u32,
        new: NewEnd,
    ) -> Result<Option<Vec<Patch>>> {
        let sector = u64::from(sector);
        let (start, end) = (new.offset / sector, new.end / sector);
        let first = bytes::read(disk, 0, 512)?;
        let Some(record) = first.and_then(|first| Self::parse(&first)) else {
            return Ok(None);
        };
        let used = record.entries.iter().enumerate();
        let used = used.filter(|(_, entry)| entry.is_used());
        let last = used.max_by_key(|(_, entry)| entry.start);
        let Some((index, outer)) = last.filter(|(_, entry)| entry.is_extended()) else {
            return Ok(None);
        };
        let outer = u64::from(outer.start);
        // Each is a record, an entry of it, and where what that is about begins.
        let mut ends_there = vec![(0, index, outer)];
        let (mut at, mut way) = (outer, None);
        for _ in 0..MAX_RECORDS {
            let place = at.saturating_mul(sector);
            let read = bytes::read(disk, place, 512)?;
            let Some(record) = read.and_then(|read| Self::parse(&read)) else {
                return Ok(None);
            };
            let mut entries = record.entries.iter().enumerate();
            let found = entries.position(|(_, entry)| {
                let begins = at.saturating_add(u64::from(entry.start));
                entry.is_used() && !entry.is_extended() && begins == start
            });
            let link = record.entries.iter().position(|entry| entry.is_extended());
            let Some(link) = link else {
                let Some(found) = found else {
                    return Ok(None);
                };
                ends_there.extend(way);
                ends_there.push((place, found, start));
                let patches = ends_there.into_iter().map(|(record, index, begins)| {
                    let length = end.checked_sub(begins)?;
                    Some(length_of(record, index, u32::try_from(length).ok()?))
                });
                return Ok(patches.collect());
            };
            if found.is_some() {
                return Ok(None);
            }
            let next = record.entries.get(link).map_or(0, |entry| entry.start);
            at = outer.saturating_add(u64::from(next));
            way = Some((place, link, at));
        }
        Ok(None)
    }

    /// The partitions, if sectors have this size; `None` if there are none.
    pub(super) fn table(&self, disk: &dyn Blocks, sector: u32) -> Result<Option<Table>> {
        let mut found = Finder {
            disk,
            sector,
            signature: self.signature,
            partitions: Vec::new(),
            problems: Vec::new(),
        };
        let mut extended = Vec::new();
        for (number, entry) in (1..).zip(self.entries) {
            if entry.is_extended() {
                extended.push(entry);
            } else if entry.is_used() {
                found.add(number, entry, u64::from(entry.start));
            }
        }
        let mut number = 5;
        for entry in extended {
            found.logical(&mut number, u64::from(entry.start))?;
        }
        let table = Table {
            kind: TableKind::Mbr,
            sector,
            id: format!("{:08x}", self.signature),
            partitions: found.partitions,
            problems: found.problems,
        };
        let empty = table.partitions.is_empty() && table.problems.is_empty();
        Ok((!empty).then_some(table))
    }
}

struct Finder<'a> {
    disk: &'a dyn Blocks,
    sector: u32,
    signature: u32,
    partitions: Vec<Partition>,
    problems: Vec<String>,
}

impl Finder<'_> {
    fn bytes(&self, sectors: u64) -> Option<u64> {
        sectors.checked_mul(u64::from(self.sector))
    }

    /// Adds a partition that begins at a sector of the disk.
    fn add(&mut self, number: u32, entry: Entry, start: u64) {
        let offset = self.bytes(start);
        let len = self.bytes(u64::from(entry.length));
        let place = offset.zip(len).filter(|(offset, len)| {
            let end = offset.checked_add(*len);
            *offset > 0 && end.is_some_and(|end| end <= self.disk.len())
        });
        let Some((offset, len)) = place else {
            self.problems.push(format!(
                "partition {number} is not within the disk, and is left out"
            ));
            return;
        };
        self.partitions.push(Partition {
            number,
            offset,
            len,
            kind: PartitionType::Mbr(entry.kind),
            id: format!("{:08x}-{number:02x}", self.signature),
            name: String::new(),
            attributes: 0,
            bootable: entry.boot == 0x80,
        });
    }

    /// Follows the chain of records in an extended partition. Each has a
    /// logical partition, counted from the record, and the way to the next
    /// record, counted from the extended partition.
    fn logical(&mut self, number: &mut u32, extended: u64) -> Result<()> {
        let mut at = extended;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..MAX_RECORDS {
            if !seen.insert(at) {
                self.problems
                    .push("the chain of logical partitions is a loop".to_owned());
                return Ok(());
            }
            let offset = self.bytes(at).unwrap_or(u64::MAX);
            let Some(sector) = bytes::read(self.disk, offset, 512)? else {
                self.problems
                    .push("the chain of logical partitions leads out of the disk".to_owned());
                return Ok(());
            };
            // The last one may be empty, and one that was never written is no
            // record.
            let Some(record) = Record::parse(&sector) else {
                return Ok(());
            };
            for entry in record.entries {
                if !entry.is_used() || entry.is_extended() {
                    continue;
                }
                if *number >= 5 + MAX_LOGICAL {
                    self.problems
                        .push("there are more logical partitions than can be".to_owned());
                    return Ok(());
                }
                self.add(*number, entry, at.saturating_add(u64::from(entry.start)));
                *number += 1;
            }
            let mut links = record
                .entries
                .into_iter()
                .filter(|entry| entry.is_extended());
            match links.next() {
                Some(link) => at = extended.saturating_add(u64::from(link.start)),
                None => return Ok(()),
            }
        }
        self.problems
            .push("the chain of logical partitions is longer than can be".to_owned());
        Ok(())
    }
}
