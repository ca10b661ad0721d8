//! What an image says that it is, for users who do not say it.
//!
//! This is no probing of a disk that a guest has written to: it answers a user
//! who hands over a file for the first time, and the answer goes into the domain
//! XML, where nobody asks again. The first bytes are those that each format's
//! specification has; see `foreign` for where these are.

use std::path::Path;

use super::file::ImageFile;
use super::qcow2::is_qcow2;
use crate::error::Result;
use crate::model::ImageFormat;

/// Where ISO 9660 has its first volume descriptor, and the word in it
/// (ECMA-119, 8.1).
const ISO_AT: usize = 32_769;

/// How much of its beginning tells what an image is, in bytes.
const MARKED: usize = ISO_AT + 5;

/// The format of an image by its first bytes; raw if it begins like nothing that
/// is known.
///
/// # Errors
///
/// Those of [`ImageFile::open`].
pub fn format_of(path: &Path) -> Result<ImageFormat> {
    let image = ImageFile::open(path)?;
    Ok(format_by_head(&image.read_at(0, MARKED)?))
}

/// The same where somebody else has read how it begins: [`HEAD`](super::HEAD) bytes,
/// or all there are.
pub fn format_by_head(head: &[u8]) -> ImageFormat {
    let begins = |magic: &[u8]| head.starts_with(magic);
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if is_qcow2(head) {
        ImageFormat::Qcow2
    } else if begins(b"QFI\xfb\0\0\0\x01") {
        ImageFormat::Qcow
    } else if begins(b"QED\0") {
        ImageFormat::Qed
    } else if begins(b"KDMV") || begins(b"COWD") || begins(b"# Disk DescriptorFile") {
        ImageFormat::Vmdk
    } else if begins(b"conectix") {
        ImageFormat::Vpc
    } else if begins(b"vhdxfile") {
        ImageFormat::Vhdx
    } else if begins(b"WithouFreSpacExt") || begins(b"WithoutFreeSpace") {
        ImageFormat::Parallels
    } else if begins(b"LUKS\xba\xbe") {
        ImageFormat::Luks
    } else if has(64, &0xbeda_107f_u32.to_le_bytes()) {
        ImageFormat::Vdi
    } else if has(ISO_AT, b"CD001") {
        ImageFormat::Iso
    } else {
        ImageFormat::Raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_begins_as_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut vdi = vec![b'<'; 64];
        vdi.extend([0x7f, 0x10, 0xda, 0xbe]);
        let mut iso = vec![0; 32_769];
        iso.extend(b"CD001");
        for (bytes, format) in [
            (b"QFI\xfb\0\0\0\x03".to_vec(), ImageFormat::Qcow2),
            (b"QFI\xfb\0\0\0\x02".to_vec(), ImageFormat::Qcow2),
            (b"QFI\xfb\0\0\0\x01".to_vec(), ImageFormat::Qcow),
            (b"KDMV".to_vec(), ImageFormat::Vmdk),
            (b"conectix".to_vec(), ImageFormat::Vpc),
            (b"vhdxfile".to_vec(), ImageFormat::Vhdx),
            (b"WithouFreSpacExt".to_vec(), ImageFormat::Parallels),
            (b"WithoutFreeSpace".to_vec(), ImageFormat::Parallels),
            (b"LUKS\xba\xbe".to_vec(), ImageFormat::Luks),
            (vdi, ImageFormat::Vdi),
            (iso, ImageFormat::Iso),
            (vec![0; 600], ImageFormat::Raw),
            (Vec::new(), ImageFormat::Raw),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(format_of(&path).unwrap(), format);
        }
    }
}
