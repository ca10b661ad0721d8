//! File systems that are mostly empty, as their parts that are not.
//!
//! An input is the size of the volume, in KiB (four bytes), and then runs: where each
//! begins (four bytes, in units of eight), how long it is (two), and its bytes; all
//! little-endian. `fuzz/sparse.py` makes one of an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use vmkin::error::{Error, Kind, Result};
use vmkin::guest::native::Blocks;

/// No seed is of a larger volume.
const MAX_SIZE: u64 = 1 << 30;

/// How the volume is kept: what no page has is zeros.
pub const PAGE: usize = 4096;

/// A volume.
pub struct Sparse {
    size: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Sparse {
    /// The volume that an input tells of.
    pub fn of(input: &[u8]) -> Self {
        let mut volume = Self {
            size: crate::le(input, 0, 4).saturating_mul(1024).min(MAX_SIZE),
            pages: BTreeMap::new(),
        };
        let mut rest = input.get(4..).unwrap_or_default();
        while rest.len() > 6 {
            let at = crate::le(rest, 0, 4).saturating_mul(8);
            let length = usize::try_from(crate::le(rest, 4, 2)).unwrap_or(0);
            let (run, next) = rest[6..].split_at(length.min(rest.len() - 6));
            volume.write(at, run);
            rest = next;
        }
        volume
    }

    /// Writes as much as the volume has room for.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        for (at, byte) in (at..self.size).zip(bytes) {
            let page = at / PAGE as u64;
            let page = self
                .pages
                .entry(page)
                .or_insert_with(|| Box::new([0; PAGE]));
            page[at as usize % PAGE] = *byte;
        }
    }

    /// The pages that are not empty, by where they are.
    pub fn pages(&mut self) -> impl Iterator<Item = (u64, &mut [u8; PAGE])> {
        let pages = self.pages.iter_mut();
        pages.map(|(number, page)| (number * PAGE as u64, page.as_mut()))
    }

    pub fn shared(self) -> Arc<dyn Blocks> {
        Arc::new(self)
    }
}

impl Blocks for Sparse {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(Error::new(Kind::Unsafe, "beyond the end of a disk"));
        }
        buf.fill(0);
        let last = offset + buf.len() as u64;
        for (number, page) in self
            .pages
            .range(offset / PAGE as u64..last.div_ceil(PAGE as u64))
        {
            let start = number * PAGE as u64;
            let (from, to) = (start.max(offset), (start + PAGE as u64).min(last));
            let part = &page[(from - start) as usize..(to - start) as usize];
            buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
        }
        Ok(())
    }
}
