//! The way from a place on the disk to one in the file of a qcow2 image.
//!
//! Neither the L1 table nor an L2 table is ever kept whole: they have 32 MiB
//! and 2 MiB at the most, and a chain can have 25 images. What is kept is
//! slices of them.

use std::fmt;
use std::sync::Arc;

use super::cache::Cache;
use super::compressed::Decompressor;
use super::entry::{Geometry, OFFSET, Place};
use crate::error::{Error, Kind, Result};
use crate::image::file::{be64, path_word, shown};
use crate::image::qcow2::{Header, Snapshot};
use crate::image::source::Image;

/// How much of a table is read at once, in bytes. With clusters of 64 KiB such
/// a slice of an L2 table is about 128 MiB of the disk.
const SLICE: u64 = 16 << 10;

/// The size of an L1 entry, in bytes.
const L1_ENTRY: u64 = 8;

/// An open qcow2 image, or one of the snapshots in it.
#[derive(Debug)]
pub(super) struct Qcow2 {
    image: Box<dyn Image>,
    /// Which layer of its chain it is, which tells its tables from those of
    /// the others in a cache.
    layer: usize,
    geometry: Geometry,
    l1_offset: u64,
    l1_entries: u64,
    /// The size of the disk, in bytes.
    size: u64,
    decompressor: Decompressor,
}

