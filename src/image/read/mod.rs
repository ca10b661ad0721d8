//! The data in images: what the guest sees as its disk.
//!
//! `docs/interop/qcow2.rst` of QEMU says what the tables mean; what it leaves
//! open is done as `block/qcow2-cluster.c` does it. An image may be written to
//! while it is read. Then what is read may be torn, but it is read: no table is
//! trusted, none is kept whole, and whatever it says costs bounded time.
//!
//! | file | what it knows |
//! |---|---|
//! | `disk` | a disk and the layers it is made of |
//! | `open` | from a chain to a disk |
//! | `compare` | whether two disks are the same |
//! | `qcow2` | the way from a place on the disk to one in the file |
//! | `entry` | what one L2 entry says |
//! | `compressed` | clusters that are compressed |
//! | `cache` | what is kept of tables and clusters |
//! | `raw` | images that are their own data |
//! | `served`, `nbd` | images that QEMU reads for us, and how it tells |

mod cache;
mod compare;
mod compressed;
mod disk;
mod entry;
mod nbd;
mod open;
mod qcow2;
mod raw;
mod served;
#[cfg(test)]
mod tests;

pub(super) use self::cache::Cache;
pub use self::compare::{Comparison, compare};
pub use self::disk::{Disk, Extent, Part};
pub use self::open::open;
pub(super) use self::open::{find_snapshot, open_in};
