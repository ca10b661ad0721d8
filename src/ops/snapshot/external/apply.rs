//! Going back to an external snapshot: the guest gets fresh overlays on what
//! was there when it was made.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::apply::WillApply;
use super::super::create::ImageOf;
use super::super::held::intended;
use super::super::{NamedRequest, TPM_STAYS, VARIABLES_STAY, recover, variables, word};
use super::checks::{chain_for_overlay, refuse_comma, refuse_tags_in};
use super::external_disks;
use super::on_record::{OnRecord, allowed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::SnapshotCall;
use crate::image::{self, shown};
use crate::model::{Disk, Domain, FileId, Layer};
use crate::ops::guard::{LeasedDisk, WriteGuard};
use crate::ops::{Host, Usage};
use crate::store::{
    IntentDomain, Operation, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
};
use crate::xml::{domain, snapshot};

/// A way back that has been thought through but not gone. Nobody can open the
/// images while it lives.
pub struct RevertPlan<'a> {
    /// What goes back to what.
    pub will: WillApply,
    guard: WriteGuard<'a>,
    domain: Domain,
    images: Vec<SnapshotImage>,
    variables: Option<SavedVariables>,
    allow_dirs: Vec<PathBuf>,
}

/// Works out the way back, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot; [`Kind::WrongState`] if the
/// domain is not shut off, or has other disks than it had then;
/// [`Kind::Protected`] if others are based on what the guest writes to now,
/// which goes; [`Kind::Unsafe`] if what it goes back to is not there or not to
/// be trusted; those of [`WriteGuard`].
pub fn plan<'a>(host: Host<'a>, request: &NamedRequest) -> Result<RevertPlan<'a>> {
    let locked = OnRecord::take(host, request)?;
    let domain = &locked.domain;
    let then = snapshot::domain_then(locked.document.expose())?;
    let then = then.map(domain::read).transpose()?;
    let has_tpm = then.as_ref().is_some_and(|facts| facts.tpm_emulator);
    let then = then.map_or_else(Vec::new, |facts| facts.disks);
    let trust = allowed(request).trust(host, &then)?;
    let own = locked.usage.index_of(domain.uuid);
    let mut images = Vec::new();
    for target in external_disks(&locked.record) {
        let disk = then.iter().find(|disk| disk.target.as_str() == target);
        let disk = disk.ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                format!(
                    "libvirt does not tell what disk {target} of '{}' was",
                    domain.name
                ),
            )
        })?;
        let chain = chain_for_overlay(host, domain, disk, &trust)
            .map_err(|e| e.context(format!("disk {target} cannot go back")))?;
        refuse_comma(&chain.top().path)?;
        nobody_writes_to(&locked.usage, own, chain.top())?;
        images.push(ImageOf {
            target: Some(disk.target.clone()),
            path: chain.top().path.clone(),
        });
    }
    same_disks(&locked, &images)?;
    refuse_losses(host, &locked)?;
    let mut stays = Vec::new();
    if has_tpm {
        stays.push(TPM_STAYS.to_owned());
    }
    let found = locked.variables()?;
    let saved = found.clone().filter(|saved| saved.file.is_some());
    if found.is_some() && saved.is_none() {
        stays.push(VARIABLES_STAY.to_owned());
    }
    Ok(RevertPlan {
        will: WillApply {
            domain: Some(domain.name.clone()),
            name: request.name.clone(),
            images,
            variables: saved.as_ref().map(|saved| saved.path.clone()),
            redefines: true,
            stays,
        },
        // So that the next run can tell whether they still are that.
        images: locked
            .disks()
            .map(|disk| intended(disk, Vec::new(), Vec::new()))
            .collect(),
        guard: locked.guard,
        domain: locked.domain,
        variables: saved,
        allow_dirs: request.allow_dirs.clone(),
    })
}

/// Refuses to put an overlay on what another domain writes to.
fn nobody_writes_to(usage: &Usage, own: Option<usize>, base: &Layer) -> Result<()> {
    let mut others = usage.of(base.file).iter();
    let other = others.find(|one| one.writes && Some(one.domain) != own);
    let Some(other) = other.and_then(|one| usage.domain(one)) else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} is a disk of domain '{}' by now, and would be under the disk that goes back",
            shown(&base.path),
            other.domain.name
        ),
    ))
}

/// Refuses where some disks would go back and others not: all or none.
fn same_disks(locked: &OnRecord<'_>, images: &[ImageOf]) -> Result<()> {
    let own = locked.disks().filter_map(LeasedDisk::target);
    let lacking: Vec<&str> = own
        .filter(|target| {
            let mut images = images.iter();
            !images.any(|image| image.target.as_ref() == Some(*target))
        })
        .map(|target| target.as_str())
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} of domain '{}' has no part in snapshot '{}', and all disks go back or none",
            lacking.join(", "),
            locked.domain.name,
            locked.record.name
        ),
    ))
}

