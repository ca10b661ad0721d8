//! The memory of guests that are not there.

use std::sync::atomic::Ordering;

use super::Fake;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor as _, Memory, Resume, Save, Start};
use crate::model::{Domain, DomainState};

impl Memory for Fake {
    fn save(&self, domain: &Domain, _how: Save) -> Result<()> {
        while self.slow_save.load(Ordering::SeqCst) {
            if self.aborted.load(Ordering::SeqCst) {
                return Err(Error::new(Kind::Libvirt, "canceled by client"));
            }
            std::thread::yield_now();
        }
        self.with_domain(domain, |d| {
            d.state = DomainState::Saved;
            Ok(())
        })
    }

    fn discard_saved(&self, domain: &Domain) -> Result<()> {
        self.with_domain(domain, |d| {
            d.state = DomainState::ShutOff;
            Ok(())
        })
    }

    fn memory_job(&self, _domain: &Domain) -> Result<Option<(u64, u64)>> {
        Ok(self.slow_save.load(Ordering::SeqCst).then_some((1, 2)))
    }

    fn snapshot_memory(&self, domain: &Domain, _name: &str, document: &str) -> Result<()> {
        self.record_snapshot(domain, &document.to_owned().into(), true)
    }

    fn revert_memory(&self, domain: &Domain, name: &str, _resume: Option<Resume>) -> Result<()> {
        if self.refuse_start.as_ref() == Some(&domain.name) {
            // As libvirt does: the definition is another one then.
            self.with_domain(domain, |d| {
                d.xml = d.xml.replace("1024", "4096");
                Ok(())
            })?;
        }
        self.start(domain, Start::default())?;
        self.with_domain(domain, |d| {
            d.current_snapshot = Some(name.to_owned());
            Ok(())
        })
    }

    fn delete_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        self.forget_snapshot(domain, name)
    }

    fn abort_memory_job(&self, _domain: &Domain) -> Result<()> {
        self.aborted.store(true, Ordering::SeqCst);
        Ok(())
    }
}
