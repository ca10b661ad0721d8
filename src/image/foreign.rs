//! The headers of formats other than qcow2 and raw, as far as it takes to know
//! the size of the disk and that the image leads to no other file.
//!
//! Sources: `block/{vmdk,vdi,vpc,qed,qcow}.c` of QEMU, and the LUKS on-disk
//! format 1.2.3. What cannot be told easily is refused.

use super::file::{ImageFile, be32, be64, le32, le64, shown};
use crate::error::{Error, Kind, Result};
use crate::model::ImageFormat;

/// The longest VMDK descriptor that is read, in bytes; QEMU writes 10 KiB.
const LONGEST_DESCRIPTOR: u64 = 64 << 10;

/// What a VMDK descriptor calls the name of another image, in lower case.
const PARENT: &str = "parentfilenamehint";

/// The size of the disk in an image, in bytes.
///
/// # Errors
///
/// [`Kind::Unsafe`] if the image leads to other files, or may.
pub(super) fn virtual_size(image: &ImageFile, format: ImageFormat) -> Result<u64> {
    let head = image.read_at(0, 1024)?;
    let outcome = match format {
        ImageFormat::Raw | ImageFormat::Iso => raw(image.size()),
        ImageFormat::Vmdk => vmdk(image, &head)?,
        ImageFormat::Vdi => vdi(&head).unwrap_or(Err("its header is cut off")),
        ImageFormat::Vpc => {
            let last = image.size().checked_sub(512);
            let foot = last.map(|at| image.read_at(at, 512)).transpose()?;
            vpc(&head, &foot.unwrap_or_default()).unwrap_or(Err("it has no Virtual PC footer"))
        }
        ImageFormat::Qed => qed(&head).unwrap_or(Err("its header is cut off")),
        ImageFormat::Qcow => qcow(&head).unwrap_or(Err("its header is cut off")),
        ImageFormat::Luks => luks(&head, image.size()).unwrap_or(Err("its header is cut off")),
        _ => Err("nobody here knows what files it may lead to"),
    };
    outcome.map_err(|why| refusal(image, format, why))
}

fn refusal(image: &ImageFile, format: ImageFormat, why: &str) -> Error {
    let name = shown(image.path());
    let error = Error::new(
        Kind::Unsafe,
        format_args!("{format} image {name} is not safe to use: {why}"),
    );
    if matches!(format, ImageFormat::Raw | ImageFormat::Iso) {
        error
    } else {
        error.hint("if you trust it, convert it to qcow2 first with `qemu-img convert`")
    }
}

type Found = std::result::Result<u64, &'static str>;

fn raw(file_size: u64) -> Found {
    if file_size < 512 {
        return Err("it is smaller than one sector");
    }
    // QEMU fills the last sector up with zeros.
    file_size
        .checked_next_multiple_of(512)
        .ok_or("it is too large")
}

fn vmdk(image: &ImageFile, head: &[u8]) -> Result<Found> {
    const REASON: &str = "only VMDK images in one file (monolithicSparse, streamOptimized) \
                          that name no other are accepted";
    let place = || -> Option<(u64, u64, u64)> {
        if !head.starts_with(b"KDMV") {
            return None;
        }
        let capacity = le64(head, 12)?.checked_mul(512).filter(|&size| size > 0)?;
        let offset = le64(head, 28)?.checked_mul(512).filter(|&at| at > 0)?;
        let length = le64(head, 36)?.checked_mul(512)?;
        (1..=LONGEST_DESCRIPTOR)
            .contains(&length)
            .then_some((capacity, offset, length))
    };
    let Some((capacity, offset, length)) = place() else {
        return Ok(Err(REASON));
    };
    let text = image.read_at(offset, usize::try_from(length).unwrap_or(0))?;
    // Whatever the header says, QEMU looks for a parent in these 20 sectors.
    let parent = image.read_at(0x200, 20 * 512)?;
    let parent = String::from_utf8_lossy(&parent).to_ascii_lowercase();
    if is_single_vmdk(&String::from_utf8_lossy(&text)) && !parent.contains(PARENT) {
        Ok(Ok(capacity))
    } else {
        Ok(Err(REASON))
    }
}

/// Whether a VMDK descriptor is of an image in one file without a parent.
fn is_single_vmdk(descriptor: &str) -> bool {
    if descriptor.to_ascii_lowercase().contains(PARENT) {
        return false;
    }
    let mut extents = 0;
    let mut kind = false;
    let mut orphan = false;
    for line in descriptor.split(['\n', '\r', '\0']).map(str::trim) {
        let lower = line.to_ascii_lowercase();
        if let Some((key, value)) = lower.split_once('=') {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "createtype" => {
                    kind = matches!(value, "monolithicsparse" | "streamoptimized");
                    if !kind {
                        return false;
                    }
                }
                "parentcid" => {
                    orphan = value == "ffffffff";
                    if !orphan {
                        return false;
                    }
                }
                _ => {}
            }
        } else if ["rw ", "rdonly ", "noaccess "]
            .iter()
            .any(|access| lower.starts_with(access))
        {
            extents += 1;
            let name = line.split_once('"').map(|(_, rest)| rest);
            if !lower.contains(" sparse ") || name.is_none_or(|name| name.contains(['/', ':'])) {
                return false;
            }
        }
    }
    kind && orphan && extents == 1
}

