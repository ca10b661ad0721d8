//! A qcow2 image of one's own making (`docs/interop/qcow2.rst` of QEMU).
//!
//! ```text
//!   0   header, extensions, backing name
//!  64K  refcount table; 128K refcount block
//! 192K  L1 table; 256K one L2 table, if there is data
//! 320K  whatever else
//! ```

use super::{Bytes, DISK};

pub(super) const CLUSTER: u64 = 65536;
pub(super) const L1: u64 = 3 * CLUSTER;
const L2: u64 = 4 * CLUSTER;
/// Where there is room for tables.
pub(super) const ROOM: u64 = 5 * CLUSTER;
const SIZE: u64 = 6 * CLUSTER;

pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
pub(super) const DATA_FILE: u32 = 0x4441_5441;
pub(super) const BITMAPS: u32 = 0x2385_2875;
pub(super) const LUKS: u32 = 0x0537_be77;
pub(super) const FEATURES: u32 = 0x6803_f857;

/// Where the fields of the header are.
pub(super) mod at {
    pub(crate) const VERSION: usize = 4;
    pub(crate) const BACKING_OFFSET: usize = 8;
    pub(crate) const BACKING_LENGTH: usize = 16;
    pub(crate) const CLUSTER_BITS: usize = 20;
    pub(crate) const DISK_SIZE: usize = 24;
    pub(crate) const ENCRYPTION: usize = 32;
    pub(crate) const L1_SIZE: usize = 36;
    pub(crate) const L1_OFFSET: usize = 40;
    pub(crate) const REFCOUNTS: usize = 48;
    pub(crate) const REFCOUNT_CLUSTERS: usize = 56;
    pub(crate) const SNAPSHOTS: usize = 60;
    pub(crate) const SNAPSHOT_TABLE: usize = 64;
    pub(crate) const INCOMPATIBLE: usize = 72;
    pub(crate) const AUTOCLEAR: usize = 88;
    pub(crate) const REFCOUNT_ORDER: usize = 96;
    pub(crate) const HEADER_LENGTH: usize = 100;
    pub(crate) const COMPRESSION: usize = 104;
    pub(crate) const EXTENSIONS: usize = 112;
}

/// What is to be in an image.
#[derive(Clone, Default)]
pub(super) struct Qcow2 {
    backing: Option<Vec<u8>>,
    extensions: Vec<(u32, Vec<u8>)>,
    /// Patches, made at the end.
    patches: Vec<(usize, Vec<u8>)>,
    /// Whether the first cluster of the disk is where it is in a data file.
    data: bool,
}

impl Qcow2 {
    /// An empty image of [`DISK`] bytes.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One on a backing file.
    pub(super) fn on(backing: &[u8], format: &str) -> Self {
        Self::new()
            .backing(backing)
            .extension(BACKING_FORMAT, format)
    }

    /// One on a backing file whose format nobody says.
    pub(super) fn backing(mut self, name: &[u8]) -> Self {
        self.backing = Some(name.to_vec());
        self
    }

    pub(super) fn extension(mut self, kind: u32, data: impl AsRef<[u8]>) -> Self {
        self.extensions.push((kind, data.as_ref().to_vec()));
        self
    }

    /// One whose data is in another file.
    pub(super) fn data_file(mut self, name: &str) -> Self {
        self.data = true;
        self.extension(DATA_FILE, name)
            .put(at::INCOMPATIBLE, 4_u64.to_be_bytes())
    }

    /// Writes something into the finished image.
    pub(super) fn put(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((at, bytes.as_ref().to_vec()));
        self
    }

    pub(super) fn be32(self, at: usize, number: u32) -> Self {
        self.put(at, number.to_be_bytes())
    }

    pub(super) fn be64(self, at: usize, number: u64) -> Self {
        self.put(at, number.to_be_bytes())
    }

    /// Sets bits of the incompatible features.
    pub(super) fn incompatible(self, bits: u64) -> Self {
        self.be64(at::INCOMPATIBLE, bits)
    }

    /// Says that there are so many snapshots, and where.
    pub(super) fn snapshots(self, count: u32, offset: u64) -> Self {
        self.be32(at::SNAPSHOTS, count)
            .be64(at::SNAPSHOT_TABLE, offset)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut image = Bytes::of_size(usize::try_from(SIZE).unwrap())
            .put(0, b"QFI\xfb")
            .be32(at::VERSION, 3)
            .be32(at::CLUSTER_BITS, 16)
            .be64(at::DISK_SIZE, DISK)
            .be32(at::L1_SIZE, 1)
            .be64(at::L1_OFFSET, L1)
            .be64(at::REFCOUNTS, CLUSTER)
            .be32(at::REFCOUNT_CLUSTERS, 1)
            .be32(at::REFCOUNT_ORDER, 4)
            .be32(at::HEADER_LENGTH, 112)
            .be64(65536, 2 * CLUSTER);
        for cluster in 0..usize::try_from(SIZE / CLUSTER).unwrap() {
            image = image.be16(2 * 65536 + 2 * cluster, 1);
        }
        let mut end = at::EXTENSIONS;
        for (kind, data) in &self.extensions {
            image = image
                .be32(end, *kind)
                .be32(end + 4, u32::try_from(data.len()).unwrap())
                .put(end + 8, data);
            end = (end + 8 + data.len()).next_multiple_of(8);
        }
        if let Some(name) = &self.backing {
            // Behind the end of the extensions, which is eight zeros.
            image = image
                .be64(at::BACKING_OFFSET, end as u64 + 8)
                .be32(at::BACKING_LENGTH, u32::try_from(name.len()).unwrap())
                .put(end + 8, name);
        }
        if self.data {
            // The only reference, at the same offset there as here.
            let copied = 1_u64 << 63;
            image = image
                .be64(usize::try_from(L1).unwrap(), L2 | copied)
                .be64(usize::try_from(L2).unwrap(), copied);
        }
        for (at, bytes) in &self.patches {
            image = image.put(*at, bytes);
        }
        image.0
    }
}

/// An entry of a snapshot table.
pub(super) fn snapshot(l1: u64, l1_size: u32, extra: &[u8], name: &[u8]) -> Vec<u8> {
    let mut entry = Bytes::of_size(40)
        .be64(0, l1)
        .be32(8, l1_size)
        .be16(12, 1)
        .be16(14, u16::try_from(name.len()).unwrap())
        .be32(36, u32::try_from(extra.len()).unwrap())
        .0;
    entry.extend(extra);
    entry.push(b'1');
    entry.extend(name);
    entry.resize(entry.len().next_multiple_of(8), 0);
    entry
}
