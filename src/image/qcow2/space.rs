//! What a snapshot takes that nothing else needs: `qcow2.rst`, "Host cluster
//! management" and "Cluster mapping".

use std::collections::HashMap;

use super::{Header, Snapshot};
use crate::error::Result;
use crate::image::file::{ImageFile, be64};

/// Where an L1 or L2 entry leads to.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The bit of an L2 entry whose cluster is compressed.
const COMPRESSED: u64 = 1 << 62;

/// How many tables are read for all snapshots of an image together: a disk of
/// 2 TiB with clusters of 64 KiB that was written to everywhere has as many.
const MOST_TABLES: u32 = 4096;

/// How many refcount blocks are kept at a time.
const MOST_BLOCKS: usize = 64;

/// Finds out what snapshots take.
pub(in crate::image) struct Space<'a> {
    header: &'a Header,
    image: &'a ImageFile,
    /// The places of refcount blocks, read when they are first needed.
    table: Option<Vec<u8>>,
    blocks: HashMap<u64, Vec<u8>>,
    tables_left: u32,
}

impl<'a> Space<'a> {
    pub(in crate::image) fn new(header: &'a Header, image: &'a ImageFile) -> Self {
        Self {
            header,
            image,
            table: None,
            blocks: HashMap::new(),
            tables_left: MOST_TABLES,
        }
    }

    /// What deleting this snapshot would give back, in bytes: the clusters that
    /// it alone refers to. `None` if that would take too long.
    ///
    /// Compressed clusters share theirs with others, and are not counted.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](crate::error::Kind::Storage) if the image cannot be
    /// read.
    pub(in crate::image) fn of(&mut self, snapshot: &Snapshot) -> Result<Option<u64>> {
        let cluster = self.header.cluster_size();
        let length = usize::try_from(u64::from(snapshot.l1_size).saturating_mul(8));
        let l1 = self
            .image
            .read_at(snapshot.l1_offset, length.unwrap_or(0))?;
        let mut clusters = (l1.len() as u64).div_ceil(cluster);
        let step = if self.header.incompatible.extended_l2() {
            16
        } else {
            8
        };
        let size = usize::try_from(cluster).unwrap_or(0);
        for at in (0..l1.len()).step_by(8) {
            let table = be64(&l1, at).unwrap_or(0) & OFFSET;
            // What others refer to too has nothing below it that they do not.
            if table == 0 || self.references(table)? != 1 {
                continue;
            }
            let Some(left) = self.tables_left.checked_sub(1) else {
                return Ok(None);
            };
            self.tables_left = left;
            clusters = clusters.saturating_add(1);
            let l2 = self.image.read_at(table, size)?;
            for at in (0..l2.len()).step_by(step) {
                let entry = be64(&l2, at).unwrap_or(0);
                let data = entry & OFFSET;
                if data != 0 && entry & COMPRESSED == 0 && self.references(data)? == 1 {
                    clusters = clusters.saturating_add(1);
                }
            }
        }
        Ok(Some(clusters.saturating_mul(cluster)))
    }

    /// How often the cluster is referred to that this byte of the file is in; 0
    /// for what is not counted.
    fn references(&mut self, offset: u64) -> Result<u64> {
        let cluster = self.header.cluster_size();
        let index = offset >> self.header.cluster_bits;
        let bits = 1_u64 << self.header.refcount_order;
        let per_block = cluster.saturating_mul(8) / bits;
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
    use super::entry;

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
