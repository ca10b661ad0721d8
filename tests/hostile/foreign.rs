//! Images of VirtualBox (VDI), of QEMU's older formats (QED, qcow), and LUKS.

use super::{Bytes, DISK};

/// A VDI image with an empty map of one block.
pub(super) fn vdi() -> Bytes {
    Bytes::of_size(2 << 20)
        .put(0, b"<<< a disk >>>\n")
        .le32(0x40, 0xbeda_107f)
        .le32(0x44, 0x0001_0001)
        .le32(0x48, 0x180)
        .le32(0x4c, 1)
        .le32(0x154, 0x200)
        .le32(0x158, 1 << 20)
        .le32(0x168, 512)
        .le64(0x170, DISK)
        .le32(0x178, 1 << 20)
        .le32(0x180, 1)
        .put(0x188, [5; 32])
        .put(0x200, [0xff; 4])
}

/// An empty QED image.
pub(super) fn qed() -> Bytes {
    Bytes::of_size(5 * 65536)
        .put(0, b"QED\0")
        .le32(4, 65536)
        .le32(8, 4)
        .le32(12, 1)
        .le64(40, 65536)
        .le64(48, DISK)
}

/// A QED image on a backing file.
pub(super) fn qed_on(name: &str, features: u64) -> Bytes {
    qed()
        .le64(16, features)
        .le32(56, 64)
        .le32(60, u32::try_from(name.len()).unwrap())
        .put(64, name)
}

/// An empty image of qcow's first version.
pub(super) fn qcow() -> Bytes {
    Bytes::of_size(4096)
        .put(0, b"QFI\xfb")
        .be32(4, 1)
        .be64(24, DISK)
        .put(32, [12, 9])
        .be64(40, 48)
}

/// One on a backing file.
pub(super) fn qcow_on(name: &str) -> Bytes {
    qcow()
        .be64(8, 1024)
        .be32(16, u32::try_from(name.len()).unwrap())
        .put(1024, name)
}

/// A LUKS 1 image with eight unused key slots.
pub(super) fn luks() -> Bytes {
    // Slots of 4000 stripes of 32 bytes, each beginning with 4 KiB.
    let slot_sectors = 256_u32;
    let payload = 8 + 8 * slot_sectors;
    let size = usize::try_from(u64::from(payload) * 512 + DISK).unwrap();
    let mut image = Bytes::of_size(size)
        .put(0, b"LUKS\xba\xbe\0\x01")
        .put(8, b"aes")
        .put(40, b"xts-plain64")
        .put(72, b"sha256")
        .be32(104, payload)
        .be32(108, 32)
        .be32(164, 1000)
        .put(168, b"00000000-0000-4000-8000-000000000001");
    for slot in 0..8 {
        let at = 208 + 48 * usize::try_from(slot).unwrap();
        image = image
            .be32(at, 0xdead)
            .be32(at + 40, 8 + slot * slot_sectors)
            .be32(at + 44, 4000);
    }
    image
}
