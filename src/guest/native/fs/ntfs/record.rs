//! The records of a file in the table of files, looked at before the library
//! works with them: it makes room for what a list says is its length.

use std::collections::BTreeMap;

use fs_ntfs::attr_io::{AttrLocation, AttrType, attr_off, attribute_flags, iter_attributes};
use fs_ntfs::mft_io::{MFT_FLAG_DIRECTORY, MFT_FLAG_IN_USE};
use fs_ntfs::mft_io::{read_mft_record_io, record_flags, record_sequence};
use fs_ntfs::read::{AttrListEntry, parse_attribute_list, read_attribute_value};

use super::super::checked::damaged;
use super::super::needs_kernel;
use super::device::Device;
use super::explain;
use crate::error::{Error, Kind, Result};
use crate::image::{le16, le64};

/// How long the list of a file's attributes may be: Windows makes none longer.
const MAX_LIST: u64 = 256 << 10;

/// In how many records a file may be. What is torn into more has some hundred
/// thousand pieces.
const MAX_RECORDS: usize = 1024;

/// How long attributes may be that are read as a whole.
const MAX_VALUE: u64 = 1 << 20;

/// Where a record has the number of the one that it belongs to.
const BASE: usize = 0x20;

/// Where the name of a file has its namespace (`$FILE_NAME`), and the short
/// names of DOS.
const NAMESPACE: usize = 0x41;
const DOS: u8 = 2;

/// All records of a file.
pub(super) struct Record {
    pub(super) number: u64,
    /// The first of them.
    base: Vec<u8>,
    others: BTreeMap<u64, Vec<u8>>,
    list: Vec<AttrListEntry>,
}

/// A part of an attribute: from which cluster of it on, and where.
pub(super) type Segment<'a> = (u64, Attribute<'a>);

/// An attribute, and the record that it is in.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    record: &'a [u8],
    location: AttrLocation,
}

impl Record {
    /// Reads the records of a file, whose number was used that often; 0 if
    /// nobody knows.
    pub(super) fn load(io: &mut Device, number: u64, sequence: u16) -> Result<Self> {
        let base = one(io, number, 0)?;
        if sequence != 0 && sequence != record_sequence(&base) {
            return Err(damaged("a name leads to a file that is no more"));
        }
        let mut record = Self {
            number,
            base,
            others: BTreeMap::new(),
            list: Vec::new(),
        };
        if record.is_listed() {
            let value = read_attribute_value(io, number, AttrType::AttributeList, None);
            record.list = parse_attribute_list(&value.map_err(explain)?).map_err(explain)?;
        }
        for entry in &record.list {
            let other = entry.record_number;
            if other == number || record.others.contains_key(&other) {
                continue;
            }
            if record.others.len() >= MAX_RECORDS {
                return Err(needs_kernel("a file is torn into too many pieces"));
            }
            record.others.insert(other, one(io, other, number)?);
        }
        Ok(record)
    }

    pub(super) fn is_directory(&self) -> bool {
        record_flags(&self.base) & MFT_FLAG_DIRECTORY != 0
    }

    pub(super) fn sequence(&self) -> u16 {
        record_sequence(&self.base)
    }

    /// All of them.
    pub(super) fn records(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.base).chain(self.others.values())
    }

    /// Whether its attributes are in several records.
    pub(super) fn is_listed(&self) -> bool {
        self.find(AttrType::AttributeList, None).is_some()
    }

    /// An attribute without a name.
    pub(super) fn find(&self, kind: AttrType, id: Option<u16>) -> Option<Attribute<'_>> {
        let mut found = self
            .records()
            .filter_map(|record| in_record(record, kind, id));
        found.next()
    }

    /// The parts of the contents, in their order.
    pub(super) fn data(&self) -> Result<Vec<Segment<'_>>> {
        let listed = self
            .list
            .iter()
            .filter(|entry| entry.type_code == AttrType::Data as u32 && entry.name.is_none());
        let mut segments = Vec::new();
        for entry in listed {
            let record = match entry.record_number {
                number if number == self.number => Some(&self.base),
                other => self.others.get(&other),
            };
            let attribute = record
                .and_then(|record| in_record(record, AttrType::Data, Some(entry.attribute_id)))
                .ok_or_else(|| damaged("a part of a file is not where its list says"))?;
            segments.push((entry.starting_vcn, attribute));
        }
        if segments.is_empty() {
            let data = self.find(AttrType::Data, None);
            segments.extend(data.map(|data| (0, data)));
        }
        segments.sort_by_key(|(start, _)| *start);
        Ok(segments)
    }

    /// How many names it has, but for the short ones that DOS needs.
    pub(super) fn names(&self) -> u32 {
        let names = self.records().flat_map(|record| {
            let attributes = iter_attributes(record);
            let names = attributes.filter(|one| one.type_code == AttrType::FileName as u32);
            names.filter(|location| {
                let location = *location;
                let attribute = Attribute { record, location };
                let namespace = attribute.value().and_then(|value| value.get(NAMESPACE));
                namespace.is_some_and(|namespace| *namespace != DOS)
            })
        });
        u32::try_from(names.count()).unwrap_or(u32::MAX)
    }
}

