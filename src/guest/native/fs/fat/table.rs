//! The table that gives FAT its name: which cluster comes after which.

use std::cell::RefCell;
use std::sync::Arc;

use fatfs::FatType;

use super::super::checked::damaged;
use super::super::needs_kernel;
use crate::error::{Error, Result};
use crate::guest::native::Blocks;
use crate::image::{le16, le32};

/// How much of the table is read at once.
const PAGE: u64 = 64 << 10;

/// Into how many runs a file may be torn: more are not worth the memory.
const MAX_RUNS: usize = 1 << 20;

/// Clusters of a file that follow each other: offset in the file, where on the
/// volume, length, all in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) at: u64,
    pub(super) len: u64,
}

/// The layout of a volume, and its table.
pub(super) struct Table {
    blocks: Arc<dyn Blocks>,
    kind: FatType,
    /// Where the table that counts is, and how long it is.
    at: u64,
    len: u64,
    data_at: u64,
    cluster_size: u64,
    clusters: u32,
    page: RefCell<Option<(u64, Vec<u8>)>>,
}

impl Table {
    /// The layout that a boot sector tells, which the library has found sound.
    pub(super) fn new(blocks: Arc<dyn Blocks>, boot: &[u8], kind: FatType) -> Result<Self> {
        layout(boot, kind)
            .map(|(at, len, data_at, cluster_size, clusters)| Self {
                blocks,
                kind,
                at,
                len,
                data_at,
                cluster_size,
                clusters,
                page: RefCell::new(None),
            })
            .ok_or_else(|| damaged("its boot sector makes no sense"))
    }

    pub(super) fn data_at(&self) -> u64 {
        self.data_at
    }

    pub(super) fn cluster_size(&self) -> u64 {
        self.cluster_size
    }

    pub(super) fn clusters(&self) -> u32 {
        self.clusters
    }

    /// The cluster that begins at an offset of the volume.
    pub(super) fn cluster_at(&self, offset: u64) -> Result<u32> {
        let cluster = offset
            .checked_sub(self.data_at)
            .filter(|within| within % self.cluster_size == 0)
            .and_then(|within| u32::try_from(within / self.cluster_size).ok())
            .and_then(|index| index.checked_add(2))
            .filter(|cluster| self.is_there(*cluster));
        cluster.ok_or_else(beyond)
    }

    fn is_there(&self, cluster: u32) -> bool {
        cluster
            .checked_sub(2)
            .is_some_and(|index| index < self.clusters)
    }

    /// What the table says of a cluster.
    fn entry(&self, cluster: u32) -> Result<u32> {
        let n = u64::from(cluster);
        let (offset, length) = match self.kind {
            FatType::Fat12 => (n + n / 2, 2),
            FatType::Fat16 => (n * 2, 2),
            FatType::Fat32 => (n * 4, 4),
        };
        let mut raw = [0; 4];
        for (byte, offset) in raw.iter_mut().zip(offset..offset + length) {
            *byte = self.byte(offset)?;
        }
        let value = u32::from_le_bytes(raw);
        Ok(match self.kind {
            FatType::Fat12 if cluster % 2 == 1 => value >> 4,
            FatType::Fat12 => value & 0xfff,
            FatType::Fat16 => value,
            FatType::Fat32 => value & 0x0fff_ffff,
        })
    }

    fn byte(&self, offset: u64) -> Result<u8> {
        if offset >= self.len {
            return Err(damaged("its table is shorter than the volume"));
        }
        let start = offset - offset % PAGE;
        let mut page = self.page.borrow_mut();
        if page.as_ref().is_none_or(|(at, _)| *at != start) {
            let length = usize::try_from(PAGE.min(self.len - start)).unwrap_or(0);
            let mut bytes = vec![0; length];
            self.blocks
                .read_at(self.at.saturating_add(start), &mut bytes)?;
            *page = Some((start, bytes));
        }
        let within = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let byte = page.as_ref().and_then(|(_, bytes)| bytes.get(within));
        byte.copied().ok_or_else(beyond)
    }

    /// Where the data of a file is.
    pub(super) fn runs(&self, first: u32, size: u64) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        let mut cluster = first;
        let mut start = 0;
        // No file is longer than 4 GiB, so that there is an end to it.
        while start < size {
            if !self.is_there(cluster) {
                return Err(damaged("a file is longer than its clusters"));
            }
            let index = u64::from(cluster - 2);
            let at = self.data_at.saturating_add(index * self.cluster_size);
            match runs.last_mut() {
                Some(run) if run.at.saturating_add(run.len) == at => run.len += self.cluster_size,
                _ => runs.push(Run {
                    start,
                    at,
                    len: self.cluster_size,
                }),
            }
            if runs.len() > MAX_RUNS {
                return Err(needs_kernel("a file is torn into a million pieces"));
            }
            start = start.saturating_add(self.cluster_size);
            if start < size {
                cluster = self.entry(cluster)?;
            }
        }
        Ok(runs)
    }

    /// Reads of a file, all of `buf`.
    pub(super) fn read(&self, runs: &[Run], offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut at = runs.partition_point(|run| run.start.saturating_add(run.len) <= offset);
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let run = runs.get(at).ok_or_else(beyond)?;
            let position = offset.saturating_add(done as u64);
            let within = position.saturating_sub(run.start);
            let left = usize::try_from(run.len.saturating_sub(within)).unwrap_or(usize::MAX);
            let count = left.min(rest.len());
            if let Some(part) = rest.get_mut(..count) {
                self.blocks.read_at(run.at.saturating_add(within), part)?;
            }
            done = done.saturating_add(count);
            at += 1;
        }
        Ok(())
    }

    /// How many clusters are free.
    pub(super) fn free(&self) -> Result<u64> {
        let mut free = 0;
        for index in 0..self.clusters {
            if self.entry(index.saturating_add(2))? == 0 {
                free += 1;
            }
        }
        Ok(free)
    }
}

fn beyond() -> Error {
    damaged("a file has clusters beyond all that there are")
}

/// Table, its length, clusters, length of one, how many.
fn layout(boot: &[u8], kind: FatType) -> Option<(u64, u64, u64, u64, u32)> {
    let number = |offset| le16(boot, offset).map(u64::from);
    let long = |offset| le32(boot, offset).map(u64::from);
    let sector = number(11)?;
    let per_cluster = u64::from(*boot.get(13)?);
    let tables = u64::from(*boot.get(16)?);
    let table = match number(22)? {
        0 => long(36)?,
        short => short,
    };
    let total = match number(19)? {
        0 => long(32)?,
        short => short,
    };
    // Which of the tables counts, if they are not all alike.
    let active = match kind {
        FatType::Fat32 if number(40)? & 0x80 != 0 => number(40)? & 0xf,
        _ => 0,
    };
    if active >= tables || sector == 0 || per_cluster == 0 {
        return None;
    }
    let first = number(14)?;
    let root = (number(17)? * 32).div_ceil(sector);
    let data = first
        .checked_add(tables.checked_mul(table)?)?
        .checked_add(root)?;
    let clusters = total.checked_sub(data)? / per_cluster;
    Some((
        first
            .checked_add(active.checked_mul(table)?)?
            .checked_mul(sector)?,
        table.checked_mul(sector)?,
        data.checked_mul(sector)?,
        sector * per_cluster,
        u32::try_from(clusters).ok().filter(|n| *n < 0x0fff_fff7)?,
    ))
}
