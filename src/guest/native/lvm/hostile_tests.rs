//! Physical volumes whose label and metadata say what cannot be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Blocks;
use super::super::testing::Sparse;
use super::assemble;
use super::label::checksum;
use crate::error::Kind;

const SIZE: u64 = 64 << 20;
const AREA: u64 = 4096;

/// A label, and the header of a metadata area; `change` may spoil either
/// before the checksums are made.
fn volume(size: u64, length: u64, text: &[u8], change: impl Fn(&mut [u8], &mut [u8])) -> Sparse {
    let mut label = vec![0; 512];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    label[32..64].fill(b'a');
    label[64..72].copy_from_slice(&size.to_le_bytes());
    label[72..80].copy_from_slice(&(1_u64 << 20).to_le_bytes());
    label[104..112].copy_from_slice(&AREA.to_le_bytes());
    label[112..120].copy_from_slice(&length.to_le_bytes());
    let mut header = vec![0; 512];
    header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
    header[20] = 1;
    header[24..32].copy_from_slice(&AREA.to_le_bytes());
    header[32..40].copy_from_slice(&length.to_le_bytes());
    header[40..48].copy_from_slice(&512_u64.to_le_bytes());
    header[48..56].copy_from_slice(&(text.len() as u64).to_le_bytes());
    header[56..60].copy_from_slice(&checksum(text).to_le_bytes());
    change(&mut label, &mut header);
    let crc = checksum(&label[20..]).to_le_bytes();
    label[16..20].copy_from_slice(&crc);
    let crc = checksum(&header[4..]).to_le_bytes();
    header[..4].copy_from_slice(&crc);
    let mut disk = Sparse::new(size);
    disk.put(512, &label)
        .put(AREA, &header)
        .put(AREA + 512, text);
    disk
}

fn text(extra: &str) -> String {
    format!(
        "vg {{ id = \"v\" seqno = 1 extent_size = 8192 physical_volumes {{ pv0 {{ \
         id = \"{}\" pe_start = 2048 pe_count = 15 }} }} logical_volumes {{ {extra} }} }}\n\0",
        "a".repeat(32)
    )
}

fn root() -> String {
    text(
        "root { id = \"r\" status = [\"VISIBLE\"] segment1 { start_extent = 0 extent_count = 2 \
         type = \"striped\" stripe_count = 1 stripes = [ \"pv0\", 1 ] } }",
    )
}

fn assembled(disk: Sparse) -> super::Assembled {
    assemble(&[("sda".to_owned(), Arc::new(disk) as Arc<dyn Blocks>)])
}

#[test]
fn a_group_is_found() {
    let mut disk = volume(SIZE, 1 << 20, root().as_bytes(), |_, _| {});
    disk.put((5 << 20) + 7, b"the data");
    let found = assembled(disk);
    assert!(found.problems.is_empty(), "{found:?}");
    let volume = &found.groups[0].volumes[0];
    assert_eq!(
        (volume.name.as_str(), &volume.on[..]),
        ("root", &["sda".to_owned()][..])
    );
    let blocks = volume.blocks().unwrap();
    assert_eq!(blocks.len(), 8 << 20);
    let mut bytes = [0; 8];
    blocks.read_at(7, &mut bytes).unwrap();
    assert_eq!(&bytes, b"the data");
}

#[test]
fn a_text_that_goes_round_its_ring_is_one() {
    let whole = root();
    let (first, second) = whole.as_bytes().split_at(100);
    let length = 8192;
    let mut disk = volume(SIZE, length, whole.as_bytes(), |_, header| {
        header[40..48].copy_from_slice(&(length - 100).to_le_bytes());
    });
    disk.put(AREA + length - 100, first).put(AREA + 512, second);
    let found = assembled(disk);
    assert_eq!(found.groups[0].volumes.len(), 1, "{found:?}");
}

#[test]
fn places_that_cannot_be_lead_nowhere() {
    let most = u64::MAX.to_le_bytes();
    type Change<'a> = &'a dyn Fn(&mut [u8], &mut [u8]);
    let changes: [Change<'_>; 9] = [
        &|_, header| header[40..48].copy_from_slice(&most),
        &|_, header| header[48..56].copy_from_slice(&most),
        &|_, header| header[40..48].fill(0),
        &|_, header| header[24..32].copy_from_slice(&most),
        &|_, header| header[56] ^= 1,
        &|_, header| header[20] = 2,
        &|label, _| label[104..112].copy_from_slice(&most),
        &|label, _| label[112..120].copy_from_slice(&most),
        // Lists that do not end.
        &|label, _| label[72..].fill(1),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let disk = volume(SIZE, 1 << 20, root().as_bytes(), change);
        let found = assembled(disk);
        assert!(found.groups.is_empty(), "{n}");
    }
    let disk = volume(SIZE, 1 << 20, root().as_bytes(), |label, _| label[20] = 255);
    let found = assembled(disk);
    assert_eq!(found.problems[0].1.kind(), Kind::Unsafe);
}

#[test]
fn a_volume_that_leads_out_of_its_member_is_refused() {
    let disk = volume(6 << 20, 1 << 20, root().as_bytes(), |_, _| {});
    let found = assembled(disk);
    let volume = &found.groups[0].volumes[0];
    assert_eq!(volume.blocks().err().unwrap().kind(), Kind::Unsafe);
    assert!(!volume.needs_lvm());
}

#[test]
fn bombs_are_given_up_soon() {
    let start = Instant::now();
    let bombs = [
        "a{".repeat(2_000_000),
        "a=[".to_owned() + &"[".repeat(4_000_000),
        "a=1 ".repeat(1_500_000),
        "a{}".repeat(2_000_000),
        "\"".repeat(4_000_001),
        "#".repeat(4_000_000),
        "a=\"".to_owned() + &"\\".repeat(4_000_000),
    ];
    for bomb in bombs {
        let all = text(&bomb);
        let disk = volume(SIZE, 16 << 20, all.as_bytes(), |_, _| {});
        let found = assembled(disk);
        assert!(found.groups.is_empty());
        assert_eq!(found.problems[0].1.kind(), Kind::Unsafe);
    }
    // One that is larger than any metadata.
    let all = text(&" ".repeat(9 << 20));
    let disk = volume(SIZE, 16 << 20, all.as_bytes(), |_, _| {});
    assert!(assembled(disk).groups.is_empty());
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn many_volumes_take_no_long_time() {
    let one = |n: usize| {
        format!(
            "v{n} {{ id = \"{n}\" status = [\"VISIBLE\"] segment1 {{ start_extent = 0 \
             extent_count = 1 type = \"striped\" stripe_count = 1 stripes = [ \"pv0\", 0 ] \
             cow_store = \"x{n}\" }} }}\n"
        )
    };
    let all: String = (0..16_000).map(one).collect();
    let all = text(&all);
    let start = Instant::now();
    let disk = volume(SIZE, 16 << 20, all.as_bytes(), |_, _| {});
    let found = assembled(disk);
    assert_eq!(found.groups[0].volumes.len(), 16_000);
    assert!(start.elapsed() < Duration::from_secs(30));
}
