//! The qcow2 format, as far as it is read and written here: the header
//! and the table of internal snapshots.
//!
//! The source is `docs/interop/qcow2.rst` of QEMU; what is refused follows
//! `qcow2_do_open()` in its `block/qcow2.c`, and goes beyond it where that
//! leaves a mistake to be found later.

mod bitmap;
mod extension;
mod header;
mod layout;
mod refcounts;
mod snapshot;
mod space;

pub use self::extension::{BitmapDirectory, Extension, FeatureName};
pub use self::header::{Compression, Encryption, Header, Incompatible, MAX_BACKING_NAME, is_qcow2};
pub(super) use self::layout::{Layout, MAX_L1_ENTRIES};
pub(super) use self::refcounts::{Refcounts, Taken};
pub use self::snapshot::Snapshot;
pub(super) use self::space::Space;
