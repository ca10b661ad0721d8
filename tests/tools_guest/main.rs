//! The read engine against the kernel: what the file systems of real `mkfs` and
//! a real kernel hold, read by both. Needs root, for the kernel's part.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests do"
)]

mod appliance;
mod building;
mod common;
mod customize;
mod damage;
mod fat;
mod file_systems;
mod hostile;
mod iso;
mod mount;
mod ntfs;
mod rescue;
mod resizing;
mod rpm;
mod shell;
mod together;
mod windows;
mod writing;
