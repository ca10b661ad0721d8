//! Reading the files of guests: which disks, by which rules, and what there is.
//!
//! Locks are looked at before and after, and none is held: a lock that a reader
//! holds can make somebody's start of the guest fail. What is on another host is
//! read through libvirt, where there are no locks to look at.

pub mod df;

mod hand_over;
mod open;
mod there;
mod watch;

pub(in crate::ops) use self::hand_over::to_guestfish;
pub use self::open::{Engine, Guest, View, domains, domains_of_each};
pub(in crate::ops) use self::there::{chain_there, image_there, must_be_plain, no_volume};
