//! btrfs, from the superblock to the files, with the checksums it should have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::guest::native::fs::FsKind;
use vmkin_fuzz::disks::seal_btrfs;
use vmkin_fuzz::files::look_at_all;
use vmkin_fuzz::sparse::Sparse;

fuzz_target!(|data: &[u8]| {
    let mut volume = Sparse::of(data);
    seal_btrfs(&mut volume);
    look_at_all(FsKind::Btrfs, volume.shared());
});
