//! How often each cluster of an image is referred to: `qcow2.rst`, "Host
//! cluster management".

use std::collections::HashMap;
use std::ops::Range;

use super::Header;
use crate::error::Result;
use crate::image::file::{ImageFile, be64};

/// How many refcount blocks are kept at a time.
const MOST_BLOCKS: usize = 64;

/// How many clusters [`Refcounts::taken`] looks at: those of an image file of
/// 8 TiB, if they have 64 KiB.
const MOST_CLUSTERS: u64 = 1 << 27;

/// The reference counts of an image, read as they are needed.
pub(in crate::image) struct Refcounts<'a> {
    header: &'a Header,
    image: &'a ImageFile,
    /// The places of refcount blocks, read when they are first needed.
    table: Option<Vec<u8>>,
    blocks: HashMap<u64, Vec<u8>>,
}

impl<'a> Refcounts<'a> {
    pub(in crate::image) fn new(header: &'a Header, image: &'a ImageFile) -> Self {
        Self {
            header,
            image,
            table: None,
            blocks: HashMap::new(),
        }
    }

    /// How often the cluster is referred to that this byte of the file is in; 0
    /// for what is not counted.
    pub(super) fn of(&mut self, offset: u64) -> Result<u64> {
        let index = offset >> self.header.cluster_bits;
        let (bits, per_block) = self.shape();
        let block = index / per_block;
        if !self.blocks.contains_key(&block) {
            if self.blocks.len() >= MOST_BLOCKS {
                self.blocks.clear();
            }
            let bytes = self.read_block(block)?;
            self.blocks.insert(block, bytes);
        }
        let bytes = self.blocks.get(&block).map_or(&[][..], Vec::as_slice);
        Ok(entry(bytes, index % per_block, bits))
    }

    /// Which clusters of a file of so many bytes are referred to at all; `None`
    /// if there are too many to look at.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](crate::error::Kind::Storage) if the image cannot be
    /// read.
    pub(in crate::image) fn taken(&mut self, file_size: u64) -> Result<Option<Taken>> {
        let cluster = self.header.cluster_size();
        let clusters = file_size.div_ceil(cluster);
        if clusters > MOST_CLUSTERS {
            return Ok(None);
        }
        let (width, per_block) = self.shape();
        let mut bits = Vec::new();
        for block in 0..clusters.div_ceil(per_block) {
            let bytes = self.read_block(block)?;
            let first = block.saturating_mul(per_block);
            for index in 0..per_block.min(clusters.saturating_sub(first)) {
                // No block has less than 64.
                if index % 64 == 0 {
                    bits.push(0_u64);
                }
                let is_taken = entry(&bytes, index, width) != 0;
                if let Some(last) = bits.last_mut() {
                    *last |= u64::from(is_taken) << (index % 64);
                }
            }
        }
        Ok(Some(Taken { cluster, bits }))
    }

    /// How many bits a count has, and how many counts a block.
    fn shape(&self) -> (u64, u64) {
        let bits = 1_u64 << self.header.refcount_order;
        (bits, self.header.cluster_size().saturating_mul(8) / bits)
    }

    fn read_block(&mut self, block: u64) -> Result<Vec<u8>> {
        if self.table.is_none() {
            let bytes = u64::from(self.header.refcount_table_clusters);
            let bytes = bytes.saturating_mul(self.header.cluster_size());
            let length = usize::try_from(bytes).unwrap_or(0);
            let at = self.header.refcount_table_offset;
            self.table = Some(self.image.read_at(at, length)?);
        }
        let table = self.table.as_deref().unwrap_or_default();
        let at = usize::try_from(block.saturating_mul(8)).unwrap_or(usize::MAX);
        let place = be64(table, at).unwrap_or(0) & !511;
        if place == 0 {
            return Ok(Vec::new());
        }
        let size = usize::try_from(self.header.cluster_size()).unwrap_or(0);
        self.image.read_at(place, size)
    }
}

/// Which clusters of an image are referred to.
pub(in crate::image) struct Taken {
    cluster: u64,
    /// One of each cluster, the first in the lowest bit.
    bits: Vec<u64>,
}

impl Taken {
    /// What is taken here and is not in `after`, as bytes of the file.
    pub(in crate::image) fn freed(&self, after: &Self) -> Vec<Range<u64>> {
        let mut freed: Vec<Range<u64>> = Vec::new();
        for (word, (then, now)) in self.bits.iter().zip(&after.bits).enumerate() {
            let mut bits = then & !now;
            while bits != 0 {
                let index = (word as u64) * 64 + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                let start = index.saturating_mul(self.cluster);
                let end = start.saturating_add(self.cluster);
                match freed.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => freed.push(start..end),
                }
            }
        }
        freed
    }
}

/// One count of a refcount block, of so many bits; 0 past its end.
fn entry(block: &[u8], index: u64, bits: u64) -> u64 {
    let Ok(first) = usize::try_from(index.saturating_mul(bits) / 8) else {
        return 0;
    };
    if bits < 8 {
        let Some(byte) = block.get(first) else {
            return 0;
        };
        // The first count is in the lowest bits.
        let shift = (index.saturating_mul(bits)) % 8;
        return (u64::from(*byte) >> shift) & ((1 << bits) - 1);
    }
    let length = usize::try_from(bits / 8).unwrap_or(0);
    let bytes = block.get(first..first.saturating_add(length));
    let bytes = bytes.unwrap_or_default().iter();
    bytes.fold(0, |count, byte| (count << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::{Taken, entry};

    #[test]
    fn what_is_freed_is_told_in_pieces() {
        let taken = |bits: [u64; 2]| Taken {
            cluster: 512,
            bits: bits.to_vec(),
        };
        let before = taken([u64::MAX, 0b1011]);
        let after = taken([u64::MAX >> 2 & !1, 0b0110]);
        let pieces = [0..512, 62 * 512..65 * 512, 67 * 512..68 * 512];
        assert_eq!(before.freed(&after), pieces);
        assert_eq!(after.freed(&after), []);
    }

    #[test]
    fn counts_of_every_width_are_read() {
        let block = [0b1010_0110, 2, 0, 3, 0, 0, 0, 4];
        assert_eq!(entry(&block, 0, 1), 0);
        assert_eq!(entry(&block, 1, 1), 1);
        assert_eq!(entry(&block, 0, 2), 0b10);
        assert_eq!(entry(&block, 1, 4), 0b1010);
        assert_eq!(entry(&block, 1, 8), 2);
        assert_eq!(entry(&block, 1, 16), 3);
        assert_eq!(entry(&block, 1, 32), 4);
        assert_eq!(entry(&block, 1, 64), 0);
        assert_eq!(entry(&block, u64::MAX, 16), 0);
    }
}
