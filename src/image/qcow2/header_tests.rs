//! Headers of every kind of badness. The groups follow QEMU's iotest 080.

use proptest::prelude::*;

use super::*;
use crate::image::qcow2::Layout;

const FILE_SIZE: u64 = 4 * 65536;

fn good() -> Vec<u8> {
    Layout::new(1 << 30)
        .unwrap()
        .header(b"/images/base.img", "raw")
}

/// What `Header::read` does with the first bytes of a file of `FILE_SIZE`.
fn verdict(bytes: &[u8]) -> std::result::Result<Header, Defect> {
    let mut whole = bytes.to_vec();
    whole.resize(whole.len().max(65536), 0);
    let header = Header::parse(&whole)?;
    header.check(FILE_SIZE)?;
    header.check_mark()?;
    Ok(header)
}

fn with(patches: &[(usize, &[u8])]) -> std::result::Result<Header, Defect> {
    let mut bytes = good();
    bytes.resize(4096, 0);
    for (at, patch) in patches {
        bytes[*at..*at + patch.len()].copy_from_slice(patch);
    }
    verdict(&bytes)
}

fn reason(patches: &[(usize, &[u8])]) -> String {
    with(patches).unwrap_err().to_string()
}

#[test]
fn a_good_header_is_read_whole() {
    let header = verdict(&good()).unwrap();
    assert_eq!(header.version, 3);
    assert_eq!(header.cluster_size(), 65536);
    assert_eq!(header.virtual_size, 1 << 30);
    assert_eq!(header.l1_size, 2);
    assert_eq!(header.backing_format(), Some(ImageFormat::Raw));
    assert_eq!(
        header.backing_name.as_deref(),
        Some(&b"/images/base.img"[..])
    );
    assert_eq!(header.compression, Compression::Deflate);
    assert!(!header.incompatible.dirty());
}

#[test]
fn version_2_has_no_features() {
    let mut bytes = good();
    bytes[7] = 2;
    // Where version 3 has features, version 2 has extensions already.
    bytes[72..112].fill(0);
    let header = verdict(&bytes).unwrap();
    assert_eq!(header.version, 2);
    assert_eq!(header.header_length, 72);
    assert_eq!(header.refcount_order, 4);
    assert_eq!(header.backing_format(), None);
}

#[test]
fn versions_and_magic() {
    assert!(reason(&[(7, &[1])]).contains("version 1"));
    assert!(reason(&[(7, &[4])]).contains("version 4"));
    assert!(reason(&[(0, b"QED\0")]).contains("does not begin"));
    assert!(is_qcow2(&good()));
    assert!(!is_qcow2(b"QFI\xfb\0\0\0\x01"));
    assert!(!is_qcow2(b"QFI\xfb"));
}

#[test]
fn huge_header_length() {
    for length in [0xffff_ffff_u32, 0x7fff_ffff, 65537] {
        assert!(reason(&[(100, &length.to_be_bytes())]).contains("more than a cluster"));
    }
    assert!(reason(&[(100, &103_u32.to_be_bytes())]).contains("104 at least"));
    assert!(reason(&[(100, &0_u32.to_be_bytes())]).contains("104 at least"));
    assert!(reason(&[(100, &108_u32.to_be_bytes())]).contains("multiple of 8"));
}

#[test]
fn huge_unknown_extension() {
    let extension = |length: u32| {
        let mut bytes = vec![0x12, 0x34, 0x56, 0x78];
        bytes.extend(length.to_be_bytes());
        bytes
    };
    assert!(reason(&[(112, &extension(0x7fff_ffff))]).contains("too large"));
    assert!(reason(&[(112, &extension(u32::MAX))]).contains("too large"));
    // One that ends where the backing name begins is fine.
    let room = u32::try_from(112 + 16 + 8 - 112 - 8).unwrap();
    let header = with(&[(112, &extension(room))]).unwrap();
    assert_eq!(header.extensions, [Extension::Unknown(0x1234_5678)]);
}

#[test]
fn cluster_sizes() {
    for bits in [0_u32, 8, 22, 63, 64, u32::MAX] {
        assert!(
            reason(&[(20, &bits.to_be_bytes())]).contains("clusters"),
            "{bits}"
        );
    }
}

#[test]
fn huge_refcount_table() {
    assert!(reason(&[(56, &0xffff_ffff_u32.to_be_bytes())]).contains("too large"));
    assert!(reason(&[(56, &0x0002_0001_u32.to_be_bytes())]).contains("too large"));
    assert!(reason(&[(56, &0_u32.to_be_bytes())]).contains("no refcount table"));
}

