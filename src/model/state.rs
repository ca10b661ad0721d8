//! Whether a domain is running.

use std::fmt;

use serde::{Serialize, Serializer};

/// The state of a domain, as far as this program cares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DomainState {
    /// Executing, or about to. Whatever libvirt invents next counts as this,
    /// because it is the safe side.
    Running,
    /// In memory but not executing.
    Paused,
    /// Asked to shut down, and still executing.
    ShuttingDown,
    /// In memory, with its guest suspended to RAM.
    PmSuspended,
    /// Crashed, and kept in memory for a look at it.
    Crashed,
    /// Not in memory, and its disks are complete.
    ShutOff,
    /// Not in memory, but a managed save image holds its memory.
    ///
    /// Libvirt calls this "shut off" too. It is a state of its own here
    /// because the next start restores that memory, which still has parts of
    /// the old disk contents cached: changing the disks now would corrupt them.
    Saved,
}

impl DomainState {
    /// Whether a process of the hypervisor exists for the domain.
    pub fn is_active(self) -> bool {
        !matches!(self, Self::ShutOff | Self::Saved)
    }
}

impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words virsh prints, so that users can search for them.
        f.pad(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::ShuttingDown => "in shutdown",
            Self::PmSuspended => "pmsuspended",
            Self::Crashed => "crashed",
            Self::ShutOff => "shut off",
            Self::Saved => "saved",
        })
    }
}

impl Serialize for DomainState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
