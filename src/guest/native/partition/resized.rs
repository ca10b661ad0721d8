//! Partition tables for a disk of another size: where the last partition ends
//! then, and what is to be written.
//!
//! Nothing else of a table is touched: ids, names, attributes and what stands
//! before the table stay byte by byte.

use super::super::Blocks;
use super::super::bytes;
use super::gpt;
use super::mbr::{LONGEST, PRIMARY, Record};
use super::table::{Table, TableKind};
use crate::error::{Error, Kind, Result};

/// What the end of a partition is a multiple of, in bytes.
pub const ALIGNED: u64 = 1 << 20;

/// Bytes that are to be written to a disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patch {
    /// Where.
    pub offset: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// The end of a partition, which is to be another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewEnd {
    /// The number of the partition.
    pub number: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Where it is to end, in bytes.
    pub end: u64,
}

impl Table {
    /// How much of the end of the disk the table needs for itself, in bytes.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the table is damaged; what reading the disk fails with.
    pub fn tail(&self, disk: &dyn Blocks) -> Result<u64> {
        match self.kind {
            TableKind::Mbr => Ok(0),
            TableKind::Gpt => Ok(gpt::Copies::read(disk, self.sector)?.tail()),
        }
    }

    /// Where the last partition of a disk of `len` bytes can end at the most, in
    /// bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Table::tail`].
    pub fn limit(&self, disk: &dyn Blocks, len: u64) -> Result<u64> {
        let room = len.saturating_sub(self.tail(disk)?);
        let room = match self.kind {
            TableKind::Mbr => room.min(LONGEST.saturating_mul(u64::from(self.sector))),
            TableKind::Gpt => room,
        };
        Ok(room / ALIGNED * ALIGNED)
    }

    /// What is to be written for the table to fit a disk of `len` bytes, on which
    /// a partition has another end.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the table is damaged; [`Kind::WrongState`] if it cannot
    /// say so; what reading the disk fails with.
    pub fn resized(
        &self,
        disk: &dyn Blocks,
        len: u64,
        partition: Option<NewEnd>,
    ) -> Result<Vec<Patch>> {
        let first = bytes::read(disk, 0, 512)?.ok_or_else(damaged)?;
        match self.kind {
            TableKind::Gpt => {
                let mut patches = gpt::Copies::read(disk, self.sector)?.resized(len, partition)?;
                let sectors = (len / u64::from(self.sector)).saturating_sub(1);
                patches.extend(Record::protecting(&first, sectors));
                Ok(patches)
            }
            TableKind::Mbr => {
                let sector = u64::from(self.sector);
                let Some(new) = partition else {
                    return Ok(Vec::from_iter(Record::within(&first, len / sector)));
                };
                let patches = match new.number > PRIMARY {
                    true => Record::with_logical(disk, self.sector, new)?,
                    false => {
                        let length = new.end.saturating_sub(new.offset) / sector;
                        Record::with_length(&first, new.number, length).map(|patch| vec![patch])
                    }
                };
                patches.ok_or_else(|| {
                    Error::new(
                        Kind::WrongState,
                        format!(
                            "the partition table has no room for that size of partition {}",
                            new.number
                        ),
                    )
                })
            }
        }
    }
}

pub(super) fn damaged() -> Error {
    Error::new(
        Kind::Unsafe,
        "the partition table is damaged, and must be sound to be changed",
    )
    .hint("mend it first, in the guest or in `vmkin shell --guestfish`")
}
