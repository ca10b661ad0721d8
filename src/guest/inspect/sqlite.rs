//! The rows of a table of SQLite, as far as databases of packages need it: tables
//! without indexes, read from their first row to their last.
//!
//! SQLite itself would run what a guest has written into the schema of its database.
//! The format is that of <https://www.sqlite.org/fileformat2.html>.

use std::cell::RefCell;
use std::collections::HashSet;

use super::packages::Read;
use crate::error::{Error, Kind, Result};
use crate::image::{be16, be32};

/// How long a row may be, in bytes. What is in the header of a package is seldom
/// longer than one MiB.
const MAX_ROW: usize = 32 << 20;

/// How much of a database is read, in pages.
const MAX_PAGES: usize = 1 << 20;

/// Where the first page has its header of a tree.
const FIRST: usize = 100;

/// A database.
pub(super) struct Database<'a> {
    read: &'a Read<'a>,
    page: usize,
    /// How much of a page is used.
    usable: usize,
    /// No page is part of two things.
    seen: RefCell<HashSet<u32>>,
}

/// A value in a row.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Bytes(&'a [u8]),
    /// What is of no use here.
    Other,
}

impl<'a> Database<'a> {
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if it is none.
    pub(super) fn open(read: &'a Read<'a>) -> Result<Self> {
        let mut head = [0; FIRST];
        let count = read(0, &mut head)?;
        if count < head.len() || !head.starts_with(b"SQLite format 3\0") {
            return Err(damaged("it is none of SQLite"));
        }
        let page = match be16(&head, 16) {
            Some(1) => 1 << 16,
            Some(size) => usize::from(size),
            None => 0,
        };
        let reserved = usize::from(head.get(20).copied().unwrap_or(0));
        let usable = page.saturating_sub(reserved);
        if !page.is_power_of_two() || page < 512 || usable < 480 {
            return Err(damaged("its pages are of no size"));
        }
        Ok(Self {
            read,
            page,
            usable,
            seen: RefCell::default(),
        })
    }

