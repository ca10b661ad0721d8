//! What every one of these parsers has to bear. Images of each format, good
//! and bad, are made in `tests/hostile`.

use proptest::prelude::*;

use super::*;
use crate::image::foreign::vmdk::is_single;

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, most: usize) -> Result<Vec<u8>> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = self.get(at..).unwrap_or_default();
        Ok(rest.get(..most).unwrap_or(rest).to_vec())
    }
}

const FORMATS: [ImageFormat; 8] = [
    ImageFormat::Vmdk,
    ImageFormat::Vdi,
    ImageFormat::Vpc,
    ImageFormat::Vhdx,
    ImageFormat::Parallels,
    ImageFormat::Qed,
    ImageFormat::Qcow,
    ImageFormat::Luks,
];

const GOOD: &str = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
    createType=\"monolithicSparse\"\n# Extent\nRW 2048 SPARSE \"a.vmdk\"\n\0\0";

#[test]
fn a_vmdk_that_names_other_files_is_refused() {
    assert!(is_single(GOOD));
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
        assert!(!is_single(&GOOD.replace(from, to)), "{to}");
    }
}

/// QEMU writes a content id of fewer digits over one of more at every 256th image
/// or so, and leaves the end of the text behind the zero that ends it.
#[test]
fn the_end_of_an_older_descriptor_is_no_descriptor() {
    let with = |rest: &str| is_single(&GOOD.replace("\n\0\0", &format!("\n\0{rest}\0")));
    for rest in ["", "\n", "\"\n", "83647\"\n"] {
        assert!(with(rest), "{rest:?}");
    }
    for rest in ["\nRW 1 FLAT \"/etc/shadow\"\n", "a=b", "12345678"] {
        assert!(!with(rest), "{rest:?}");
    }
}

#[test]
fn a_raw_image_has_whole_sectors() {
    let size = |bytes: usize| raw::read(&vec![0; bytes]).map(|facts| facts.virtual_size);
    assert_eq!(size(1025).unwrap(), 1536);
    assert!(size(511).is_err());
    struct Endless;
    impl Source for Endless {
        fn size(&self) -> u64 {
            u64::MAX
        }
        fn read(&self, _: u64, _: usize) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }
    }
    assert!(raw::read(&Endless).is_err());
}

/// Libvirt knows no such disks, and so `tests/hostile` has none.
#[test]
fn a_parallels_image_is_of_known_features_and_whole() {
    let with = |at: usize, bytes: &[u8]| {
        let mut image = vec![0; 4096];
        image[..16].copy_from_slice(b"WithouFreSpacExt");
        for (at, word) in [(16, 2_u32), (28, 128), (32, 16), (36, 2048)] {
            image[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        image[at..at + bytes.len()].copy_from_slice(bytes);
        parallels::read(&image)
    };
    let good = with(0, b"");
    assert_eq!(good.unwrap().virtual_size, 2048 * 512);
    assert_eq!(with(0, b"WithoutFreeSpace").unwrap().virtual_size, 1 << 20);
    assert!(with(44, b"Ynot").unwrap().dirty);
    for (at, bytes) in [
        (0, &b"WithoutFreeSpacs"[..]),
        (16, b"\x03"),
        (28, b"\0\0\0\0"),
        (28, b"\xff\xff\xff\xff"),
        (32, b"\xff\xff\xff\xff"),
        (32, b"\x0f\0\0\0"),
        (36, b"\0\0\0\0\0\0\0\xff"),
        (56, b"\x01"),
    ] {
        let found = with(at, bytes);
        assert!(matches!(found, Err(Problem::Refused(_))), "{at} {bytes:?}");
    }
}

#[test]
fn cut_off_headers_are_no_panic() {
    for length in 0..1100 {
        for fill in [0, 0xff] {
            for format in FORMATS {
                let bytes = vec![fill; length];
                assert!(matches!(found(&bytes, format), Err(Problem::Refused(_))));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        magic in prop::sample::select(vec![
            &b"KDMV"[..], b"QED\0", b"QFI\xfb\0\0\0\x01", b"LUKS\xba\xbe\0\x01", b"conectix",
            b"vhdxfile", b"WithouFreSpacExt\x02\0\0\0",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..1100),
    ) {
        let mut bytes = magic.to_vec();
        bytes.extend(rest);
        for format in FORMATS {
            // The verdict does not matter here.
            drop(found(&bytes, format));
        }
        let _ = is_single(&String::from_utf8_lossy(&bytes));
    }
}
