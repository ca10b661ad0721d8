//! The program as the user meets it, on libvirt's test driver.
//!
//! The driver forgets everything when the process ends, so each command meets
//! the host as its file has it. Images, journals and seals are real and stay.
//! A story of several commands on one connection belongs in `tests/session.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

/// The arguments of a program, of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(AsRef::<std::ffi::OsStr>::as_ref($arg)),*] };
}

#[expect(dead_code, reason = "the tests of faults need more of it")]
mod common;

#[path = "../hostile/mod.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod hostile_images;

mod arguments;
mod base;
mod base_move;
mod base_rebase;
mod chains;
mod clone_dry_run;
mod clone_files;
mod clone_names;
mod clone_states;
mod concurrency;
mod customize;
mod customize_plan;
mod delete;
mod disk_check;
mod disk_commit;
mod disk_images;
mod disk_rebase;
mod disk_resize;
mod doctor;
mod export;
mod flatten;
mod from_libguestfs;
mod from_qemu_img;
mod guest_appliance;
mod guest_files;
mod guest_volumes;
mod hostile;
mod hosts;
mod hosts_scale;
mod identity;
mod identity_offline;
mod image_build;
mod import;
mod json;
mod lifecycle;
mod list;
mod mount;
mod prune;
mod recover;
mod reservations;
mod reset;
mod shell;
mod show;
mod slices;
mod snapshot;
mod snapshot_memory;
mod tree;
mod usage;
mod write_files;
mod write_names;
