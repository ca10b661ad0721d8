//! vmkin, a VM lifecycle manager for libvirt.
//!
//! The layers, each of which may use only what stands to the right of it
//! (`tests/layers.rs` keeps it so):
//!
//! ```text
//! cli → ops → { hypervisor, guest → image, osinfo, store } → { xml, process, template } → { model, error }
//! ```
//!
//! See `docs/architecture.md` for the life of one command.

pub mod cli;
pub mod error;
mod failpoint;
pub mod guest;
pub mod hypervisor;
pub mod image;
pub mod interrupt;
pub mod model;
pub mod ops;
pub mod osinfo;
pub mod process;
pub mod store;
pub mod template;
pub mod xml;
