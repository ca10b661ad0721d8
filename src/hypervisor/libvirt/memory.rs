//! The memory of guests, and what libvirt says of its work on it.

use virt::domain::Domain as VirDomain;
use virt::enumutil::Enum::Known;
use virt::error::{Error as VirError, ErrorNumber as Code};
use virt::sys;

use super::snapshots::find;
use super::{Libvirt, failed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Memory, Resume, Save};
use crate::model::Domain;

impl Memory for Libvirt {
    fn save(&self, domain: &Domain, how: Save) -> Result<()> {
        let mut flags = match how.resume {
            None => 0,
            Some(Resume::Running) => sys::VIR_DOMAIN_SAVE_RUNNING,
            Some(Resume::Paused) => sys::VIR_DOMAIN_SAVE_PAUSED,
        };
        if how.bypass_cache {
            flags |= sys::VIR_DOMAIN_SAVE_BYPASS_CACHE;
        }
        self.call(domain, "save", |handle| handle.managed_save(flags))
    }

    fn discard_saved(&self, domain: &Domain) -> Result<()> {
        self.call(domain, "throw away the memory of", |handle| {
            handle.managed_save_remove(0)
        })
    }

    fn memory_job(&self, domain: &Domain) -> Result<Option<(u64, u64)>> {
        // Not `job_stats`, of which virt 0.5.0 makes a vector of a null pointer
        // where there is no job.
        let info = match self.handle(domain)?.job_info() {
            Ok(info) => info,
            // It has ended by now, or this driver does not tell.
            Err(e) if matches!(e.code(), Known(Code::OperationInvalid | Code::NoSupport)) => {
                return Ok(None);
            }
            Err(e) => {
                let what = format!("cannot see how far '{}' is", domain.name);
                return Err(failed(&e, what));
            }
        };
        let done = info.data_processed.unwrap_or(0);
        let total = info.data_total.unwrap_or(0);
        let none = i32::try_from(sys::VIR_DOMAIN_JOB_NONE) == Ok(info.r#type);
        Ok((!none).then_some((done.min(total), total)))
    }

    fn snapshot_memory(&self, domain: &Domain, name: &str, document: &str) -> Result<()> {
        let handle = self.handle(domain)?;
        match handle.create_snapshot_xml(document, 0) {
            Ok(_) => Ok(()),
            Err(e) => {
                let what = format!("cannot make snapshot '{name}' of '{}'", domain.name);
                Err(failed(&e, what))
            }
        }
    }

    fn revert_memory(&self, domain: &Domain, name: &str, resume: Option<Resume>) -> Result<()> {
        let flags = match resume {
            None => 0,
            Some(Resume::Running) => sys::VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING,
            Some(Resume::Paused) => sys::VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED,
        };
        let what = || format!("cannot let '{}' go on from snapshot '{name}'", domain.name);
        let Some(snapshot) = find(self, domain, name)? else {
            return Err(Error::new(Kind::NotFound, what()));
        };
        snapshot.revert(flags).map_err(|e| failed(&e, what()))
    }

    fn delete_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        let Some(snapshot) = find(self, domain, name)? else {
            return Ok(());
        };
        snapshot.delete(0).map_err(|e| {
            let what = format!("cannot delete snapshot '{name}' of '{}'", domain.name);
            failed(&e, what)
        })
    }

    fn abort_memory_job(&self, domain: &Domain) -> Result<()> {
        self.call(domain, "stop the work on", abort_job)
    }
}

/// The `virt` crate has no call for it.
fn abort_job(handle: &VirDomain) -> std::result::Result<(), VirError> {
    // SAFETY: the handle is alive as long as it is borrowed.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    let answer = unsafe { sys::virDomainAbortJob(handle.as_ptr()) };
    if answer < 0 {
        return Err(VirError::last_error());
    }
    Ok(())
}
