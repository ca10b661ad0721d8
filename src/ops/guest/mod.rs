//! Reading the files of guests: which disks, by which rules, and what there is.
//!
//! Locks are looked at before and after, and none is held: a lock that a reader
//! holds can make somebody's start of the guest fail.

pub mod df;

mod open;

pub use self::open::{Engine, Guest, View, domains};
