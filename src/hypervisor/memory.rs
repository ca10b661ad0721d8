//! What operations need of the memory of guests.

use crate::error::Result;
use crate::model::Domain;

/// The memory of guests, kept for later.
pub trait Memory {
    /// Writes the memory of an active domain to a file that libvirt keeps, and
    /// ends the domain: its next start goes on from there. Returns when that is
    /// on the disk. If it fails, the domain goes on.
    fn save(&self, domain: &Domain, how: Save) -> Result<()>;

    /// Throws away what was saved of a domain.
    fn discard_saved(&self, domain: &Domain) -> Result<()>;

    /// How far libvirt is with what it is doing to the memory of a domain, in
    /// bytes: done, and in all, which is 0 if it does not say. `None` if it does
    /// nothing.
    fn memory_job(&self, domain: &Domain) -> Result<Option<(u64, u64)>>;

    /// Has libvirt make a snapshot of an active domain, with its memory. The
    /// document asks for it, and has this name in it.
    fn snapshot_memory(&self, domain: &Domain, name: &str, document: &str) -> Result<()>;

    /// Has libvirt start a domain that is shut off where it was when a snapshot
    /// with its memory was made; `None` means as it was, running or paused. Its
    /// disks go back and its definition is replaced, and nothing of that is
    /// undone if it fails.
    fn revert_memory(&self, domain: &Domain, name: &str, resume: Option<Resume>) -> Result<()>;

    /// Has libvirt delete a snapshot that it has on record, and what the images
    /// have of it; an external one is merged into what is below it. Does nothing if it has none of this name. The domain may be
    /// running.
    fn delete_snapshot(&self, domain: &Domain, name: &str) -> Result<()>;

    /// Has libvirt stop that.
    fn abort_memory_job(&self, domain: &Domain) -> Result<()>;
}

/// How the memory of a domain is saved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Save {
    /// How it is to go on: with its processors running or stopped; `None` as
    /// it is when it is saved.
    pub resume: Option<Resume>,
    /// Past the host's cache.
    pub bypass_cache: bool,
}

/// How a guest goes on whose memory is restored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resume {
    /// With its processors running.
    Running,
    /// With its processors stopped.
    Paused,
}