impl<'a> Attribute<'a> {
    /// Its value, if it is in the record.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        let location = &self.location;
        let start = usize::from(location.resident_value_offset?);
        let length = usize::try_from(location.resident_value_length?).ok()?;
        let from = location.attr_offset.checked_add(start)?;
        self.record.get(from..)?.get(..length)
    }

    /// The length of its value, in bytes, wherever that is.
    pub(super) fn len(&self) -> u64 {
        let resident = self.location.resident_value_length.map(u64::from);
        resident
            .or(self.location.non_resident_value_length)
            .unwrap_or(0)
    }

    /// `attr_flags` of the library.
    pub(super) fn flags(&self) -> u16 {
        attribute_flags(self.record, &self.location).unwrap_or(0)
    }

    /// How much of it has ever been written; the rest is zeros.
    pub(super) fn initialized(&self) -> Option<u64> {
        self.number(attr_off::NONRES_INITIALIZED_LENGTH)
    }

    /// How many clusters are compressed at once, as a power of two.
    pub(super) fn unit(&self) -> Option<u16> {
        le16(self.record, self.location.attr_offset.checked_add(0x22)?)
    }

    /// Where its pieces are, in the form that the library decodes.
    pub(super) fn pieces(&self) -> Option<&'a [u8]> {
        let offset = usize::from(self.location.non_resident_mapping_pairs_offset?);
        let length = self.location.attr_length.checked_sub(offset)?;
        let from = self.location.attr_offset.checked_add(offset)?;
        self.record.get(from..)?.get(..length)
    }

    fn number(&self, offset: usize) -> Option<u64> {
        le64(self.record, self.location.attr_offset.checked_add(offset)?)
    }
}

fn in_record(record: &[u8], kind: AttrType, id: Option<u16>) -> Option<Attribute<'_>> {
    let mut attributes = iter_attributes(record);
    let found = attributes.find(|one| {
        let named = one.name_length != 0;
        one.type_code == kind as u32 && !named && id.is_none_or(|id| id == one.attribute_id)
    });
    found.map(|location| Attribute { record, location })
}

/// Reads one record, which belongs to the file with the number `base`; 0 if it
/// is a file's first.
fn one(io: &mut Device, number: u64, base: u64) -> Result<Vec<u8>> {
    let (_, record) = read_mft_record_io(io, number).map_err(explain)?;
    if !record.starts_with(b"FILE") || record_flags(&record) & MFT_FLAG_IN_USE == 0 {
        return Err(Error::new(Kind::NotFound, "there is no such file"));
    }
    let own = le64(&record, BASE).map(|reference| reference & 0xffff_ffff_ffff);
    if own != Some(base) {
        return Err(damaged("a record belongs to another file"));
    }
    for location in iter_attributes(&record).filter(|one| !one.is_resident) {
        let most = match AttrType::from_u32(location.type_code) {
            // These are read piece by piece.
            Some(AttrType::Data | AttrType::IndexAllocation) => u64::MAX,
            Some(AttrType::AttributeList) => MAX_LIST,
            _ => MAX_VALUE,
        };
        if location.non_resident_value_length.unwrap_or(0) > most {
            return Err(damaged("an attribute of a file is longer than it can be"));
        }
    }
    Ok(record)
}