    /// Calls with each row of a table.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the database is damaged, and what `each` fails with.
    pub(super) fn rows(
        &self,
        table: &str,
        each: &mut dyn FnMut(&[Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let mut root = None;
        self.tree(1, &mut |row| {
            if let [
                Value::Bytes(b"table"),
                Value::Bytes(name),
                _,
                Value::Integer(page),
                ..,
            ] = row
            {
                if *name == table.as_bytes() {
                    root = u32::try_from(*page).ok();
                }
            }
            Ok(())
        })?;
        let root = root.ok_or_else(|| damaged(&format!("it has no table '{table}'")))?;
        self.tree(root, each)
    }

    fn tree(&self, root: u32, each: &mut dyn FnMut(&[Value<'_>]) -> Result<()>) -> Result<()> {
        let mut todo = vec![root];
        while let Some(number) = todo.pop() {
            let page = self.load(number)?;
            let start = if number == 1 { FIRST } else { 0 };
            let kind = page.get(start).copied();
            let cells = be16(&page, start + 3).map_or(0, usize::from);
            let (header, is_leaf) = match kind {
                Some(5) => (12, false),
                Some(13) => (8, true),
                _ => return Err(damaged("a page of a table is of another kind")),
            };
            let mut below = Vec::new();
            for index in 0..cells {
                let cell = be16(&page, start + header + index * 2);
                let cell = cell.and_then(|at| page.get(usize::from(at)..self.usable));
                let cell = cell.ok_or_else(|| damaged("a row is beyond its page"))?;
                if is_leaf {
                    each(&values(&self.row(cell)?)?)?;
                } else {
                    below.extend(be32(cell, 0));
                }
            }
            if !is_leaf {
                below.extend(be32(&page, start + 8));
            }
            todo.extend(below.into_iter().rev());
        }
        Ok(())
    }

    /// All of a row, which may go on in other pages.
    fn row(&self, cell: &[u8]) -> Result<Vec<u8>> {
        let cut_off = || damaged("a row is cut off");
        let (length, rest) = varint(cell).ok_or_else(cut_off)?;
        let (_, rest) = varint(rest).ok_or_else(cut_off)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_ROW {
            return Err(damaged("a row is longer than it can be"));
        }
        // The numbers of the format: how much of a row is kept in its page.
        let most = self.usable - 35;
        let here = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let wanted = least + (length - least) % (self.usable - 4);
            if wanted <= most { wanted } else { least }
        };
        let mut row = rest.get(..here).ok_or_else(cut_off)?.to_vec();
        let mut next = be32(rest, here).unwrap_or(0);
        while row.len() < length {
            let page = self.load(next)?;
            next = be32(&page, 0).unwrap_or(0);
            let left = length - row.len();
            let more = page.get(4..self.usable).unwrap_or_default();
            row.extend_from_slice(more.get(..left).unwrap_or(more));
        }
        Ok(row)
    }

    fn load(&self, number: u32) -> Result<Vec<u8>> {
        let mut seen = self.seen.borrow_mut();
        // The schema is read once for each table that is asked for.
        if seen.len() >= MAX_PAGES || !seen.insert(number) && number != 1 {
            return Err(damaged("a page is part of two things"));
        }
        let index = number.checked_sub(1);
        let index = index.ok_or_else(|| damaged("a row ends before its end"))?;
        let mut page = vec![0; self.page];
        let offset = u64::from(index) * self.page as u64;
        if (self.read)(offset, &mut page)? < self.page {
            return Err(damaged("a page is beyond its end"));
        }
        Ok(page)
    }
}

/// The values of a row.
fn values(row: &[u8]) -> Result<Vec<Value<'_>>> {
    let cut_off = || damaged("a row is cut off");
    let (header, _) = varint(row).ok_or_else(cut_off)?;
    let header = usize::try_from(header).unwrap_or(usize::MAX);
    let kinds = row.get(..header).ok_or_else(cut_off)?;
    let mut rest = row.get(header..).unwrap_or_default();
    let (_, mut kinds) = varint(kinds).ok_or_else(cut_off)?;
    let mut values = Vec::new();
    while !kinds.is_empty() {
        let (kind, more) = varint(kinds).ok_or_else(cut_off)?;
        kinds = more;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            _ => kind.saturating_sub(12) / 2,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, after) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        rest = after;
        values.push(match kind {
            0 => Value::Null,
            1..=6 => Value::Integer(integer(bytes)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            7 | 10 | 11 => Value::Other,
            _ => Value::Bytes(bytes),
        });
    }
    Ok(values)
}

/// A signed number, of the first byte's sign.
fn integer(bytes: &[u8]) -> i64 {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if sign { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number: i64, byte| number << 8 | i64::from(*byte))
}

/// A number of one to nine bytes, and what comes after it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        if index == 8 {
            return Some((number << 8 | u64::from(*byte), bytes.get(9..)?));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

fn damaged(what: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the database is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!(varint(&[0x7f, 1]), Some((127, &[1][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, &[][..])));
        assert_eq!(varint(&[0x80; 8]), None);
        assert_eq!(integer(&[0xff, 0xfe]), -2);
        assert_eq!(integer(&[0, 200]), 200);
    }

    #[test]
    fn a_row_has_values() {
        let row = [6, 0, 1, 9, 15, 18, 5, b'x', 1, 2, 3];
        let read = values(&row).unwrap();
        let expected = [
            Value::Null,
            Value::Integer(5),
            Value::Integer(1),
            Value::Bytes(b"x"),
            Value::Bytes(&[1, 2, 3]),
        ];
        assert_eq!(read, expected);
        for length in 0..row.len() {
            assert!(values(&row[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let mut head = vec![0; 4096];
        let open = |head: &[u8]| {
            let read = |_: u64, buf: &mut [u8]| {
                let count = buf.len().min(head.len());
                buf[..count].copy_from_slice(&head[..count]);
                Ok(count)
            };
            Database::open(&read).and_then(|database| database.rows("t", &mut |_| Ok(())))
        };
        assert_eq!(open(&head).unwrap_err().kind(), Kind::Unsafe);
        head[..16].copy_from_slice(b"SQLite format 3\0");
        for size in [0, 3, 256] {
            head[16..18].copy_from_slice(&u16::to_be_bytes(size));
            assert_eq!(open(&head).unwrap_err().kind(), Kind::Unsafe);
        }
        // A page that is below itself.
        head[16..18].copy_from_slice(&512_u16.to_be_bytes());
        head[100] = 5;
        head[108..112].copy_from_slice(&2_u32.to_be_bytes());
        head.resize(102, 0);
        assert_eq!(open(&head).unwrap_err().kind(), Kind::Unsafe);
    }
}
