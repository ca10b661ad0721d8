//! FAT, from its boot sector to its files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::guest::native::fs::FsKind;
use vmkin_fuzz::disks::Memory;
use vmkin_fuzz::files::look_at_all;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    bytes.resize(256 << 10, 0);
    look_at_all(FsKind::Fat, Memory::shared(bytes));
});
