//! What the targets share.

pub mod disks;
pub mod files;
pub mod sparse;
pub mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = tempfile::Builder::new()
        .prefix("vmkin-fuzz-")
        .tempdir()
        .expect("a temporary directory can be made");
    dir.keep().canonicalize().expect("it is there")
});

/// A directory of this process alone. It stays when the process ends, for
/// libFuzzer ends it without a word; scripts/fuzz.sh removes it.
pub fn scratch() -> &'static Path {
    &SCRATCH
}

/// Writes a file into the scratch directory. Its directories are made.
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch().join(name);
    let dir = path.parent().expect("it is in the scratch directory");
    if !dir.exists() {
        fs::create_dir_all(dir).expect("a directory can be made");
    }
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// A big-endian number in bytes; 0 past their end.
pub fn be(bytes: &[u8], at: usize, length: usize) -> u64 {
    let part = bytes.get(at..at + length).unwrap_or_default();
    part.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A little-endian number in bytes; 0 past their end.
pub fn le(bytes: &[u8], at: usize, length: usize) -> u64 {
    let part = bytes.get(at..at + length).unwrap_or_default();
    part.iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte))
}
