//! The files of a guest, read from its disks without starting it.
//!
//! | place | what it knows |
//! |---|---|
//! | `appliance` | the other read engine: libguestfs, for what takes a kernel |
//! | `archived` | paths in archives |
//! | `build` | what a new disk is filled with |
//! | `change` | what is to be changed in a guest |
//! | `compare` | what differs between the files of two guests |
//! | `ending` | what is at the end of a disk, and what it takes to move that |
//! | `log` | the end of a system log |
//! | `fuse` | the file tree of a guest, mounted on this host |
//! | `native` | the read engine: volumes and file systems, parsed by this process |
//! | `inspect` | which operating system it is, and what is set up in it |
//! | `scratch` | a place on the host for what goes into a guest |
//! | `search` | looking for files, and for lines in files |
//! | `system` | a guest put together: its file systems, its root, its mounts |
//! | `tree` | the file tree of a guest: mounts, paths, symbolic links |
//! | `extract` | files and trees on their way to the host |
//! | `fstab` | what a guest mounts where |
//!
//! Nothing here is trusted: names, links, sizes and tables are whatever a
//! guest, or whoever made the image, has written there.

pub mod appliance;
pub mod archived;
pub mod build;
pub mod change;
pub mod compare;
pub mod ending;
pub mod extract;
pub mod fstab;
pub mod fuse;
pub mod inspect;
pub mod log;
pub mod native;
pub mod scratch;
pub mod search;
pub mod system;
pub mod tree;
