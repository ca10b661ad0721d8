//! VMDK images ("Virtual Disk Format 5.0"): a descriptor that lists extents,
//! by itself or within a sparse extent.
//!
//! ```text
//! sector 0   header; 1 to 20 descriptor
//!       21   grain directory; 22 to 25 its table; 26, 27 to 30 the copies
//!      128   data
//! ```

use super::{Bytes, DISK};

pub(super) const SECTORS: u64 = DISK / 512;

/// A descriptor with this type, this parent and these extents.
pub(super) fn descriptor(kind: &str, parent: &str, extents: &str) -> String {
    format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\n{parent}createType=\"{kind}\"\n\n\
         # Extent description\n{extents}\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.virtualHWVersion = \"4\"\nddb.adapterType = \"ide\"\n"
    )
}

pub(super) const ORPHAN: &str = "parentCID=ffffffff\n";

/// A sparse extent with a descriptor.
pub(super) fn sparse(descriptor: &str) -> Vec<u8> {
    header(Bytes::of_size(65536 + 512), 0)
        .put(512, descriptor)
        .le32(21 * 512, 22)
        .le32(26 * 512, 27)
        .0
}

/// The header, at this place.
pub(super) fn header(image: Bytes, at: usize) -> Bytes {
    image
        .put(at, b"KDMV")
        .le32(at + 4, 1)
        .le32(at + 8, 3)
        .le64(at + 12, SECTORS)
        .le64(at + 20, 128)
        .le64(at + 28, 1)
        .le64(at + 36, 20)
        .le32(at + 44, 512)
        .le64(at + 48, 21)
        .le64(at + 56, 26)
        .le64(at + 64, 128)
        .put(at + 73, b"\n \r\n")
}

/// One that is in order.
pub(super) fn good() -> Vec<u8> {
    sparse(&good_descriptor())
}

pub(super) fn good_descriptor() -> String {
    let extents = format!("RW {SECTORS} SPARSE \"good.vmdk\"");
    descriptor("monolithicSparse", ORPHAN, &extents)
}

/// One whose header is at the end, with that capacity in it.
pub(super) fn stream(capacity: u64) -> Vec<u8> {
    let image = Bytes(good()).le64(56, u64::MAX);
    let footer = image.0.len();
    let image = image.le32(footer + 8, 0).le32(footer + 12, 3);
    header(image, footer + 512)
        .le64(footer + 512 + 12, capacity)
        .put(footer + 1024, [0; 512])
        .0
}
