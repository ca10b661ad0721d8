//! Guests from images that are no domain's yet: `virt-install --import`, for one
//! or for hundreds.
//!
//! This works out what the guests are to be (a [`Blueprint`](crate::ops::blueprint::Blueprint)); what is made, and
//! in which order, is that of clones, with all that keeps those whole.
//!
//! * `wishes`: what the user wants, and what a template wants besides;
//! * `design`: what the guests are to be;
//! * `profile`: what the operating system wants;
//! * `machine`: what the host can run;
//! * `images`: the images of the host, this one or another;
//! * `drives`: which disks there are, and what is on them.

mod design;
mod drives;
#[cfg(test)]
mod far_tests;
mod images;
mod machine;
mod profile;
#[cfg(test)]
mod tests;
mod wishes;

pub use self::design::{Designed, design, sample, start_with_host};
pub use self::wishes::{Graphics, Wishes};
