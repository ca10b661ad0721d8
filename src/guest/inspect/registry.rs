//! Keys and values in the registry of Windows, as far as it takes to tell which
//! system it is.
//!
//! The libraries for it read a hive as a whole, of which some have 100 MiB, or have
//! a licence that does not fit. The format is that of
//! <https://github.com/msuhanov/regf>.

use crate::error::{Error, Kind, Result};
use crate::image::{le16, le32};

/// How long a cell may be that is read.
const MAX_CELL: usize = 1 << 20;

/// How many cells are read of one hive.
const MAX_READS: usize = 100_000;

/// Where the first cell is.
const CELLS: u64 = 4096;

/// Set in the length of data that is in the place of its offset.
const INLINE: u32 = 1 << 31;

/// The types of values that are text (`REG_SZ`, `REG_EXPAND_SZ`), and that are a
/// number (`REG_DWORD`).
const SZ: u32 = 1;
const EXPAND_SZ: u32 = 2;
const DWORD: u32 = 4;

/// Fills a buffer from an offset of the hive; tells how much there was.
type Read<'a> = dyn Fn(u64, &mut [u8]) -> Result<usize> + 'a;

/// A file of the registry.
pub(super) struct Hive<'a> {
    read: &'a Read<'a>,
    left: std::cell::Cell<usize>,
    root: u32,
    /// Whether all that was changed is in it.
    pub(super) is_whole: bool,
}

/// A value.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u32),
}

impl<'a> Hive<'a> {
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if it is none.
    pub(super) fn open(read: &'a Read<'a>) -> Result<Self> {
        let mut head = [0; 40];
        let count = read(0, &mut head)?;
        let root = le32(&head, 36).filter(|_| count == head.len() && head.starts_with(b"regf"));
        Ok(Self {
            read,
            left: std::cell::Cell::new(MAX_READS),
            root: root.ok_or_else(|| damaged("it is none"))?,
            is_whole: le32(&head, 4) == le32(&head, 8),
        })
    }

    /// A value of a key, whose names are separated by `\`. Case is of no matter.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the hive is damaged.
    pub(super) fn value(&self, path: &str, name: &str) -> Result<Option<Value>> {
        let mut key = self.cell(self.root)?;
        for wanted in path.split('\\') {
            match self.subkey(&key, wanted)? {
                Some(next) => key = next,
                None => return Ok(None),
            }
        }
        let count = number(&key, 36)?;
        if count == 0 {
            return Ok(None);
        }
        let list = self.cell(number(&key, 40)?)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for offset in list.chunks_exact(4).take(count) {
            let value = self.cell(number(offset, 0)?)?;
            if !value.starts_with(b"vk") {
                return Err(damaged("a value is none"));
            }
            if is_named(&value, le16(&value, 2), 20, le16(&value, 16), 1, name) {
                return self.content(&value);
            }
        }
        Ok(None)
    }

