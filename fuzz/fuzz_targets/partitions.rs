//! Partition tables. Whatever they say, a partition is within its disk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::guest::native::Volumes;
use vmkin::guest::native::partition::{self, TableKind};
use vmkin_fuzz::disks::{Memory, seal_gpt};

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    bytes.resize(64 << 10, 0);
    seal_gpt(&mut bytes);
    let disk = Memory::shared(bytes);
    match partition::read(disk.as_ref()) {
        Ok(Some(table)) => {
            for partition in &table.partitions {
                assert!(partition.len > 0 && partition.number > 0);
                let end = partition.offset.checked_add(partition.len);
                assert!(end.is_some_and(|end| end <= disk.len()), "{partition:?}");
                assert_eq!(partition.offset % u64::from(table.sector), 0);
            }
            let mut numbers: Vec<u32> = table.partitions.iter().map(|p| p.number).collect();
            numbers.dedup();
            assert_eq!(numbers.len(), table.partitions.len());
            let most = if table.kind == TableKind::Gpt {
                32768
            } else {
                256
            };
            assert!(table.partitions.len() <= most);
        }
        Ok(None) => {}
        Err(error) => assert_eq!(error.kind(), Kind::Unsafe, "{error}"),
    }
    let found = Volumes::find(&[("sda".to_owned(), disk)]);
    for volume in &found.volumes {
        let mut byte = [0];
        let last = volume.len() - 1;
        volume
            .blocks()
            .read_at(last, &mut byte)
            .expect("it is there");
    }
});