fn vdi(head: &[u8]) -> Option<Found> {
    if le32(head, 0x40)? != 0xbeda_107f || le32(head, 0x44)? != 0x0001_0001 {
        return Some(Err("it does not begin as a VDI image does"));
    }
    let links = head.get(0x1a8..0x1c8)?;
    // 1 dynamic, 2 static; 3 and 4 lead to other images.
    if !matches!(le32(head, 0x4c)?, 1 | 2) || links.iter().any(|&byte| byte != 0) {
        return Some(Err("it is a difference to another image"));
    }
    Some(nonzero(le64(head, 0x170)?))
}

fn vpc(head: &[u8], foot: &[u8]) -> Option<Found> {
    // A dynamic image has a copy of its footer in front.
    let footer = [head, foot]
        .into_iter()
        .find(|bytes| bytes.starts_with(b"conectix"))?;
    // 2 fixed, 3 dynamic, 4 difference.
    if !matches!(be32(footer, 60)?, 2 | 3) {
        return Some(Err("it is a difference to another image"));
    }
    let current = be64(footer, 48)?;
    let creator = footer.get(28..32)?;
    let [c1, c0, heads, sectors] = *footer.get(56..60)?.first_chunk()?;
    let cylinders = u64::from(u16::from_be_bytes([c1, c0]));
    let geometry = cylinders * u64::from(heads) * u64::from(sectors);
    // As in vpc_open(): only some writers mean the size that they write.
    let by_size = [b"win ", b"qem2", b"d2v ", b"tap\0", b"CXSF"]
        .iter()
        .any(|known| creator == *known)
        || geometry == 65535 * 16 * 255;
    Some(nonzero(if by_size { current } else { geometry * 512 }))
}

fn qed(head: &[u8]) -> Option<Found> {
    if !head.starts_with(b"QED\0") {
        return Some(Err("it does not begin as a QED image does"));
    }
    // Bit 0 is a backing file, bit 1 asks for a check, bit 2 is about probing.
    if le64(head, 16)? & !0b10 != 0 {
        return Some(Err("it has a backing file or unknown features"));
    }
    Some(nonzero(le64(head, 48)?))
}

fn qcow(head: &[u8]) -> Option<Found> {
    if !head.starts_with(b"QFI\xfb") || be32(head, 4)? != 1 {
        return Some(Err("it does not begin as a qcow image does"));
    }
    if be64(head, 8)? != 0 {
        return Some(Err("it has a backing file"));
    }
    Some(nonzero(be64(head, 24)?))
}

fn luks(head: &[u8], file_size: u64) -> Option<Found> {
    let [v1, v0] = *head.get(6..)?.first_chunk()?;
    if !head.starts_with(b"LUKS\xba\xbe") || u16::from_be_bytes([v1, v0]) != 1 {
        return Some(Err("it does not begin as a LUKS 1 image does"));
    }
    let payload = u64::from(be32(head, 104)?) * 512;
    let size = file_size.saturating_sub(payload);
    Some(nonzero(size))
}

fn nonzero(size: u64) -> Found {
    if size == 0 {
        Err("its disk has no size")
    } else {
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
        createType=\"monolithicSparse\"\n# Extent\nRW 2048 SPARSE \"a.vmdk\"\n\0\0";

    #[test]
    fn a_vmdk_that_names_other_files_is_refused() {
        assert!(is_single_vmdk(GOOD));
        for (from, to) in [
            ("monolithicSparse", "monolithicFlat"),
            ("SPARSE", "FLAT"),
            ("\"a.vmdk\"", "\"/etc/shadow\""),
            ("ffffffff", "12345678"),
            ("version=1", "parentFileNameHint=\"/etc/shadow\""),
            ("RW 2048", "RW 1 SPARSE \"b\"\nRW 2048"),
            ("parentCID=ffffffff\n", ""),
            ("# Extent", "createType=\"custom\""),
        ] {
            assert!(GOOD.contains(from));
            assert!(!is_single_vmdk(&GOOD.replace(from, to)), "{to}");
        }
    }

    #[test]
    fn a_raw_image_has_whole_sectors() {
        assert_eq!(raw(1025), Ok(1536));
        assert!(raw(511).is_err());
        assert!(raw(u64::MAX).is_err());
    }

    #[test]
    fn cut_off_headers_are_no_panic() {
        for length in 0..512 {
            for fill in [0, 0xff] {
                let bytes = vec![fill; length];
                assert!(!matches!(vdi(&bytes), Some(Ok(_))));
                assert!(!matches!(vpc(&bytes, &bytes), Some(Ok(_))));
                assert!(!matches!(qed(&bytes), Some(Ok(_))));
                assert!(!matches!(qcow(&bytes), Some(Ok(_))));
                assert!(!matches!(luks(&bytes, 10), Some(Ok(_))));
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            magic in prop::sample::select(vec![
                &b"KDMV"[..], b"QED\0", b"QFI\xfb\0\0\0\x01", b"LUKS\xba\xbe\0\x01", b"conectix",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..520),
        ) {
            let mut bytes = magic.to_vec();
            bytes.extend(rest);
            for parse in [vdi, qed, qcow] {
                // The verdict does not matter here.
                let _ = parse(&bytes);
            }
            let _ = vpc(&bytes, &bytes);
            let _ = luks(&bytes, 512);
            let _ = is_single_vmdk(&String::from_utf8_lossy(&bytes));
        }
    }
}
