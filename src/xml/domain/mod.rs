//! Domain XML: what it says, and what a clone of the domain must say instead.

mod clone;
mod facts;
mod lineage;
mod network;
mod read;
mod rechain;
mod repoint;
mod secrets;

pub use self::clone::{
    BackingLayer, CloneSpec, HostdevRule, NewDisk, Note, NoteKind, Rewriter, Rewritten, rewrite,
};
pub use self::facts::{DomainFacts, Graphics};
pub use self::lineage::LINEAGE_NAMESPACE;
pub use self::read::read;
pub use self::rechain::{Rechained, rechained};
pub use self::repoint::{Repoint, repointed};
pub(super) use self::repoint::{repoint_disk, repoint_domain};
pub use self::secrets::{redacted, without_secrets};
