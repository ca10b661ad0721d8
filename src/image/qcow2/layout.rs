//! The metadata of a new, empty qcow2 image, version 3.
//!
//! ```text
//!   0   header, backing format, backing name
//!  64K  refcount table: one entry
//! 128K  refcount block: a reference for each of these clusters
//! 192K  L1 table, all zeros
//! ```

use super::extension::Extension;
use super::header::MAGIC;

/// The cluster size as a power of two: 64 KiB, as `qemu-img` has it.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;

/// How much of the disk one L1 entry stands for, in bytes: 512 MiB.
const PER_L1_ENTRY: u64 = CLUSTER * (CLUSTER / 8);

/// The largest L1 table that QEMU reads, in entries (32 MiB).
pub(in crate::image) const MAX_L1_ENTRIES: u64 = 4 << 20;

const REFCOUNT_TABLE: u64 = CLUSTER;
const REFCOUNT_BLOCK: u64 = 2 * CLUSTER;
const L1_TABLE: u64 = 3 * CLUSTER;

const HEADER_LENGTH: u32 = 112;

/// Where the metadata of a new image goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::image) struct Layout {
    virtual_size: u64,
    l1_entries: u32,
}

impl Layout {
    /// Lays out an image for a disk of so many bytes, rounded up to whole
    /// sectors; `None` for 0 and for more than 2 PiB.
    pub(in crate::image) fn new(virtual_size: u64) -> Option<Self> {
        let virtual_size = virtual_size.checked_next_multiple_of(512)?;
        let entries = virtual_size.div_ceil(PER_L1_ENTRY);
        // One refcount block has 32768 entries, and this takes 515 at the most.
        (1..=MAX_L1_ENTRIES)
            .contains(&entries)
            .then(|| u32::try_from(entries).ok())
            .flatten()
            .map(|l1_entries| Self {
                virtual_size,
                l1_entries,
            })
    }

    fn l1_clusters(&self) -> u64 {
        (u64::from(self.l1_entries) * 8).div_ceil(CLUSTER)
    }

    /// The size of the file, in bytes.
    pub(in crate::image) fn file_size(&self) -> u64 {
        L1_TABLE + self.l1_clusters() * CLUSTER
    }

    /// The header with the name and the format of the backing file.
    pub(in crate::image) fn header(&self, backing: &[u8], format: &str) -> Vec<u8> {
        let extension = format.len().next_multiple_of(8) + 8;
        let backing_offset = HEADER_LENGTH as usize + extension + 8;
        let mut bytes = self.fields(backing_offset as u64, be32_length(backing));
        bytes.extend(Extension::BACKING_FORMAT.to_be_bytes());
        bytes.extend(be32_length(format.as_bytes()));
        bytes.extend(format.as_bytes());
        bytes.resize(backing_offset, 0); // padding, and the end of extensions
        bytes.extend(backing);
        bytes
    }

    /// The header of an image that stands alone.
    pub(in crate::image) fn header_alone(&self) -> Vec<u8> {
        let mut bytes = self.fields(0, [0; 4]);
        bytes.extend([0; 8]); // the end of extensions
        bytes
    }

    /// The fields of the header, without extensions.
    fn fields(&self, backing_offset: u64, backing_length: [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(MAGIC);
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend(backing_offset.to_be_bytes());
        bytes.extend(backing_length);
        bytes.extend(CLUSTER_BITS.to_be_bytes());
        bytes.extend(self.virtual_size.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes()); // no encryption
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend(L1_TABLE.to_be_bytes());
        bytes.extend(REFCOUNT_TABLE.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes()); // clusters of the refcount table
        bytes.extend(0_u32.to_be_bytes()); // no snapshots
        bytes.extend(0_u64.to_be_bytes());
        bytes.extend([0; 3 * 8]); // no features
        bytes.extend(4_u32.to_be_bytes()); // refcounts of 2^4 bits
        bytes.extend(HEADER_LENGTH.to_be_bytes());
        bytes.extend([0; 8]); // deflate, and padding
        bytes
    }

    /// The refcount table without its zeros, and where it goes.
    pub(in crate::image) fn refcount_table(&self) -> (u64, Vec<u8>) {
        (REFCOUNT_TABLE, REFCOUNT_BLOCK.to_be_bytes().to_vec())
    }

    /// The refcount block without its zeros, and where it goes.
    pub(in crate::image) fn refcount_block(&self) -> (u64, Vec<u8>) {
        let clusters = self.file_size() / CLUSTER;
        let block = (0..clusters).flat_map(|_| 1_u16.to_be_bytes()).collect();
        (REFCOUNT_BLOCK, block)
    }
}

/// The length of something short, as a header has it.
fn be32_length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;

    #[test]
    fn the_own_parser_takes_it() {
        for size in [1, 513, 1 << 30, 5 << 40, 64 << 40, 2 << 50] {
            let layout = Layout::new(size).unwrap();
            let bytes = layout.header(b"/base", "qcow2");
            let header = Header::parse(&bytes).unwrap();
            header.check(layout.file_size()).unwrap();
            assert_eq!(header.virtual_size, size.next_multiple_of(512));
            assert_eq!(header.backing_name.as_deref(), Some(&b"/base"[..]));
            assert_eq!(header.backing_format_name(), Some(&b"qcow2"[..]));
            let alone = Header::parse(&layout.header_alone()).unwrap();
            alone.check(layout.file_size()).unwrap();
            assert_eq!(alone.virtual_size, header.virtual_size);
            assert_eq!(alone.backing_name, None);
        }
        assert_eq!(Layout::new(0), None);
        assert_eq!(Layout::new((2 << 50) + 1), None);
        assert_eq!(Layout::new(u64::MAX), None);
    }
}
