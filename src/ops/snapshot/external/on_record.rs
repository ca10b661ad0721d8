//! An external snapshot and its domain, locked.

use crate::error::Result;
use crate::model::{Domain, RecordedSnapshot, SecretText};
use crate::ops::guard::{Allowed, LeasedDisk, Locked, Wanted, WriteGuard};
use crate::ops::snapshot::{NamedRequest, Records, Subject, variables};
use crate::ops::{Host, Usage};
use crate::store::SavedVariables;

/// An external snapshot that is on record, and the locked images of its domain.
pub(super) struct OnRecord<'a> {
    pub(super) domain: Domain,
    pub(super) guard: WriteGuard<'a>,
    /// Who uses which image, as it was when they were locked.
    pub(super) usage: Usage,
    pub(super) records: Records,
    pub(super) record: RecordedSnapshot,
    /// What libvirt has on record of it, secrets and all.
    pub(super) document: SecretText,
}

impl<'a> OnRecord<'a> {
    /// Locks the images, and reads what is on record after that.
    pub(super) fn take(host: Host<'a>, request: &NamedRequest) -> Result<Self> {
        let name = &request.name;
        let Subject::Domain(domain) = &request.subject else {
            return Err(request.subject.no_snapshot(name));
        };
        let wanted = Wanted {
            targets: &[],
            allow: allowed(request),
            variables: true,
        };
        let locked = Locked::domain(host, domain, wanted)?;
        let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
        let guard = locked.examine(&usage)?;
        let records = Records::read(host, domain)?;
        let record = records.named(name).cloned();
        let document = host.hypervisor.secure_snapshot(domain, name)?;
        let (Some(record), Some(document)) = (record, document) else {
            return Err(request.subject.no_snapshot(name));
        };
        Ok(Self {
            domain: domain.clone(),
            guard,
            usage,
            records,
            record,
            document,
        })
    }

    /// The disks that are locked, without the UEFI variables.
    pub(super) fn disks(&self) -> impl Iterator<Item = &LeasedDisk> {
        let all = self.guard.disks().iter();
        all.filter(|disk| disk.target().is_some())
    }

    /// The UEFI variables, and the copy that belongs to the snapshot if there is
    /// one; `None` if the domain has none.
    pub(super) fn variables(&self) -> Result<Option<SavedVariables>> {
        let mut all = self.guard.disks().iter();
        all.find(|disk| disk.target().is_none())
            .map(|disk| variables::plan(disk.lease().image().real_path(), &self.record.name))
            .transpose()
    }
}

/// What is allowed of the images of a request.
pub(super) fn allowed(request: &NamedRequest) -> Allowed<'_> {
    Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    }
}
