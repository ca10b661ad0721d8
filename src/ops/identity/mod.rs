//! Who guests are to be, and how they are told without touching their disks:
//! for everything that makes guests.
//!
//! * `choice`: which channel, and what does not go together;
//! * `documents`: what cloud-init is told;
//! * `password`: a password as guests keep it.

mod choice;
mod documents;
pub(super) mod password;
#[cfg(test)]
mod tests;

pub use self::choice::{Guest, Machine, Prepared, Told, prepare};
