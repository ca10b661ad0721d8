//! Disks for tests.
#![expect(clippy::cast_possible_truncation, reason = "the disks here are small")]

use super::Blocks;
use super::slice::check_range;
use crate::error::Result;

/// A disk of zeros with some pieces on it; later ones hide earlier ones.
#[derive(Clone, Debug)]
pub(super) struct Sparse {
    len: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    pub(super) fn new(len: u64) -> Self {
        let pieces = Vec::new();
        Self { len, pieces }
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> &mut Self {
        self.pieces.push((at, bytes.to_vec()));
        self
    }
}

impl Blocks for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        buf.fill(0);
        let end = offset + buf.len() as u64;
        for (at, bytes) in &self.pieces {
            let (from, to) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                let piece = &bytes[(from - at) as usize..(to - at) as usize];
                buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(piece);
            }
        }
        Ok(())
    }
}
