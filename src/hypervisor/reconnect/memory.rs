//! The memory of guests over a connection that outlives a restart of the
//! daemon.

use super::Connection;
use crate::error::Result;
use crate::hypervisor::{Memory, Save};
use crate::model::{Domain, DomainState};

impl Memory for Connection {
    fn save(&self, domain: &Domain, how: Save) -> Result<()> {
        let save = |libvirt: &_| Memory::save(libvirt, domain, how);
        self.change_state(domain, save, |state| state == DomainState::Saved)
    }

    fn discard_saved(&self, domain: &Domain) -> Result<()> {
        // It is asked for twice only where it is there still.
        let discard = |libvirt: &_| Memory::discard_saved(libvirt, domain);
        self.change_state(domain, discard, |state| state != DomainState::Saved)
    }

    fn memory_job(&self, domain: &Domain) -> Result<Option<(u64, u64)>> {
        // One that waits for the daemon is waiting already.
        self.now().memory_job(domain)
    }

    fn abort_memory_job(&self, domain: &Domain) -> Result<()> {
        self.now().abort_memory_job(domain)
    }
}
