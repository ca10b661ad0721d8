//! Images against the real `qemu-img` and `qemu-io`. A host without them fails
//! these tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

/// The arguments of a program, of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(AsRef::<OsStr>::as_ref($arg)),*] };
}

#[path = "../hostile/mod.rs"]
mod hostile_images;

mod common;
mod copy;
mod header;
mod hostile;
mod lock;
mod overlay;
mod read;
mod seed;
mod snapshot;
