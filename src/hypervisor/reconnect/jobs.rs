//! Work on disks over a connection that outlives a restart of the daemon.

use super::Connection;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{BlockJobs, Libvirt};
use crate::model::{DiskTarget, Domain, Size};

impl BlockJobs for Connection {
    fn pull(&self, domain: &Domain, disk: &DiskTarget) -> Result<()> {
        let pull = |libvirt: &Libvirt| libvirt.pull(domain, disk);
        self.change(pull, |libvirt| match libvirt.block_job(domain, disk)? {
            Some(_) => Ok(Some(())),
            // It may be done by now, and not begun: whoever looks at the disk knows.
            None => Err(Error::new(
                Kind::Libvirt,
                format!("libvirt was lost when it was to work on disk {disk}"),
            )),
        })
    }

    fn block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<Option<(u64, u64)>> {
        self.ask(|libvirt| libvirt.block_job(domain, disk))
    }

    fn abort_block_job(&self, domain: &Domain, disk: &DiskTarget) -> Result<()> {
        self.ask(|libvirt| libvirt.abort_block_job(domain, disk))
    }

    fn resize_disk(&self, domain: &Domain, disk: &DiskTarget, size: Size) -> Result<()> {
        // Once more makes no difference.
        self.ask(|libvirt| libvirt.resize_disk(domain, disk, size))
    }
}
