//! The values of a hash table of Berkeley DB, as far as databases of packages need
//! it: all of them, in no order.
//!
//! The format is that of `dbinc/db_page.h` of Berkeley DB 4 and 5, in the order of
//! bytes of x86.

use std::cell::RefCell;
use std::collections::HashSet;

use super::packages::Read;
use crate::error::{Error, Kind, Result};
use crate::image::{le16, le32};

/// How long a value may be, in bytes: as a row of SQLite.
const MAX_VALUE: usize = 32 << 20;

/// How much of a database is read, in pages.
const MAX_PAGES: u32 = 1 << 20;

/// The first page says what it is.
const META: usize = 72;
const MAGIC: u32 = 0x0006_1561;
const HASH_META: u8 = 8;

/// The header of each page, behind which it says where its items are.
const HEADER: usize = 26;

/// The kinds of pages: with keys and values, the older kind and the newer, and with
/// a part of a long value.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;

/// The kinds of items: what is in the page, and what is in pages of its own.
const HERE: u8 = 1;
const ELSEWHERE: u8 = 3;

/// Takes a key and its value.
type Each<'e> = &'e mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// A database.
pub(super) struct Database<'a> {
    read: &'a Read<'a>,
    /// How long a page is, in bytes.
    page: usize,
    /// The number of the last one.
    last: u32,
    /// No page is part of two values.
    seen: RefCell<HashSet<u32>>,
}

impl<'a> Database<'a> {
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if it is none; [`Kind::WrongState`] if it is one that is
    /// not read.
    pub(super) fn open(read: &'a Read<'a>) -> Result<Self> {
        let mut head = [0; META];
        let count = read(0, &mut head)?;
        let magic = le32(&head, 12);
        if magic == Some(MAGIC.swap_bytes()) {
            return Err(not_read("is of another order of bytes"));
        }
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        if count < META || magic != Some(MAGIC) || byte(25) != HASH_META {
            return Err(damaged("it is no hash table of Berkeley DB"));
        }
        // Both move what is in a page.
        if byte(24) != 0 || byte(26) & 1 != 0 {
            return Err(not_read("is encrypted or has checksums"));
        }
        let size = le32(&head, 20).and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| size.is_power_of_two() && (512..=65536).contains(size));
        let last = le32(&head, 32).filter(|last| *last < MAX_PAGES);
        let (Some(page), Some(last)) = (size, last) else {
            return Err(damaged("its pages are of no size or number"));
        };
        Ok(Self {
            read,
            page,
            last,
            seen: RefCell::default(),
        })
    }

    /// Calls with each key and its value.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the database is damaged, and what `each` fails with.
    pub(super) fn values(&self, each: Each<'_>) -> Result<()> {
        for number in 1..=self.last {
            let page = self.load(number)?;
            if !matches!(kind_of(&page), HASH_UNSORTED | HASH) {
                continue;
            }
            let entries = le16(&page, 20).map_or(0, usize::from);
            for pair in 0..entries / 2 {
                let key = self.item(&page, pair * 2)?;
                let value = self.item(&page, pair * 2 + 1)?;
                each(&key, &value)?;
            }
        }
        Ok(())
    }

    /// An item: the last of a page is the first behind its list, and each begins
    /// where the one before it in the list ends.
    fn item(&self, page: &[u8], index: usize) -> Result<Vec<u8>> {
        let place = |index: usize| le16(page, HEADER + index * 2).map(usize::from);
        let end = match index.checked_sub(1) {
            Some(before) => place(before),
            None => Some(self.page),
        };
        let item = place(index)
            .zip(end)
            .and_then(|(at, end)| page.get(at..end));
        let item = item.ok_or_else(|| damaged("an item is beyond its page"))?;
        match item.split_first() {
            Some((&HERE, value)) => Ok(value.to_vec()),
            Some((&ELSEWHERE, _)) => {
                let both = le32(item, 4).zip(le32(item, 8));
                let (first, length) = both.ok_or_else(|| damaged("an item is cut off"))?;
                self.long(first, length)
            }
            _ => Err(damaged("an item is of a kind that a package has not")),
        }
    }

    /// A value in pages of its own, from the first of them.
    fn long(&self, first: u32, length: u32) -> Result<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_VALUE {
            return Err(damaged("a value is longer than it can be"));
        }
        let (mut value, mut next) = (Vec::new(), first);
        while value.len() < length {
            if next == 0 || next > self.last || !self.seen.borrow_mut().insert(next) {
                return Err(damaged("a page is part of two values, or of none"));
            }
            let page = self.load(next)?;
            let used = le16(&page, 22).map_or(0, usize::from);
            let part = page.get(HEADER..HEADER + used);
            let part = part.filter(|part| kind_of(&page) == OVERFLOW && !part.is_empty());
            value.extend_from_slice(part.ok_or_else(|| damaged("a value is cut off"))?);
            next = le32(&page, 16).unwrap_or(0);
        }
        value.truncate(length);
        Ok(value)
    }

    fn load(&self, number: u32) -> Result<Vec<u8>> {
        let mut page = vec![0; self.page];
        let offset = u64::from(number) * self.page as u64;
        if (self.read)(offset, &mut page)? < self.page {
            return Err(damaged("a page is beyond its end"));
        }
        Ok(page)
    }
}

