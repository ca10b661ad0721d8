//! Partition tables and logical volumes, made by the real tools. Needs root,
//! loop devices, sfdisk, sgdisk, parted and lvm2; a host without them fails
//! these tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

mod common;
mod content;
mod lvm;
mod partition;