#[test]
fn misplaced_refcount_table() {
    for offset in [0, 1, 512, u64::MAX, 0x7fff_ffff_ffff_0000, FILE_SIZE] {
        assert!(
            reason(&[(48, &offset.to_be_bytes())]).contains("refcount table"),
            "{offset}"
        );
    }
}

#[test]
fn snapshots_that_cannot_be() {
    let table = 0x2_0000_u64.to_be_bytes();
    assert!(reason(&[(60, &65537_u32.to_be_bytes()), (64, &table)]).contains("too many"));
    assert!(reason(&[(60, &u32::MAX.to_be_bytes()), (64, &table)]).contains("too many"));
    for offset in [0, 1, u64::MAX, 0x7fff_ffff_ffff_0000] {
        assert!(
            reason(&[(60, &1_u32.to_be_bytes()), (64, &offset.to_be_bytes())])
                .contains("snapshot table"),
        );
    }
    let header = with(&[(60, &2_u32.to_be_bytes()), (64, &table)]).unwrap();
    assert_eq!(header.snapshots, 2);
}

#[test]
fn l1_tables_that_cannot_be() {
    assert!(reason(&[(36, &u32::MAX.to_be_bytes())]).contains("too large"));
    assert!(reason(&[(36, &0x0040_0001_u32.to_be_bytes())]).contains("too large"));
    assert!(reason(&[(36, &1_u32.to_be_bytes())]).contains("too small"));
    assert!(reason(&[(36, &0_u32.to_be_bytes())]).contains("too small"));
    for offset in [0, 0x1_2345, u64::MAX, 0x7fff_ffff_ffff_0000, FILE_SIZE] {
        assert!(
            reason(&[(40, &offset.to_be_bytes())]).contains("L1 table"),
            "{offset}"
        );
    }
    // A size for which no table would do.
    assert!(reason(&[(24, &u64::MAX.to_be_bytes())]).contains("too small"));
}

#[test]
fn backing_names_that_cannot_be() {
    for offset in [65537_u64, 1 << 32, u64::MAX, u64::MAX - 3] {
        assert!(
            reason(&[(8, &offset.to_be_bytes())]).contains("outside"),
            "{offset}"
        );
    }
    assert!(reason(&[(16, &1024_u32.to_be_bytes())]).contains("too long"));
    assert!(reason(&[(16, &u32::MAX.to_be_bytes())]).contains("too long"));
    let end = [
        (8, &65530_u64.to_be_bytes()[..]),
        (16, &7_u32.to_be_bytes()[..]),
    ];
    assert!(reason(&end).contains("outside"));
    let header = with(&[(16, &0_u32.to_be_bytes())]).unwrap();
    assert_eq!(header.backing_name, None);
}

#[test]
fn a_backing_format_that_is_too_long() {
    let mut extension = 0xe279_2aca_u32.to_be_bytes().to_vec();
    extension.extend(16_u32.to_be_bytes());
    extension.extend([b'x'; 16]);
    let backing = 200_u64.to_be_bytes();
    assert!(reason(&[(112, &extension), (8, &backing)]).contains("format"));
}

/// QEMU goes by the last of two formats. Taking the first for it would end a
/// chain here that goes on there.
#[test]
fn an_extension_that_is_there_twice() {
    for kind in [
        0xe279_2aca_u32,
        0x6803_f857,
        0x0537_be77,
        0x4441_5441,
        0x2385_2875,
    ] {
        let mut extension = kind.to_be_bytes().to_vec();
        extension.extend(24_u32.to_be_bytes());
        extension.extend([0; 24]);
        if kind == 0xe279_2aca {
            extension[7] = 5;
            extension.truncate(16);
            extension[8..13].copy_from_slice(b"qcow2");
        }
        let backing = 400_u64.to_be_bytes();
        let twice = extension.repeat(2);
        let patch = [(112, &twice[..]), (8, &backing[..])];
        assert!(reason(&patch).contains("twice"), "{kind:x}");
    }
    let unknown = [0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0].repeat(2);
    with(&[
        (112, &unknown),
        (8, &400_u64.to_be_bytes()),
        (128, &[0; 32]),
    ])
    .unwrap();
}