impl Qcow2 {
    /// Takes an image by its checked header.
    pub(super) fn new(
        image: Box<dyn Image>,
        layer: usize,
        header: &Header,
        snapshot: Option<&Snapshot>,
    ) -> Self {
        let (l1_offset, l1_size, size) = match snapshot {
            Some(snapshot) => (
                snapshot.l1_offset,
                snapshot.l1_size,
                snapshot.disk_size & !511,
            ),
            None => (header.l1_offset, header.l1_size, header.disk_size()),
        };
        Self {
            image,
            layer,
            geometry: Geometry::of(header),
            l1_offset,
            l1_entries: u64::from(l1_size),
            size,
            decompressor: Decompressor::new(header.compression),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Finds where the data at `offset` is, and for how many bytes that holds:
    /// at least 1 and not more than `most`. It looks at one slice of each
    /// table.
    pub(super) fn place(&self, tables: &Cache, offset: u64, most: u64) -> Result<(Place, u64)> {
        let per_table = self.geometry.per_table();
        let index = offset / per_table;
        let in_table = offset % per_table;
        // A snapshot of a disk that was smaller has a shorter table.
        if index >= self.l1_entries {
            return Ok((Place::Below, most));
        }
        let (slice, first) = self.l1_slice(tables, index)?;
        let mut entries = slice.chunks_exact(8).skip(first).map(|e| be64(e, 0));
        let table = entries.next().flatten().unwrap_or(0);
        let table = self
            .geometry
            .aligned(table)
            .ok_or_else(|| self.damaged("its L1 table leads to where no table can be"))?;
        if table == 0 {
            // An empty disk has one such entry after the other.
            let empty = entries.take_while(|e| e.is_some_and(|e| e & OFFSET == 0));
            let more = (empty.count() as u64).saturating_mul(per_table);
            let length = (per_table - in_table).saturating_add(more);
            return Ok((Place::Below, length.min(most)));
        }
        let (slice, first) = self.l2_slice(tables, table, in_table)?;
        self.run(&slice, first, offset & (self.geometry.cluster() - 1), most)
    }

    /// Puts together what entries of a slice say, from byte `within` of the
    /// cluster of entry `first` on, as long as it goes on in the same way.
    fn run(&self, slice: &[u8], first: usize, within: u64, most: u64) -> Result<(Place, u64)> {
        let damaged = || self.damaged("an L2 table has an entry that cannot be");
        let size = usize::try_from(self.geometry.entry_size()).map_err(|_| damaged())?;
        let mut entries = slice.chunks_exact(size).skip(first);
        let mut entry = entries.next().ok_or_else(damaged)?;
        let (place, mut length) = self.geometry.place(entry, within).ok_or_else(damaged)?;
        let mut within = within.saturating_add(length);
        while length < most && !matches!(place, Place::Compressed { .. }) {
            if within >= self.geometry.cluster() {
                let Some(next) = entries.next() else { break };
                (entry, within) = (next, 0);
            }
            // What is wrong with it is said when somebody reads it.
            let Some((next, more)) = self.geometry.place(entry, within) else {
                break;
            };
            let goes_on = match (place, next) {
                (Place::Data(at), Place::Data(next)) => at.checked_add(length) == Some(next),
                (place, next) => place == next,
            };
            if !goes_on {
                break;
            }
            length = length.saturating_add(more);
            within = within.saturating_add(more);
        }
        Ok((place, length.min(most)))
    }

    /// The slice of the L1 table with an entry, and which one in it that is.
    fn l1_slice(&self, tables: &Cache, index: u64) -> Result<(Arc<[u8]>, usize)> {
        let at = index.saturating_mul(L1_ENTRY);
        let start = at - at % SLICE;
        let length = (self.l1_entries * L1_ENTRY)
            .saturating_sub(start)
            .min(SLICE);
        let slice = self.table(tables, self.l1_offset.checked_add(start), length)?;
        Ok((slice, index_in(at - start, L1_ENTRY)))
    }

    /// The same of an L2 table, for a place in what it is about.
    fn l2_slice(&self, tables: &Cache, table: u64, place: u64) -> Result<(Arc<[u8]>, usize)> {
        let size = self.geometry.entry_size();
        let slice = SLICE.min(self.geometry.cluster());
        let at = (place >> self.geometry.cluster_bits).saturating_mul(size);
        let start = at - at % slice;
        let slice = self.table(tables, table.checked_add(start), slice)?;
        Ok((slice, index_in(at - start, size)))
    }

    fn table(&self, tables: &Cache, at: Option<u64>, length: u64) -> Result<Arc<[u8]>> {
        let cut_off = || self.damaged("a table is beyond the end of the file: it was cut off");
        let at = at.ok_or_else(cut_off)?;
        let length = usize::try_from(length).map_err(|_| cut_off())?;
        tables.get((self.layer, at), || {
            let bytes = self.image.read_at(at, length)?;
            if bytes.len() < length {
                return Err(cut_off());
            }
            Ok(bytes.into())
        })
    }

    /// Reads data that is in the file as it is.
    pub(super) fn read(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        let done = self.image.read_into(at, buf)?;
        let rest = buf.get_mut(done..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        // The last cluster may end with the data that was written to it; what
        // has no beginning was lost.
        let end = self.image.size_now()?;
        let cluster = self.geometry.cluster();
        let covered = end.checked_next_multiple_of(cluster).unwrap_or(end);
        let wanted = at
            .saturating_add(done as u64)
            .saturating_add(rest.len() as u64);
        if wanted > covered {
            return Err(self.damaged("its data goes on beyond the end of the file: it was cut off"));
        }
        rest.fill(0);
        Ok(())
    }

    /// Reads a compressed cluster into `cluster`, which has its size.
    pub(super) fn read_compressed(&self, at: u64, most: u64, cluster: &mut [u8]) -> Result<()> {
        let corrupt = || self.damaged("a compressed cluster cannot be decompressed");
        let most = usize::try_from(most).map_err(|_| corrupt())?;
        // Fewer bytes at the end of the file, where the last sector need not be whole.
        let bytes = self.image.read_at(at, most)?;
        self.decompressor
            .decompress(&bytes, cluster)
            .map_err(|_| corrupt())
    }

    /// The size of a cluster, in bytes.
    pub(super) fn cluster(&self) -> u64 {
        self.geometry.cluster()
    }

    fn damaged(&self, what: impl fmt::Display) -> Error {
        let path = self.image.path();
        let word = path_word(path);
        Error::new(
            Kind::Unsafe,
            format_args!("image {} is damaged: {what}", shown(path)),
        )
        .hint(format!("see what is wrong: `vmkin disk check -a {word}`"))
    }
}

fn index_in(bytes: u64, entry: u64) -> usize {
    usize::try_from(bytes / entry).unwrap_or(usize::MAX)
}
