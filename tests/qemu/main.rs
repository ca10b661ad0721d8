//! Real guests on a real libvirtd.
//!
//! All of these are `#[ignore]`d: they need the private libvirtd and the golden
//! images of `scripts/with-private-libvirtd.sh --golden --debian`, and refuse
//! to run beside any other. `scripts/test.sh` runs them:
//!
//! ```text
//! scripts/with-private-libvirtd.sh --golden --debian cargo test \
//!     --features failpoints --test qemu -- --ignored --test-threads=1
//! ```

#![allow(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test binary: nothing is outside of it, and a panic is how it fails"
)]

#[path = "../hostile/mod.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod hostile_images;

mod addresses;
mod bases;
mod bases_life;
mod boot;
mod customize;
mod debian;
mod devices;
mod disks;
mod editing;
mod far;
mod far_clone;
mod faults;
mod faults_meanwhile;
mod files;
mod guard;
mod hostile;
mod identity;
mod import;
mod lab;
mod lines;
mod many;
mod migrating;
mod migrating_copies;
mod nbd;
mod pushing;
mod races;
mod remote;
mod session;
mod snapshots;
mod snapshots_external;
mod snapshots_killed;
mod snapshots_memory;
mod snapshots_memory_bare;
mod spreading;
mod wire;