#[test]
fn bitmaps_that_cannot_be() {
    let bitmaps = |count: u32, reserved: u32, size: u64, offset: u64| {
        let mut extension = 0x2385_2875_u32.to_be_bytes().to_vec();
        extension.extend(24_u32.to_be_bytes());
        extension.extend(count.to_be_bytes());
        extension.extend(reserved.to_be_bytes());
        extension.extend(size.to_be_bytes());
        extension.extend(offset.to_be_bytes());
        extension.extend([0; 32]);
        extension
    };
    let backing = 400_u64.to_be_bytes();
    let verdict = |extension: &[u8], autoclear: u8| {
        with(&[(112, extension), (8, &backing), (95, &[autoclear])]).map_err(|e| e.to_string())
    };
    let good = bitmaps(1, 0, 32, 65536);
    assert!(matches!(
        verdict(&good, 1).unwrap().extensions[0],
        Extension::Bitmaps(directory) if directory.count == 1 && directory.offset == 65536
    ));
    for bad in [
        bitmaps(0, 0, 32, 65536),
        bitmaps(65536, 0, 32, 65536),
        bitmaps(1, 1, 32, 65536),
        bitmaps(1, 0, u64::MAX, 65536),
        bitmaps(1, 0, 32, 1),
        bitmaps(1, 0, 32, 0),
        bitmaps(1, 0, 0, 0),
        bitmaps(1, 0, 32, FILE_SIZE),
    ] {
        assert!(verdict(&bad, 1).unwrap_err().contains("bitmap"));
        // It says itself that the list may not be true.
        verdict(&bad, 0).unwrap();
    }
    let mut long = good;
    long[7] = 25;
    assert!(verdict(&long, 0).unwrap_err().contains("too large"));
    long[7] = 16;
    assert!(verdict(&long, 0).unwrap_err().contains("too small"));
}

#[test]
fn a_part_of_a_sector_is_not_shown_to_the_guest() {
    let header = with(&[(24, &((1_u64 << 29) + 511).to_be_bytes())]).unwrap();
    assert_eq!(header.disk_size(), 1 << 29);
}

#[test]
fn feature_bits() {
    assert!(reason(&[(79, &[2])]).contains("corrupt"));
    assert!(reason(&[(72, &[0x80])]).contains("features unknown here: 63"));
    assert!(with(&[(79, &[1])]).unwrap().incompatible.dirty());
    assert!(with(&[(79, &[4])]).unwrap().incompatible.data_file());
    assert!(reason(&[(79, &[8])]).contains("compression"));
    assert!(reason(&[(104, &[1])]).contains("compression"));
    assert!(reason(&[(79, &[8]), (104, &[2])]).contains("compression"));
    let zstd = with(&[(79, &[8]), (104, &[1])]).unwrap();
    assert_eq!(zstd.compression, Compression::Zstd);
    assert!(reason(&[(96, &7_u32.to_be_bytes())]).contains("refcounts"));
    // Features that may be ignored.
    with(&[(80, &[0xff; 16])]).unwrap();
}

#[test]
fn unknown_features_go_by_the_name_they_give_themselves() {
    let mut table = 0x6803_f857_u32.to_be_bytes().to_vec();
    table.extend(48_u32.to_be_bytes());
    table.extend([0, 9]);
    table.extend(b"time\x1btravel");
    let message = reason(&[(112, &table), (8, &400_u64.to_be_bytes()), (78, &[2])]);
    assert_eq!(
        message,
        r"it needs features unknown here: 9 (time\x1btravel)"
    );
}

#[test]
fn encryption() {
    assert_eq!(
        with(&[(35, &[1])]).unwrap().encryption,
        Some(Encryption::Aes)
    );
    assert!(reason(&[(35, &[2])]).contains("no LUKS header"));
    let luks = |offset: u64| {
        let mut extension = 0x0537_be77_u32.to_be_bytes().to_vec();
        extension.extend(16_u32.to_be_bytes());
        extension.extend(offset.to_be_bytes());
        extension.extend(4096_u64.to_be_bytes());
        // What was the backing name is the end of the extensions now.
        extension.extend([0; 40]);
        extension
    };
    let backing = 200_u64.to_be_bytes();
    let good = [(112, &luks(65536)[..]), (8, &backing), (35, &[2])];
    assert_eq!(with(&good).unwrap().encryption, Some(Encryption::Luks));
    assert!(reason(&good[..2]).contains("not encrypted so"));
    for offset in [0, 1, FILE_SIZE, u64::MAX - 65535] {
        let bad = [(112, &luks(offset)[..]), (8, &backing), (35, &[2])];
        assert!(reason(&bad).contains("LUKS header"), "{offset}");
    }
    assert!(reason(&[(35, &[3])]).contains("encryption"));
}

