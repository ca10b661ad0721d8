//! The header of a qcow2 image.
#![no_main]

use std::fs::OpenOptions;

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::image::qcow2::{Header, MAX_BACKING_NAME, is_qcow2};
use vmkin::image::{ImageFile, Trust, survey};
use vmkin::model::ImageFormat;
use vmkin_fuzz::{be, scratch, write};

/// A file that no table can be beyond the end of.
const HUGE: u64 = 1 << 40;

fuzz_target!(|data: &[u8]| {
    let path = write("image", data);
    let image = ImageFile::open(&path).expect("it was just written");
    let small = Header::read(&image);
    match &small {
        Ok(header) => sound(data, header, image.size()),
        Err(error) => assert_eq!(error.kind(), Kind::Unsafe, "{error}"),
    }

    // What fits into a file fits into a longer one.
    let longer = OpenOptions::new().write(true).open(&path);
    longer
        .and_then(|file| file.set_len(HUGE))
        .expect("holes cost nothing");
    let image = ImageFile::open(&path).expect("it is there");
    let large = Header::read(&image);
    if let Ok(header) = &large {
        sound(data, header, HUGE);
    }
    if let Ok(header) = small {
        assert_eq!(large.ok(), Some(header));
    }

    let survey = survey(&path, ImageFormat::Qcow2, &Trust::default());
    assert!(survey.export.is_none());
    for layer in survey.layers.iter().skip(1) {
        assert_eq!(layer.path.parent(), Some(scratch()), "{layer:?}");
    }
});

/// What every reader of an accepted header relies on, read once more out of
/// the bytes (`docs/interop/qcow2.rst` of QEMU).
fn sound(data: &[u8], header: &Header, file_size: u64) {
    assert!(is_qcow2(data));
    assert_eq!(be(data, 4, 4), u64::from(header.version));
    assert_eq!(be(data, 20, 4), u64::from(header.cluster_bits));
    assert_eq!(be(data, 24, 8), header.virtual_size);
    assert_eq!(be(data, 36, 4), u64::from(header.l1_size));
    assert_eq!(be(data, 40, 8), header.l1_offset);
    assert!((9..=21).contains(&header.cluster_bits));
    assert!(header.refcount_order <= 6);
    let cluster = 1 << header.cluster_bits;
    if header.version == 3 {
        let features = be(data, 72, 8);
        assert_eq!(features & !0b1_1111, 0, "unknown features");
        assert_eq!(features & 0b10, 0, "marked corrupt");
        assert_eq!(features & 0b100 != 0, header.incompatible.data_file());
        assert_eq!(features & 1 != 0, header.incompatible.dirty());
    }

    let table = |offset: u64, length: u64| {
        assert_eq!(offset % cluster, 0, "a table between clusters");
        assert!(
            length == 0
                || offset
                    .checked_add(length)
                    .is_some_and(|end| end <= file_size)
        );
    };
    table(header.l1_offset, u64::from(header.l1_size) * 8);
    table(header.refcount_table_offset, 1);
    table(header.snapshots_offset, u64::from(header.snapshots) * 40);
    assert!(header.l1_size <= 4 << 20);
    let bits = header.cluster_bits * 2
        - if header.incompatible.extended_l2() {
            4
        } else {
            3
        };
    assert!(u128::from(header.l1_size) << bits >= u128::from(header.virtual_size));

    let name = header.backing_name.as_deref();
    assert_eq!(name.is_some(), be(data, 8, 8) != 0 && be(data, 16, 4) != 0);
    if let Some(name) = name {
        let at = usize::try_from(be(data, 8, 8)).expect("it is in the first cluster");
        assert!(name.len() <= MAX_BACKING_NAME);
        // The longer of the two files goes on with zeros.
        let written = data.get(at..).unwrap_or_default();
        let shared = written.len().min(name.len());
        assert_eq!(name[..shared], written[..shared]);
        assert!(name[shared..].iter().all(|byte| *byte == 0));
        assert!(at as u64 + name.len() as u64 <= cluster);
    }
    assert!(header.extensions.len() <= 1 << 18);
    if let Some(word) = header.backing_format_name() {
        assert!(word.len() < 16);
    }
}
