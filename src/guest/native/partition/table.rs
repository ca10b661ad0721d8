//! Which partitions a disk has.
//!
//! Where readers differ, it is done as the kernel of the guest would do it
//! (`block/partitions/` of Linux): those are the partitions that its
//! `/etc/fstab` means.

use std::fmt;

use uuid::Uuid;

use super::super::Blocks;
use super::super::bytes;
use super::super::content::{self, Content};
use super::super::slice::Part;
use super::{gpt, mbr};
use crate::error::Result;
use crate::image::{be16, le16};

/// A partition table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    /// What sort of table it is.
    pub kind: TableKind,
    /// The size of a sector that it counts in, in bytes.
    pub sector: u32,
    /// The disk's own id, as `blkid` shows it (`PTUUID`).
    pub id: String,
    /// The partitions, by number. The extended one of an MBR, which only holds
    /// the logical ones, is not among them.
    pub partitions: Vec<Partition>,
    /// What is wrong with it and does not keep it from being read.
    pub problems: Vec<String>,
}

/// The sorts of partition tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt => "gpt",
            Self::Mbr => "mbr",
        })
    }
}

/// One partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partition {
    /// Its number, from 1 on; from 5 on it is a logical one of an MBR.
    pub number: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub len: u64,
    /// What it is for.
    pub kind: PartitionType,
    /// Its own id, as `blkid` shows it and as `PARTUUID=` in `/etc/fstab`
    /// means it.
    pub id: String,
    /// Its name, which only a GPT has. It may hold anything.
    pub name: String,
    /// The attributes of a GPT entry.
    pub attributes: u64,
    /// Whether it is marked as the one to boot from.
    pub bootable: bool,
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartitionType {
    /// As a GPT has it.
    Gpt(Uuid),
    /// As an MBR has it.
    Mbr(u8),
}

impl fmt::Display for PartitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpt(id) => write!(f, "{id}"),
            Self::Mbr(code) => write!(f, "0x{code:x}"),
        }
    }
}

/// The sizes a sector can have, in bytes, the usual ones first.
pub(super) const SECTORS: [u32; 4] = [512, 4096, 1024, 2048];

/// Reads the partition table of a disk; `None` if it has none.
///
/// # Errors
///
/// [`Kind::Unsafe`](crate::error::Kind::Unsafe) if it has a GPT and both copies
/// of it are damaged; whatever reading the disk fails with.
pub fn read(disk: &dyn Blocks) -> Result<Option<Table>> {
    let Some(first) = bytes::read(disk, 0, 512)? else {
        return Ok(None);
    };
    let Some(record) = mbr::Record::parse(&first) else {
        return Ok(None);
    };
    if record.is_protective() {
        return gpt::read(disk).map(Some);
    }
    if is_boot_sector(&first) && !record.is_plausible(disk.len()) {
        return Ok(None);
    }
    // An MBR does not say what it counts in. Nearly always it is 512 bytes;
    // where there is nothing then and something otherwise, it is not.
    let table = record.table(disk, 512)?;
    if holds_something(disk, &table)? {
        return Ok(table);
    }
    for sector in SECTORS.into_iter().skip(1) {
        let other = record.table(disk, sector)?;
        if record.is_plausible_in(disk.len(), sector) && holds_something(disk, &other)? {
            return Ok(other);
        }
    }
    Ok(table)
}

/// Whether one of the partitions has something in it that is recognised.
fn holds_something(disk: &dyn Blocks, table: &Option<Table>) -> Result<bool> {
    let partitions = table.iter().flat_map(|table| &table.partitions);
    for partition in partitions {
        let part = Part {
            disk,
            offset: partition.offset,
            len: partition.len,
        };
        if content::detect(&part)? != Content::Unknown {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the first sector belongs to a file system that has the whole disk:
/// it ends with the same two bytes as an MBR.
fn is_boot_sector(first: &[u8]) -> bool {
    let byte = |at: usize| first.get(at).copied().unwrap_or(0);
    let named = |name: &[u8]| first.get(3..).is_some_and(|rest| rest.starts_with(name));
    if named(b"NTFS    ") || named(b"EXFAT   ") {
        return true;
    }
    let jump = byte(0) == 0xe9 || byte(0) == 0xeb && byte(2) == 0x90;
    let sector = le16(first, 11).is_some_and(|size| SECTORS.contains(&u32::from(size)));
    let reserved = le16(first, 14).is_some_and(|count| count > 0);
    let media = byte(21) == 0xf0 || byte(21) >= 0xf8;
    let signature = be16(first, 510) == Some(0x55aa);
    jump && sector && reserved && media && matches!(byte(16), 1 | 2) && signature
}