/// Libvirt removes the overlays that the guest writes to now, and those that it
/// had when the current snapshot was made, and does not look what is lost with
/// them.
fn refuse_losses(host: Host<'_>, locked: &OnRecord<'_>) -> Result<()> {
    let domain = &locked.domain;
    let mut tops = Vec::new();
    for disk in locked.disks() {
        let top = disk.chain().top();
        // That nobody is based on it, the guard has seen. What was there before the first snapshot stays.
        if disk.chain().layers().len() > 1 {
            refuse_tags_in(domain, top)?;
        }
        tops.push(top.file);
    }
    let Some(current) = &locked.records.current else {
        return Ok(());
    };
    let Some(document) = host.hypervisor.secure_snapshot(domain, current)? else {
        return Ok(());
    };
    for path in snapshot::current_overlays(document.expose())? {
        let Some(file) = image::file_id(&path)? else {
            continue;
        };
        if !tops.contains(&file) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "libvirt would remove {}, in which domain '{}' went on after snapshot \
                     '{current}', and which is none of its disks any more",
                    shown(&path),
                    domain.name
                ),
            )
            .hint(format!(
                "give the domain that disk back, or move the file away: `virsh dumpxml {}` has \
                 the disks",
                word(&domain.name)
            )));
        }
    }
    Ok(())
}

/// Waits until libvirt can name the new overlays: after the second in which it
/// makes them, which may be taken already.
fn wait_for_names(bases: &[ImageOf]) {
    let taken = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let second = since.map_or(0, |since| since.as_secs()).to_string();
        let mut overlays = bases.iter().map(|base| base.path.with_extension(&second));
        overlays.any(|overlay| overlay.symlink_metadata().is_ok())
    };
    while taken() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Goes back: all disks, or none.
///
/// # Errors
///
/// If libvirt refuses, nothing has changed; [`Kind::NotUndone`] if the UEFI
/// variables could not be put back.
pub fn apply(host: Host<'_>, plan: RevertPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let RevertPlan {
        will,
        guard,
        domain,
        images,
        variables,
        allow_dirs,
    } = plan;
    let call = SnapshotCall::Revert {
        name: will.name.clone(),
    };
    guard.recheck()?;
    let Some(saved) = variables else {
        // Libvirt locks the images itself, and finds them locked else.
        drop(guard);
        crate::failpoint::hit("snapshot.begun")?;
        wait_for_names(&will.images);
        return host.hypervisor.snapshot(&domain, &call);
    };
    let intent = SnapshotIntent {
        act: SnapshotAct::Revert,
        domain: Some(IntentDomain::of(&domain)),
        name: will.name.clone(),
        recorded: None,
        images,
        variables: Some(saved.clone()),
        undo: None,
        redefines: false,
        allow_dirs,
    };
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let reverted = (|| {
        crate::failpoint::hit("snapshot.begun")?;
        let mut disks = guard.disks().iter();
        if let Some(disk) = disks.find(|disk| disk.target().is_none()) {
            variables::restore(&saved, disk.lease())?;
        }
        crate::failpoint::hit("snapshot.variables")?;
        drop(guard);
        wait_for_names(&will.images);
        host.hypervisor.snapshot(&domain, &call)?;
        crate::failpoint::hit("snapshot.applied")
    })();
    // By what the domain has now: libvirt may have failed after it was done.
    let settled = recover::settle(host, &intent, &[], Duration::ZERO);
    let error = reverted.err().map(|error| host.stopped_by(error));
    settled.map_err(|e| {
        e.with_kind(Kind::NotUndone)
            .hint("when the cause is gone, `vmkin recover` sets the UEFI variables right")
    })?;
    journal.finish()?;
    error.map_or(Ok(()), Err)
}

/// Whether every disk of an intent is another file by now: then libvirt has
/// gone back.
pub(in super::super) fn has_gone_back(
    host: Host<'_>,
    domain: &Domain,
    images: &[SnapshotImage],
) -> Result<bool> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let mut now: Vec<FileId> = Vec::new();
    for disk in facts.disks.iter().filter(|disk| Disk::is_private(disk)) {
        let path = crate::ops::images::path_of(host.hypervisor, &disk.source)?;
        now.extend(path.as_deref().and_then(image::id_of));
    }
    Ok(!images.iter().any(|image| now.contains(&image.file)))
}
