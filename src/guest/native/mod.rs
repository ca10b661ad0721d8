//! The read engine: a guest's files out of its images, without an appliance.
//!
//! | file | what it knows |
//! |---|---|
//! | `block` | the seam between what disks are made of and the file systems |
//! | `slice`, `bytes` | parts of a disk |
//! | `partition` | GPT and MBR |
//! | `lvm` | logical volumes of LVM2 |
//! | `content` | what is in a volume, by its magic numbers |
//! | `volumes` | all volumes on the disks of a guest |
//! | `fs` | file systems, a file for each |

mod block;
mod bytes;
mod content;
pub mod fs;
pub mod lvm;
pub mod partition;
mod slice;
#[cfg(test)]
mod testing;
mod volumes;

pub use self::block::Blocks;
pub use self::content::{Content, detect};
pub use self::slice::Slice;
pub use self::volumes::{Problem, Volume, VolumeKind, Volumes};
