//! The fault matrix: every operation meets every fault, and what must hold
//! holds afterwards.
//!
//! * `fault`: the faults, a row each;
//! * `operations`: the operations, a column each, and what they promise;
//! * `inject`: how a fault is made to happen;
//! * `scene`: one operation on a host of its own;
//! * `world`: what must hold after every run, whatever happened;
//! * `stories`: what happens only if several things come together;
//! * `runner`: runs the cells, on all processors.
//!
//! `cargo test --all-features --test faults F07/clone-one` runs one cell.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "this is a test, with a main of its own"
)]

/// The arguments of a program, of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(AsRef::<std::ffi::OsStr>::as_ref($arg)),*] };
}

#[path = "../cli/common/mod.rs"]
#[expect(dead_code, reason = "the tests of the command line need more of it")]
mod common;
mod expect;
mod fault;
mod inject;
mod operations;
mod runner;
mod scene;
mod stories;
mod world;

fn main() -> std::process::ExitCode {
    runner::main()
}