fn kind_of(page: &[u8]) -> u8 {
    page.get(25).copied().unwrap_or(0)
}

fn not_read(what: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!("the database {what}, and is not read"),
    )
}

fn damaged(what: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the database is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// A table with a short value, and a long one in two pages.
    fn table() -> Vec<u8> {
        let mut all = vec![0; 4 * PAGE];
        put(&mut all, 12, &MAGIC.to_le_bytes());
        put(&mut all, 20, &512_u32.to_le_bytes());
        all[25] = HASH_META;
        put(&mut all, 32, &3_u32.to_le_bytes());
        let page = &mut all[PAGE..2 * PAGE];
        page[25] = HASH;
        put(page, 20, &4_u16.to_le_bytes());
        let mut end = PAGE;
        let long = [
            &[ELSEWHERE, 0, 0, 0][..],
            &[2, 0, 0, 0],
            &600_u32.to_le_bytes(),
        ]
        .concat();
        let items: [&[u8]; 4] = [&[HERE, 7], &[HERE, b'a', b'b'], &[HERE, 8], &long];
        for (index, item) in items.iter().enumerate() {
            end -= item.len();
            put(page, end, item);
            let place = u16::try_from(end).unwrap().to_le_bytes();
            put(page, HEADER + index * 2, &place);
        }
        for (number, fill, next, used) in [(2, 2_u8, 3_u32, 486_u16), (3, 3, 0, 114)] {
            let page = &mut all[number * PAGE..(number + 1) * PAGE];
            page[25] = OVERFLOW;
            put(page, 16, &next.to_le_bytes());
            put(page, 22, &used.to_le_bytes());
            page[HEADER..HEADER + usize::from(used)].fill(fill);
        }
        all
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let from = |offset: u64, buf: &mut [u8]| {
            let rest = bytes
                .get(usize::try_from(offset).unwrap()..)
                .unwrap_or_default();
            let count = rest.len().min(buf.len());
            buf[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        };
        let mut all = Vec::new();
        Database::open(&from)?.values(&mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn short_and_long_values_are_read() {
        let all = read(&table()).unwrap();
        assert_eq!(all[0], (vec![7], b"ab".to_vec()));
        assert_eq!(all[1].0, [8]);
        assert_eq!(all[1].1, [vec![2; 486], vec![3; 114]].concat());
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn damage_is_an_error_and_has_an_end() {
        let sound = table();
        for length in (0..sound.len()).step_by(37) {
            assert!(read(&sound[..length]).is_err(), "{length}");
        }
        for at in 0..sound.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = value;
                drop(read(&bytes));
            }
        }
        // A value that goes on in itself.
        let mut loops = sound.clone();
        put(&mut loops, 3 * PAGE + 16, &2_u32.to_le_bytes());
        put(
            &mut loops,
            PAGE + PAGE - 2 - 3 - 2 - 4,
            &5000_u32.to_le_bytes(),
        );
        assert_eq!(read(&loops).unwrap_err().kind(), Kind::Unsafe);
        let mut big_endian = sound;
        put(&mut big_endian, 12, &MAGIC.to_be_bytes());
        assert_eq!(read(&big_endian).unwrap_err().kind(), Kind::WrongState);
    }
}
