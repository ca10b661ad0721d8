//! Images on another host, read in pieces by somebody who can.
//!
//! What that is, is not known here: something that finds a volume by its path
//! and reads a part of it, at the price of going there and back. So as little
//! as possible is asked for, once, and a little more where it goes on.
//!
//! | file | what it knows |
//! |---|---|
//! | `files` | the layers of a disk, found by their names alone |
//! | `image` | one of them: which pieces are there, and which to ask for |
//! | `ahead` | how far to read beyond what is asked for |

mod ahead;
mod files;
mod image;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::error::Result;
use crate::model::VolumeFacts;

pub use self::files::Remote;

/// Finds the images of another host.
pub trait Finder {
    /// The image at this path there.
    ///
    /// # Errors
    ///
    /// Why there is none, or none that can be read.
    fn find(&self, path: &Path) -> Result<Box<dyn Ranges>>;
}

/// An image that can be read in pieces.
pub trait Ranges: fmt::Debug + Send + Sync {
    /// What it is now.
    ///
    /// # Errors
    ///
    /// If nobody can tell.
    fn facts(&self) -> Result<VolumeFacts>;

    /// Reads up to `length` bytes from `offset`, both in bytes; fewer only if
    /// the image ends.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>>;
}
