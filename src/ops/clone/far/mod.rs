//! Clones on another host, made through its libvirtd alone.
//!
//! Their files are volumes of its storage pools: made empty under their own
//! names, which nobody else can have then, put on record as ours, and filled.
//! Images there cannot be locked or sealed from here, so the state of the golden
//! domain and what its images look like is compared before and after.
//!
//! * `there`: the place, as [`Site`](super::site::Site) has it;
//! * `contents`: what is in the files of a clone;
//! * `copies`: disks that libvirt copies there by itself;
//! * `looks`: what can be known of bases there;
//! * `pools`: the storage pools that there are;
//! * `take_back`: removing volumes that were made, now or by the next run.

mod contents;
mod copies;
mod looks;
mod pools;
mod take_back;
#[cfg(test)]
mod tests;
mod there;

pub(in crate::ops) use self::contents::{Contents, begins_empty, is_empty};
pub(in crate::ops) use self::copies::intent as copied;
pub(in crate::ops) use self::looks::{identity, path_there, user_there};
pub(in crate::ops) use self::take_back::{remove_if, remove_volume, take_back_volumes};
pub(super) use self::there::There;
