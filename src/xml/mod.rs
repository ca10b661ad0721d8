//! Text in, text out: the documents libvirt speaks, edited in place.
//!
//! Documents are not parsed into structs and written out again, because that
//! loses what this program has never heard of: elements from the future,
//! comments, the order, other tools' metadata. Instead each element is known
//! by the bytes it occupies ([`span`]), and a change is a list of byte ranges
//! with their replacements ([`splice`]), so that every byte that is not meant
//! to change is identical by construction.
//!
//! Nothing here reads a file, a clock or a random number.

pub mod capabilities;
pub mod domain;
pub mod inspector;
pub mod network;
pub mod osinfo;
pub mod pool;
pub mod snapshot;
pub mod volume;

mod escape;
mod span;
mod splice;
