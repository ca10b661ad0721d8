//! Disks around an input: what has a checksum gets the right one, so that what
//! is behind it is read.

use std::sync::Arc;

use vmkin::error::{Error, Kind, Result};
use vmkin::guest::native::Blocks;

use crate::sparse::Sparse;

/// Bytes that are a disk.
pub struct Memory(pub Vec<u8>);

impl Memory {
    pub fn shared(bytes: Vec<u8>) -> Arc<dyn Blocks> {
        Arc::new(Self(bytes))
    }
}

impl Blocks for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = self.0.get(from..).and_then(|rest| rest.get(..buf.len()));
        let beyond = || Error::new(Kind::Unsafe, "beyond the end of a disk");
        buf.copy_from_slice(part.ok_or_else(beyond)?);
        Ok(())
    }
}

/// The usual polynomial, bit by bit; `start` and the result as they are.
pub fn crc(start: u32, bytes: &[u8]) -> u32 {
    reflected(0xedb8_8320, start, bytes)
}

/// That of Castagnoli, which btrfs uses.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !reflected(0x82f6_3b78, !0, bytes)
}

fn reflected(polynomial: u32, start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (polynomial & (crc & 1).wrapping_neg())
        })
    })
}

/// The checksum of a GPT.
pub fn crc32(bytes: &[u8]) -> u32 {
    !crc(!0, bytes)
}

/// A physical volume of LVM2 with this metadata, in a disk of 32 MiB.
pub fn physical_volume(text: &[u8]) -> Vec<u8> {
    const AREA: usize = 4096;
    const LENGTH: u64 = 1 << 20;
    let lvm = |bytes: &[u8]| crc(0xf597_a6cf, bytes).to_le_bytes();
    let mut disk = vec![0; 32 << 20];
    let label = &mut disk[512..1024];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    label[32..64].fill(b'a');
    label[72..80].copy_from_slice(&LENGTH.to_le_bytes());
    label[104..112].copy_from_slice(&(AREA as u64).to_le_bytes());
    label[112..120].copy_from_slice(&LENGTH.to_le_bytes());
    let sum = lvm(&label[20..]);
    label[16..20].copy_from_slice(&sum);
    let header = &mut disk[AREA..AREA + 512];
    header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
    header[20] = 1;
    header[24..32].copy_from_slice(&(AREA as u64).to_le_bytes());
    header[32..40].copy_from_slice(&LENGTH.to_le_bytes());
    header[40..48].copy_from_slice(&512_u64.to_le_bytes());
    header[48..56].copy_from_slice(&(text.len() as u64).to_le_bytes());
    header[56..60].copy_from_slice(&lvm(text));
    let sum = lvm(&header[4..]);
    header[..4].copy_from_slice(&sum);
    disk[AREA + 512..AREA + 512 + text.len()].copy_from_slice(text);
    disk
}

/// Gives a GPT in sectors of 512 bytes its checksums, if there is one.
pub fn seal_gpt(disk: &mut [u8]) {
    if disk.get(512..520) != Some(b"EFI PART") {
        return;
    }
    let le = |disk: &[u8], at, length| crate::le(disk, at, length);
    let at = le(disk, 512 + 72, 8).saturating_mul(512);
    let length = le(disk, 512 + 80, 4).saturating_mul(le(disk, 512 + 84, 4));
    let place = usize::try_from(at).ok().zip(usize::try_from(length).ok());
    let entries = place.and_then(|(at, length)| disk.get(at..at.checked_add(length)?));
    if let Some(sum) = entries.map(crc32) {
        disk[512 + 88..512 + 92].copy_from_slice(&sum.to_le_bytes());
    }
    let size = usize::try_from(le(disk, 512 + 12, 4)).expect("it has 32 bits");
    disk[512 + 16..512 + 20].fill(0);
    if let Some(sum) = disk.get(512..512 + size).map(crc32) {
        disk[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
    }
}

/// A qcow2 image whose first bytes say what sort of image it is; the rest is
/// its first L2 table and, after 256 bytes, the clusters.
pub fn qcow2(data: &[u8]) -> Vec<u8> {
    let byte = |at: usize| data.get(at).copied().unwrap_or(0);
    let (extended, zstd, old) = (byte(1) & 1 != 0, byte(1) & 2 != 0, byte(1) & 4 != 0);
    let least = if extended { 14 } else { 9 };
    let bits = (9 + u32::from(byte(0) % 8)).max(least);
    let cluster = 1_usize << bits;
    let mut image = vec![0; 24 * cluster];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &(if old { 2_u32 } else { 3 }).to_be_bytes());
    put(20, &bits.to_be_bytes());
    put(24, &(64_u64 << 10).to_be_bytes());
    // More entries than such a disk needs, in the smallest clusters too.
    put(36, &4_u32.to_be_bytes());
    put(40, &(2 * cluster as u64).to_be_bytes());
    put(48, &(cluster as u64).to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    if !old {
        let features = u64::from(extended) << 4 | u64::from(zstd) << 3;
        put(72, &features.to_be_bytes());
        put(96, &4_u32.to_be_bytes());
        put(100, &112_u32.to_be_bytes());
        put(104, &[u8::from(zstd)]);
    }
    put(2 * cluster, &(4 * cluster as u64).to_be_bytes());
    put(2 * cluster + 8, &(5 * cluster as u64).to_be_bytes());
    let rest = data.get(2..).unwrap_or_default();
    let (table, clusters) = rest.split_at(rest.len().min(256));
    put(4 * cluster, table);
    put(5 * cluster, table.get(128..).unwrap_or_default());
    let clusters = &clusters[..clusters.len().min(16 * cluster)];
    put(6 * cluster, clusters);
    image
}

/// Gives the superblock and the tree blocks of a btrfs their checksums; blocks are
/// as long as pages. A tree block is told by the id of its file system.
pub fn seal_btrfs(volume: &mut Sparse) {
    const SUPERBLOCK: u64 = 64 << 10;
    let mut id = [0; 16];
    volume
        .pages()
        .filter(|(at, _)| *at == SUPERBLOCK)
        .for_each(|(_, page)| id.copy_from_slice(&page[32..48]));
    for (_, page) in volume.pages().filter(|(_, page)| page[32..48] == id) {
        let sum = crc32c(&page[32..]);
        page[..4].copy_from_slice(&sum.to_le_bytes());
    }
}
