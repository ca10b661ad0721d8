//! The memory of guests over a connection that outlives a restart of the
//! daemon.

use super::Connection;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor as _, Libvirt, Memory, Resume, Save};
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

    fn snapshot_memory(&self, domain: &Domain, name: &str, document: &str) -> Result<()> {
        let make = |libvirt: &Libvirt| libvirt.snapshot_memory(domain, name, document);
        self.change(make, |libvirt| {
            if libvirt.secure_snapshot(domain, name)?.is_some() {
                return Ok(Some(()));
            }
            // QEMU may still be at it: it is not asked for a second one.
            Err(Error::new(
                Kind::Libvirt,
                format!("libvirt was lost while it made snapshot '{name}'"),
            ))
        })
    }

    fn revert_memory(&self, domain: &Domain, name: &str, resume: Option<Resume>) -> Result<()> {
        let revert = |libvirt: &Libvirt| libvirt.revert_memory(domain, name, resume);
        self.change(revert, |libvirt| {
            let records = libvirt.snapshot_records(domain)?;
            if records.current.as_deref() == Some(name) {
                return Ok(Some(()));
            }
            // A guest that goes on by now would be thrown back once more.
            Err(Error::new(
                Kind::Libvirt,
                format!("libvirt was lost while it went back to snapshot '{name}'"),
            ))
        })
    }

    fn delete_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        self.ask(|libvirt| libvirt.delete_snapshot(domain, name))
    }

    fn abort_memory_job(&self, domain: &Domain) -> Result<()> {
        self.now().abort_memory_job(domain)
    }
}
