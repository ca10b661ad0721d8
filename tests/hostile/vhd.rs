//! Virtual PC images ("Virtual Hard Disk Image Format Specification" 1.0).

use super::{Bytes, DISK};

/// The kinds there are.
pub(super) const FIXED: u32 = 2;
pub(super) const DYNAMIC: u32 = 3;
pub(super) const DIFFERENCING: u32 = 4;

fn sum(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(0_u32, |sum, &byte| sum.wrapping_add(u32::from(byte)))
}

/// A footer of this kind.
pub(super) fn footer(kind: u32) -> Vec<u8> {
    let bytes = Bytes::of_size(512)
        .put(0, b"conectix")
        .be32(8, 2)
        .be32(12, 0x0001_0000)
        .be64(16, if kind == FIXED { u64::MAX } else { 512 })
        .put(28, b"win ")
        .be32(32, 0x0005_0003)
        .put(36, b"Wi2k")
        .be64(40, DISK)
        .be64(48, DISK)
        .be16(56, 30)
        .put(58, [4, 17])
        .be32(60, kind);
    let sum = sum(&bytes.0);
    bytes.be32(64, sum).0
}

/// A fixed image.
pub(super) fn fixed() -> Vec<u8> {
    Bytes::of_size(usize::try_from(DISK).unwrap())
        .put(usize::try_from(DISK).unwrap(), footer(FIXED))
        .0
}

/// A dynamic image of one block that is not there, or a difference to a parent.
pub(super) fn dynamic(kind: u32, parent: Option<&str>) -> Vec<u8> {
    with_header(kind, |header| match parent {
        Some(name) => {
            let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            header
                .put(40, [7; 16])
                .put(64, wide)
                .put(576, b"W2ku")
                .be32(580, 512)
        }
        None => header,
    })
}

/// A dynamic image whose second header was changed.
pub(super) fn with_header(kind: u32, change: impl Fn(Bytes) -> Bytes) -> Vec<u8> {
    let header = Bytes::of_size(1024)
        .put(0, b"cxsparse")
        .be64(8, u64::MAX)
        .be64(16, 1536)
        .be32(24, 0x0001_0000)
        .be32(28, 1)
        .be32(32, 2 << 20);
    let header = change(header);
    let sum = sum(&header.0);
    let footer = footer(kind);
    Bytes::default()
        .put(0, &footer)
        .put(512, header.be32(36, sum).0)
        .put(1536, [0xff; 512])
        .put(2048, &footer)
        .0
}
