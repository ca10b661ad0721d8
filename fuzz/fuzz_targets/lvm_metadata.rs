//! The metadata of a volume group. A logical volume that can be had can be
//! read from its first byte to its last.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::guest::native::lvm::assemble;
use vmkin_fuzz::disks::{Memory, physical_volume};

fuzz_target!(|data: &[u8]| {
    let disk = Memory::shared(physical_volume(data));
    let found = assemble(&[("sda".to_owned(), disk)]);
    for (_, error) in &found.problems {
        assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    }
    for volume in found.groups.iter().flat_map(|group| &group.volumes) {
        let Ok(blocks) = volume.blocks() else {
            continue;
        };
        let len = blocks.len();
        assert!(len > 0, "{volume:?}");
        let mut byte = [0];
        let places = (0..64).map(|n| (u128::from(len - 1) * n / 63) as u64);
        for at in places {
            blocks.read_at(at, &mut byte).expect("it is there");
        }
        assert!(blocks.read_at(len, &mut byte).is_err());
    }
});
