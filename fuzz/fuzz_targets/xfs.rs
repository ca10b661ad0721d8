//! XFS without checksums, from the superblock to the files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::guest::native::fs::FsKind;
use vmkin_fuzz::files::look_at_all;
use vmkin_fuzz::sparse::Sparse;

fuzz_target!(|data: &[u8]| {
    look_at_all(FsKind::Xfs, Sparse::of(data).shared());
});
