//! Work on disks, for which the `virt` crate has no calls.

use std::ffi::{CString, c_int};

use virt::domain::Domain as VirDomain;
use virt::error::Error as VirError;
use virt::sys;

use super::{Libvirt, failed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::BlockJobs;
use crate::model::{DiskTarget, Domain, Size};

impl BlockJobs for Libvirt {
    fn pull(&self, domain: &Domain, disk: &DiskTarget) -> Result<()> {
        let name = c_text(disk)?;
        let handle = self.handle(domain)?;
        // SAFETY: the handle and the text are alive as long as they are borrowed.
        #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
        let answer = unsafe { sys::virDomainBlockPull(handle.as_ptr(), name.as_ptr(), 0, 0) };
        answered(answer, || what("flatten", domain, disk)).map(drop)
    }

    fn block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<Option<(u64, u64)>> {
        let name = c_text(disk)?;
        let handle = self.handle(domain)?;
        let (there, info) = info(&handle, &name);
        let there = answered(there, || what("see how far the work is on", domain, disk))?;
        Ok((there > 0).then_some((info.cur, info.end)))
    }

    fn abort_block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<()> {
        let name = c_text(disk)?;
        let handle = self.handle(domain)?;
        // SAFETY: as above.
        #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
        let answer = unsafe { sys::virDomainBlockJobAbort(handle.as_ptr(), name.as_ptr(), 0) };
        answered(answer, || what("stop the work on", domain, disk)).map(drop)
    }

    fn resize_disk(&self, domain: &Domain, disk: &DiskTarget, size: Size) -> Result<()> {
        let handle = self.handle(domain)?;
        handle
            .block_resize(
                disk.as_str(),
                size.bytes(),
                sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES,
            )
            .map_err(|error| failed(&error, what("grow", domain, disk)))
    }
}

fn info(handle: &VirDomain, disk: &CString) -> (c_int, sys::virDomainBlockJobInfo) {
    let mut info = sys::virDomainBlockJobInfo {
        type_: 0,
        bandwidth: 0,
        cur: 0,
        end: 0,
    };
    // SAFETY: as above, and libvirt fills in the structure that is its own.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    let there =
        unsafe { sys::virDomainGetBlockJobInfo(handle.as_ptr(), disk.as_ptr(), &mut info, 0) };
    (there, info)
}

fn answered(answer: c_int, what: impl FnOnce() -> String) -> Result<c_int> {
    if answer < 0 {
        return Err(failed(&VirError::last_error(), what()));
    }
    Ok(answer)
}

fn what(act: &str, domain: &Domain, disk: &DiskTarget) -> String {
    format!("cannot {act} disk {disk} of domain '{}'", domain.name)
}

fn c_text(disk: &DiskTarget) -> Result<CString> {
    // It is of letters and digits.
    CString::new(disk.as_str()).map_err(|e| Error::wrap(Kind::Usage, "no name of a disk", e))
}