    fn subkey(&self, key: &[u8], wanted: &str) -> Result<Option<Vec<u8>>> {
        if !key.starts_with(b"nk") {
            return Err(damaged("a key is none"));
        }
        if number(key, 20)? == 0 {
            return Ok(None);
        }
        let list = self.cell(number(key, 28)?)?;
        if !list.starts_with(b"ri") {
            return self.listed(&list, wanted);
        }
        // A list of lists, which are not such ones again.
        for offset in offsets(&list, 4) {
            let found = self.listed(&self.cell(number(offset, 0)?)?, wanted)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The key of that name in a list of keys.
    fn listed(&self, list: &[u8], wanted: &str) -> Result<Option<Vec<u8>>> {
        let size = match list.get(..2) {
            Some(b"lf" | b"lh") => 8,
            Some(b"li") => 4,
            _ => return Err(damaged("a list of keys is none")),
        };
        for offset in offsets(list, size) {
            let key = self.cell(number(offset, 0)?)?;
            if is_named(&key, le16(&key, 72), 76, le16(&key, 2), 0x20, wanted) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn content(&self, value: &[u8]) -> Result<Option<Value>> {
        let length = number(value, 4)?;
        let bytes = match length & INLINE {
            0 => self.cell(number(value, 8)?)?,
            _ => value.get(8..12).unwrap_or_default().to_vec(),
        };
        let length = usize::try_from(length & !INLINE).unwrap_or(usize::MAX);
        let bytes = bytes.get(..length);
        let bytes = bytes.ok_or_else(|| damaged("a value is longer than its cell"))?;
        Ok(match number(value, 12)? {
            SZ | EXPAND_SZ => Some(Value::Text(utf16(bytes))),
            DWORD => le32(bytes, 0).map(Value::Number),
            _ => None,
        })
    }

    fn cell(&self, offset: u32) -> Result<Vec<u8>> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| damaged("there is no end to it"))?);
        let at = CELLS.saturating_add(offset.into());
        let mut length = [0; 4];
        let count = (self.read)(at, &mut length)?;
        // A cell that is in use has a negative length, with these four bytes.
        let length = i32::from_le_bytes(length).checked_neg().unwrap_or(0);
        let length = usize::try_from(length).unwrap_or(0);
        if count < 4 || !(8..=MAX_CELL).contains(&length) {
            return Err(damaged("a cell is not in use"));
        }
        let mut cell = vec![0; length - 4];
        if (self.read)(at.saturating_add(4), &mut cell)? < cell.len() {
            return Err(damaged("a cell is cut off"));
        }
        Ok(cell)
    }
}

/// What is in a list, each of which begins with an offset.
fn offsets(list: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let count = usize::from(le16(list, 2).unwrap_or(0));
    let all = list.get(4..).unwrap_or_default().chunks_exact(size);
    all.take(count)
}

/// Whether a cell has this name, which is in plain bytes if a flag says so.
fn is_named(
    cell: &[u8],
    length: Option<u16>,
    at: usize,
    flags: Option<u16>,
    plain: u16,
    wanted: &str,
) -> bool {
    let length = usize::from(length.unwrap_or(0));
    let Some(bytes) = cell.get(at..).and_then(|rest| rest.get(..length)) else {
        return false;
    };
    let name = match flags.unwrap_or(0) & plain {
        0 => utf16(bytes),
        _ => bytes.iter().copied().map(char::from).collect(),
    };
    name.eq_ignore_ascii_case(wanted)
}

/// Text that ends at a zero, if there is one.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2);
    let units = units.map(|pair| le16(pair, 0).unwrap_or(0));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

fn number(bytes: &[u8], at: usize) -> Result<u32> {
    le32(bytes, at).ok_or_else(|| damaged("a cell is cut off"))
}

fn damaged(what: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the registry is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a hive with these cells says of a value `b` in the key `a`.
    fn value(cells: &[(usize, &[u8])]) -> Result<Option<Value>> {
        let mut bytes = vec![0; 8192];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, b"regf");
        put(36, &0x20_u32.to_le_bytes());
        for (at, cell) in cells {
            let length = i32::try_from(cell.len() + 4).unwrap();
            put(4096 + at, &(-length).to_le_bytes());
            put(4096 + at + 4, cell);
        }
        let read = |offset: u64, buf: &mut [u8]| {
            let rest = bytes.get(usize::try_from(offset).unwrap()..);
            let rest = rest.unwrap_or_default();
            let count = buf.len().min(rest.len());
            buf[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        };
        Hive::open(&read)?.value("a", "b")
    }

    /// A key named `a` with a list of keys at 0x200 and a list of values at 0x300.
    fn key(values: u8) -> Vec<u8> {
        let mut key = b"nk\x20".to_vec();
        key.resize(80, 0);
        key[20] = 1;
        key[29] = 2;
        key[36] = values;
        key[41] = 3;
        key[72] = 1;
        key[76] = b'a';
        key
    }

    #[test]
    fn a_value_is_found() {
        let text = b"vk\x01\0\x04\0\0\x80x\0\0\0\x01\0\0\0\x01\0\0\0B\0\0\0";
        for list in [&b"lf\x01\0\x20\0\0\0hash"[..], b"li\x01\0\x20\0\0\0"] {
            let cells = [
                (0x20, &key(1)[..]),
                (0x200, list),
                (0x300, b"\0\x04\0\0"),
                (0x400, text),
            ];
            let found = value(&cells).unwrap();
            assert_eq!(found, Some(Value::Text("x".to_owned())));
        }
        let none = [(0x20, &key(0)[..]), (0x200, b"li\x01\0\x20\0\0\0")];
        assert_eq!(value(&none).unwrap(), None);
    }

    #[test]
    fn damage_has_an_end() {
        for list in [
            &b"ri\x01\0\0\x02\0\0"[..],
            b"li\x01\0\xff\xff\xff\xff",
            b"??\x01\0\x20\0\0\0",
        ] {
            let error = value(&[(0x20, &key(1)), (0x200, list)]).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsafe);
        }
        assert_eq!(value(&[]).unwrap_err().kind(), Kind::Unsafe);
    }
}
