//! The other read engine, and the one that writes: libguestfs, for what takes a
//! kernel.
//!
//! It boots a small machine with the disks of the guest, read-only, and takes
//! seconds to do it. Encrypted volumes, software RAID and thin volumes are put
//! together there, and file systems that no library here reads are mounted.
//! `guestfish` is told what to do, and by the trait
//! [`FileSystem`](crate::guest::native::fs::FileSystem) nobody sees a difference.
//!
//! | file | what it knows |
//! |---|---|
//! | `kernel` | whether its kernel starts |
//! | `session` | talking to `guestfish`: quoting, answers, errors |
//! | `answer` | what its answers mean |
//! | `files` | a mounted file system behind the trait |
//! | `machine` | starting it, opening what is locked, finding file systems |
//! | `maker` | laying out a new disk, and filling it |
//! | `resizer` | moving the end of a disk: its last partition, volumes, file system |
//! | `shield` | what stands between it and the disks |
//! | `writer` | an appliance that changes guests, one after the other |
//! | `changes` | carrying the changes of one guest out |
//! | `local` | changes that come through a directory of this host |
//! | `live` | an appliance that changes one guest bit by bit, and reads it |
//! | `hand_over` | the user talking to it |
//! | `key` | keys of encrypted volumes |

mod answer;
mod changes;
mod files;
mod hand_over;
mod kernel;
mod key;
mod live;
mod local;
mod machine;
mod maker;
mod resizer;
mod session;
mod shield;
mod writer;

pub use self::changes::GuestDisks;
pub use self::hand_over::HandOver;
pub use self::key::{Key, KeyError};
pub use self::live::Live;
pub use self::machine::{Drive, open};
pub use self::maker::Maker;
pub use self::resizer::Resizer;
pub use self::writer::{MAX_DISKS, Writer};
