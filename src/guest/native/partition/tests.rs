//! Tables that say what cannot be.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::Blocks as _;
use super::super::testing::Sparse;
use super::*;
use crate::error::Kind;

const MIB: u64 = 1 << 20;

/// The first sector of a disk, or one of those that logical partitions are in:
/// type, start and length of each entry, in sectors.
fn record(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
    for (n, (kind, start, length)) in entries.iter().enumerate() {
        let at = 446 + n * 16;
        sector[at + 4] = *kind;
        sector[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        sector[at + 12..at + 16].copy_from_slice(&length.to_le_bytes());
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// A GPT with one partition, whose checksums are right whatever `change` does
/// to the header.
fn gpt(disk: &mut Sparse, lba: u64, change: impl Fn(&mut [u8])) {
    let mut entries = vec![0; 128 * 128];
    entries[..16].copy_from_slice(&[7; 16]);
    entries[32..40].copy_from_slice(&2048_u64.to_le_bytes());
    entries[40..48].copy_from_slice(&4095_u64.to_le_bytes());
    let mut header = vec![0; 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    header[24..32].copy_from_slice(&lba.to_le_bytes());
    header[72..80].copy_from_slice(&2_u64.to_le_bytes());
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
    change(&mut header);
    header[16..20].fill(0);
    let crc = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
    disk.put(0, &record(&[(0xee, 1, u32::MAX)]));
    disk.put(lba * 512, &header).put(1024, &entries);
}

#[test]
fn a_gpt_is_read_and_one_that_cannot_be_is_refused() {
    type Change<'a> = &'a dyn Fn(&mut [u8]);
    let with = |change: Change<'_>| {
        let mut disk = Sparse::new(64 * MIB);
        gpt(&mut disk, 1, change);
        read(&disk)
    };
    let good = with(&|_| {}).unwrap().unwrap();
    assert_eq!(good.partitions.len(), 1);
    assert_eq!(
        (good.partitions[0].offset, good.partitions[0].len),
        (MIB, MIB)
    );
    let put = |header: &mut [u8], at: usize, bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    };
    let most = u32::MAX.to_le_bytes();
    let far = u64::MAX.to_le_bytes();
    let changes: [Change<'_>; 9] = [
        &|h| put(h, 80, &most),
        &|h| put(h, 84, &most),
        &|h| put(h, 84, &0_u32.to_le_bytes()),
        &|h| put(h, 84, &384_u32.to_le_bytes()),
        &|h| put(h, 72, &far),
        &|h| put(h, 72, &(far.map(|byte| byte >> 1))),
        &|h| put(h, 24, &9_u64.to_le_bytes()),
        &|h| put(h, 12, &91_u32.to_le_bytes()),
        &|h| put(h, 12, &most),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert_eq!(with(change).unwrap_err().kind(), Kind::Unsafe, "{n}");
    }
}

#[test]
fn a_partition_that_is_not_within_the_disk_is_left_out() {
    let mut disk = Sparse::new(2 * MIB - 512);
    gpt(&mut disk, 1, |_| {});
    let table = read(&disk).unwrap().unwrap();
    assert_eq!((table.partitions.len(), table.problems.len()), (0, 1));
    let mut disk = Sparse::new(2 * MIB);
    disk.put(
        0,
        &record(&[(0x83, 2048, 4096), (0x83, u32::MAX, u32::MAX), (0x83, 8, 8)]),
    );
    let table = read(&disk).unwrap().unwrap();
    assert_eq!(table.partitions.len(), 1);
    assert_eq!(table.partitions[0].number, 3);
    assert_eq!(table.problems.len(), 2);
}

#[test]
fn loops_of_logical_partitions_end() {
    let mut disk = Sparse::new(1 << 40);
    disk.put(0, &record(&[(5, 2048, 1 << 30)]));
    // To itself, and to one before.
    disk.put(MIB, &record(&[(0x83, 63, 10), (5, 0, 10)]));
    let table = read(&disk).unwrap().unwrap();
    assert_eq!((table.partitions.len(), table.problems.len()), (1, 1));
    assert!(table.problems[0].contains("loop"));
    disk.put(MIB, &record(&[(0x83, 63, 10), (5, 4096, 10)]));
    disk.put(MIB + 4096 * 512, &record(&[(0x83, 63, 10), (5, 0, 10)]));
    let table = read(&disk).unwrap().unwrap();
    assert_eq!((table.partitions.len(), table.problems.len()), (2, 1));
    // Out of the disk.
    disk.put(MIB, &record(&[(0x83, 63, 10), (5, u32::MAX, 10)]));
    let table = read(&disk).unwrap().unwrap();
    assert!(table.problems[0].contains("out of the disk"), "{table:?}");
}

#[test]
fn a_chain_of_logical_partitions_without_end_is_given_up() {
    let mut disk = Sparse::new(1 << 40);
    disk.put(0, &record(&[(5, 1, 1 << 30)]));
    let mut chain = Vec::new();
    for n in 1..20_000 {
        // Every other chain has no partitions at all.
        chain.extend(record(&[(5, n, 10), (0x83, 1, 1)]));
    }
    disk.put(512, &chain);
    let table = read(&disk).unwrap().unwrap();
    assert_eq!(table.partitions.len(), 252);
    assert!(table.problems[0].contains("more logical partitions"));
    let empty: Vec<u8> = (1..20_000).flat_map(|n| record(&[(5, n, 10)])).collect();
    disk.put(512, &empty);
    let start = Instant::now();
    let table = read(&disk).unwrap().unwrap();
    assert!(table.problems[0].contains("longer"), "{table:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_boot_sector_is_no_table() {
    // A FAT's parameters, and code where the table would be.
    let mut sector = record(&[(0x83, 0x2020_2020, 0x2020_2020)]);
    sector[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    sector[11..13].copy_from_slice(&512_u16.to_le_bytes());
    sector[14..16].copy_from_slice(&1_u16.to_le_bytes());
    sector[16] = 2;
    sector[21] = 0xf8;
    let mut disk = Sparse::new(64 * MIB);
    disk.put(0, &sector);
    assert_eq!(read(&disk).unwrap(), None);
    // The same parameters before a table that can be.
    let good = record(&[(0x0c, 2048, 2048)]);
    sector[446..].copy_from_slice(&good[446..]);
    disk.put(0, &sector);
    assert_eq!(read(&disk).unwrap().unwrap().partitions.len(), 1);
    assert_eq!(read(&Sparse::new(0)).unwrap(), None);
    assert_eq!(read(&Sparse::new(511)).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the entries say, what is found is within the disk.
    #[test]
    fn no_partition_leads_out_of_the_disk(
        entries: [(u8, u32, u32); 4],
        logical: [(u8, u32, u32); 2],
        bits in 9_u32..24,
    ) {
        let mut disk = Sparse::new(1 << 30);
        let tame = |(kind, start, length): (u8, u32, u32)| {
            let kind = [kind, 5, 0x83, 0][usize::from(kind % 4)];
            (kind, start >> (32 - bits), length >> (32 - bits))
        };
        let entries = entries.map(tame);
        disk.put(0, &record(&entries));
        for (kind, start, _) in entries {
            if kind == 5 {
                disk.put(u64::from(start) * 512, &record(&logical.map(tame)));
            }
        }
        if let Ok(Some(table)) = read(&disk) {
            for partition in &table.partitions {
                prop_assert!(partition.len > 0);
                prop_assert!(partition.offset + partition.len <= 1 << 30);
            }
        }
    }
}

/// What a disk of another size has after the patches.
fn patched(disk: &Sparse, len: u64, patches: &[Patch]) -> Sparse {
    let mut new = Sparse::new(len);
    let mut kept = vec![0; 4 << 20];
    disk.read_at(0, &mut kept).unwrap();
    new.put(0, &kept);
    for patch in patches {
        assert!(patch.offset + patch.bytes.len() as u64 <= len, "{patch:?}");
        new.put(patch.offset, &patch.bytes);
    }
    new
}

#[test]
fn a_gpt_fits_a_disk_of_another_size_with_both_copies() {
    let mut disk = Sparse::new(64 * MIB);
    gpt(&mut disk, 1, |_| {});
    let before = read(&disk).unwrap().unwrap();
    for len in [48 * MIB, 96 * MIB] {
        let end = before.limit(&disk, len).unwrap();
        assert_eq!(end, len - MIB);
        let new = NewEnd {
            number: 1,
            offset: MIB,
            end,
        };
        let mut after = patched(&disk, len, &before.resized(&disk, len, Some(new)).unwrap());
        let table = read(&after).unwrap().unwrap();
        assert_eq!(table.problems, [""; 0]);
        assert_eq!(table.partitions[0].len, end - MIB);
        assert_eq!(table.id, before.id);
        let same = |at: usize| (table.partitions[at].id.clone(), table.partitions[at].kind);
        assert_eq!(
            same(0),
            (before.partitions[0].id.clone(), before.partitions[0].kind)
        );
        // The copy alone says the same.
        after.put(512, &[0; 92]);
        let copy = read(&after).unwrap().unwrap();
        assert_eq!(copy.partitions, table.partitions);
        assert_eq!(copy.problems.len(), 1);
    }
    disk.put(512 + 40, &[1]);
    assert!(before.resized(&disk, 96 * MIB, None).is_err());
}

#[test]
fn an_mbr_gives_its_last_partition_another_end_and_no_other() {
    let mut disk = Sparse::new(64 * MIB);
    disk.put(0, &record(&[(0x83, 2048, 2048), (0x83, 4096, 2048)]));
    let before = read(&disk).unwrap().unwrap();
    let new = |number, offset| NewEnd {
        number,
        offset,
        end: 96 * MIB,
    };
    let patches = before
        .resized(&disk, 96 * MIB, Some(new(2, 2 * MIB)))
        .unwrap();
    let table = read(&patched(&disk, 96 * MIB, &patches)).unwrap().unwrap();
    assert_eq!(table.partitions[0], before.partitions[0]);
    assert_eq!(table.partitions[1].len, 94 * MIB);
    assert!(before.resized(&disk, 96 * MIB, Some(new(1, MIB))).is_err());
    assert!(before.resized(&disk, 96 * MIB, Some(new(5, MIB))).is_err());
    // A longer one than an entry has room for.
    assert_eq!(before.limit(&disk, 4 << 40).unwrap(), (2 << 40) - MIB);
}

#[test]
fn the_last_logical_partition_has_another_end_in_all_records() {
    let mut disk = Sparse::new(64 * MIB);
    disk.put(0, &record(&[(0x83, 2048, 2048), (0x05, 4096, 126_976)]));
    disk.put(2 * MIB, &record(&[(0x83, 512, 512), (0x05, 2048, 124_928)]));
    disk.put(3 * MIB, &record(&[(0x83, 2048, 122_880)]));
    let before = read(&disk).unwrap().unwrap();
    let new = |number, offset, end| {
        Some(NewEnd {
            number,
            offset,
            end,
        })
    };
    let lengths = |disk: &Sparse| {
        [(0, 1), (2 * MIB, 1), (3 * MIB, 0)].map(|(place, entry)| {
            let mut bytes = [0; 4];
            disk.read_at(place + 458 + entry * 16, &mut bytes).unwrap();
            u64::from(u32::from_le_bytes(bytes)) * 512
        })
    };
    for len in [48 * MIB, 96 * MIB] {
        let patches = before.resized(&disk, len, new(6, 4 * MIB, len)).unwrap();
        let patched = patched(&disk, len, &patches);
        let table = read(&patched).unwrap().unwrap();
        assert_eq!(table.problems, [""; 0]);
        assert_eq!(table.partitions[..2], before.partitions[..2]);
        assert_eq!(table.partitions[2].len, len - 4 * MIB);
        assert_eq!(
            lengths(&patched),
            [len - 2 * MIB, len - 3 * MIB, len - 4 * MIB]
        );
    }
    // It is not the last one, or there is nothing there.
    assert!(
        before
            .resized(&disk, 96 * MIB, new(5, 2 * MIB + 262_144, 96 * MIB))
            .is_err()
    );
    assert!(
        before
            .resized(&disk, 96 * MIB, new(7, 9 * MIB, 96 * MIB))
            .is_err()
    );
    // What holds them ends with the disk, even if none of them has to.
    disk.put(3 * MIB, &record(&[(0x83, 2048, 20480)]));
    let patches = before.resized(&disk, 48 * MIB, None).unwrap();
    assert_eq!(lengths(&patched(&disk, 48 * MIB, &patches))[0], 46 * MIB);
    assert_eq!(before.resized(&disk, 96 * MIB, None).unwrap(), []);
}
