//! ISO 9660, with Rock Ridge and Joliet, from its descriptors to its files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::guest::native::fs::FsKind;
use vmkin_fuzz::disks::Memory;
use vmkin_fuzz::files::look_at_all;

fuzz_target!(|data: &[u8]| {
    // Nothing is in the first sixteen sectors, and most of the others is zeros.
    let mut bytes = vec![0; 32 << 10];
    for sector in data.chunks(512) {
        let end = bytes.len() + 2048;
        bytes.extend_from_slice(sector);
        bytes.resize(end, 0);
    }
    look_at_all(FsKind::Iso9660, Memory::shared(bytes));
});
