//! What operations need of libvirt's storage volumes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::model::VolumeFacts;

/// The storage volumes of a host.
pub trait Volumes {
    /// The volume with this path, as libvirt spells it; `None` if no active pool
    /// has one, as far as libvirt has looked.
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>>;
}

/// A storage volume that is read through libvirt, wherever that is. Threads may
/// share it.
pub trait Volume: fmt::Debug + Send + Sync {
    /// What it is now.
    fn facts(&self) -> Result<VolumeFacts>;

    /// Reads up to `length` bytes from `offset`, both in bytes; fewer only if
    /// the volume ends.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>>;
}
