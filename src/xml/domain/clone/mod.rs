//! What the XML of a clone says instead of what its golden domain's says.
//!
//! Each file below is one subject and looks at its own elements only. The
//! tests have one claim for each of the rules.

mod chardevs;
mod devices;
mod disks;
mod firmware;
mod graphics;
mod identity;
mod metadata;
mod names;
mod network;
mod nics;
mod report;
mod rewriter;
mod seed;
mod smbios;
mod spec;

#[cfg(test)]
mod tests;

pub(super) use self::disks::chain;
pub use self::rewriter::{Rewriter, rewrite};
pub use self::spec::{BackingLayer, CloneSpec, HostdevRule, NewDisk, Note, NoteKind, Rewritten};
