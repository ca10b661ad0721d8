//! Copying files and trees of a guest to the host.
//!
//! A guest is hostile: a name in it may be `..`, a link may lead to
//! `/etc/shadow`, a name may be there twice, once as a link. So everything goes
//! into a directory that was made for it and that nobody else can enter; no
//! symbolic link is followed on the way and none is made before all else is
//! there; and at the end it gets the name that was asked for, if nobody has it.

mod copy;
mod dir;
mod tar;

pub use self::copy::{Copied, Keep, copy, measure};
pub use self::tar::write as write_tar;

#[cfg(test)]
mod tests;