#[test]
fn extended_l2_halves_what_an_entry_stands_for() {
    assert!(reason(&[(79, &[16])]).contains("too small for its size"));
    with(&[(79, &[16]), (36, &4_u32.to_be_bytes())]).unwrap();
    assert!(reason(&[(79, &[16]), (20, &13_u32.to_be_bytes())]).contains("subclusters"));
}

#[test]
fn cut_off_at_every_byte() {
    let bytes = good();
    for length in 4..bytes.len() {
        match Header::parse(&bytes[..length]) {
            Err(Defect::Short(needed)) => assert!(needed > length, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn every_file_size_below_the_real_one_is_refused() {
    let header = verdict(&good()).unwrap();
    for size in (0..3 * 65536 + 16).step_by(512) {
        assert!(header.check(size).is_err(), "{size}");
    }
    header.check(3 * 65536 + 16).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_mutation_makes_it_panic(
        patches in prop::collection::vec((0_usize..200, any::<u8>()), 1..12),
        length in 0_usize..300,
    ) {
        let mut bytes = good();
        for (at, byte) in patches {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        // The verdict does not matter here.
        drop(verdict(&bytes));
        bytes.truncate(length);
        drop(Header::parse(&bytes));
    }

    #[test]
    fn nor_do_extreme_numbers(
        field in 0_usize..28,
        value in prop::sample::select(vec![0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0x1_0000]),
    ) {
        drop(with(&[(field * 4, &u32::to_be_bytes(value))]));
    }

    /// Written by the document of the format, and not by the program's writer.
    #[test]
    fn what_a_header_says_is_what_is_read(
        cluster_bits in 9_u32..=21,
        size in any::<u64>().prop_map(|n| n >> (n % 64)),
        l1_size in 0_u32..70_000,
        places in any::<[u64; 3]>(),
        snapshots in 0_u32..5,
        name in prop::option::of(prop::collection::vec(any::<u8>(), 1..64)),
        word in prop::option::of("[a-z0-9]{0,15}"),
        features in (any::<bool>(), any::<u64>(), any::<u64>()),
    ) {
        let cluster = 1_u64 << cluster_bits;
        // Table sizes do not matter here: there is room for all of them.
        let place = |n: u64| (n % (1 << 30) / cluster + 1) * cluster;
        let [l1, refcounts, table] = places.map(place);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend([0; 12]); // the backing file, later
        bytes.extend(cluster_bits.to_be_bytes());
        bytes.extend(size.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(l1_size.to_be_bytes());
        bytes.extend(l1.to_be_bytes());
        bytes.extend(refcounts.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(snapshots.to_be_bytes());
        bytes.extend(table.to_be_bytes());
        bytes.extend(u64::from(features.0).to_be_bytes()); // dirty
        bytes.extend(features.1.to_be_bytes());
        bytes.extend(features.2.to_be_bytes());
        bytes.extend(4_u32.to_be_bytes());
        bytes.extend(104_u32.to_be_bytes());
        if let Some(word) = &word {
            bytes.extend(0xe279_2aca_u32.to_be_bytes());
            bytes.extend(u32::try_from(word.len()).unwrap().to_be_bytes());
            bytes.extend(word.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.extend([0; 8]);
        if let Some(name) = &name {
            let at = bytes.len() as u64;
            bytes[8..16].copy_from_slice(&at.to_be_bytes());
            bytes[16..20].copy_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
            bytes.extend(name);
        }
        let header = Header::parse(&bytes).unwrap();
        prop_assert_eq!(header.virtual_size, size);
        prop_assert_eq!(header.cluster_size(), cluster);
        prop_assert_eq!((header.l1_size, header.l1_offset), (l1_size, l1));
        prop_assert_eq!(header.refcount_table_offset, refcounts);
        prop_assert_eq!((header.snapshots, header.snapshots_offset), (snapshots, table));
        prop_assert_eq!(header.incompatible.dirty(), features.0);
        prop_assert_eq!((header.compatible, header.autoclear), (features.1, features.2));
        prop_assert_eq!(&header.backing_name, &name);
        prop_assert_eq!(header.backing_format_name(), word.as_deref().map(str::as_bytes));
        let per_entry = u128::from(cluster) * u128::from(cluster / 8);
        let covered = u128::from(l1_size) * per_entry >= u128::from(size);
        prop_assert_eq!(header.check(1 << 40).is_ok(), covered);
    }
}
