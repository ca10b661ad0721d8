//! What a snapshot takes that nothing else needs: `qcow2.rst`, "Cluster
//! mapping".

use super::{Header, Refcounts, Snapshot};
use crate::error::Result;
use crate::image::file::{ImageFile, be64};

/// Where an L1 or L2 entry leads to.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The bit of an L2 entry whose cluster is compressed.
const COMPRESSED: u64 = 1 << 62;

/// How many tables are read for all snapshots of an image together: a disk of
/// 2 TiB with clusters of 64 KiB that was written to everywhere has as many.
const MOST_TABLES: u32 = 4096;

/// Finds out what snapshots take.
pub(in crate::image) struct Space<'a> {
    header: &'a Header,
    image: &'a ImageFile,
    counts: Refcounts<'a>,
    tables_left: u32,
}

impl<'a> Space<'a> {
    pub(in crate::image) fn new(header: &'a Header, image: &'a ImageFile) -> Self {
        Self {
            header,
            image,
            counts: Refcounts::new(header, image),
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
            if table == 0 || self.counts.of(table)? != 1 {
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
                if data != 0 && entry & COMPRESSED == 0 && self.counts.of(data)? == 1 {
                    clusters = clusters.saturating_add(1);
                }
            }
        }
        Ok(Some(clusters.saturating_mul(cluster)))
    }
}
