//! Going on from a snapshot with memory.
//!
//! QEMU takes the disks back itself when it loads the memory, one after the
//! other, and libvirt replaces the definition before it starts QEMU; neither
//! undoes anything when the next step fails. So each image gets an undo snapshot
//! first, and libvirt a record of those as the current one, with the definition.
//! Whatever happens then: as long as that is the current one, libvirt has not
//! said that the guest goes on.

use std::path::PathBuf;
use std::time::SystemTime;

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::Resume;
use crate::image::snapshot as tags;
use crate::model::{Disk, Domain, Kept, RecordedSnapshot, SecretText, UNDO_PREFIX};
use crate::ops::guard::LeasedDisk;
use crate::ops::saved::watched;
use crate::ops::snapshot::apply::{WillApply, take_back};
use crate::ops::snapshot::create::{ImageOf, record};
use crate::ops::snapshot::delete::refuse_external;
use crate::ops::snapshot::held::{Held, intended, label};
use crate::ops::snapshot::{NamedRequest, Records, Subject, word};
use crate::ops::{Host, ShutOff};
use crate::store::{IntentDomain, Operation, SnapshotAct, SnapshotImage, SnapshotIntent, Step};
use crate::xml::domain;
use crate::xml::snapshot::{self, NewRecord};

/// A way back into memory that has been thought through but not gone. Nobody
/// can open the images while it lives.
pub struct MemoryApplyPlan<'a> {
    /// What goes back to what.
    pub will: WillApply,
    /// How the guest goes on, in libvirt's words.
    pub state: String,
    domain: Domain,
    held: Held<'a>,
    images: Vec<SnapshotImage>,
    recorded: i64,
    /// The snapshot that is the current one now.
    current: Option<String>,
    resume: Option<Resume>,
    tpm: bool,
    allow_dirs: Vec<PathBuf>,
}

/// Whether a snapshot has the memory of the guest in the images.
pub fn is_meant(record: &RecordedSnapshot) -> bool {
    record.memory == Kept::Internal
}

/// Works out the way back, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot; [`Kind::WrongState`] if the
/// domain is not shut off, its images were others then, or one lacks the
/// snapshot; those of [`WriteGuard`](crate::ops::guard::WriteGuard).
pub fn plan<'a>(
    host: Host<'a>,
    request: &NamedRequest,
    resume: Option<Resume>,
) -> Result<MemoryApplyPlan<'a>> {
    let (Subject::Domain(domain), name) = (&request.subject, &request.name) else {
        return Err(request.subject.no_snapshot(&request.name));
    };
    let held = Held::lock(host, &request.subject, &request.allow_dirs)?;
    let records = Records::read(host, domain)?;
    let record = records.named(name);
    let record = record.ok_or_else(|| request.subject.no_snapshot(name))?;
    refuse_external(record, &domain.name, "applied")?;
    let redefines = same_images(host, &held, domain, record)?;
    let mut images = Vec::new();
    let mut memory = 0_u64;
    for (disk, table) in held.tables()? {
        let mut tagged = table.iter().filter(|tag| tag.name == name.as_bytes());
        let (Some(tag), None) = (tagged.next(), tagged.next()) else {
            return Err(not_one(domain, name, &label(disk), tag_count(&table, name)));
        };
        memory = memory.saturating_add(tag.vm_state_size);
        images.push(intended(disk, tag.id.clone(), tag.name.clone()));
    }
    if memory == 0 {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "snapshot '{name}' of domain '{}' has lost its memory",
                domain.name
            ),
        ));
    }
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    Ok(MemoryApplyPlan {
        will: WillApply {
            domain: Some(domain.name.clone()),
            name: name.clone(),
            images: images.iter().map(ImageOf::of).collect(),
            variables: None,
            redefines,
            stays: Vec::new(),
        },
        state: match resume {
            Some(Resume::Running) => "running".to_owned(),
            Some(Resume::Paused) => "paused".to_owned(),
            None => record.state.clone(),
        },
        domain: domain.clone(),
        held,
        images,
        recorded: record.created,
        current: records.current.clone(),
        resume,
        tpm: facts.tpm_emulator,
        allow_dirs: request.allow_dirs.clone(),
    })
}

fn tag_count(table: &[crate::image::qcow2::Snapshot], name: &str) -> usize {
    let tagged = table.iter().filter(|tag| tag.name == name.as_bytes());
    tagged.count()
}

fn not_one(domain: &Domain, name: &str, image: &str, count: usize) -> Error {
    let what = match count {
        0 => "no snapshot".to_owned(),
        n => format!("{n} snapshots"),
    };
    Error::new(
        Kind::WrongState,
        format!(
            "{image} of domain '{}' has {what} '{name}', and must have one for the guest to go on \
             from there",
            domain.name
        ),
    )
    .hint(format!(
        "see which disk has which: `vmkin snapshot show -d {} {}`",
        word(&domain.name),
        word(name)
    ))
}

/// Makes sure that what QEMU will open is what is locked. Tells whether the
/// domain will start differently next, too.
fn same_images(
    host: Host<'_>,
    held: &Held<'_>,
    domain: &Domain,
    record: &RecordedSnapshot,
) -> Result<bool> {
    let name = &record.name;
    let document = host.hypervisor.secure_snapshot(domain, name)?;
    let document = document.ok_or_else(|| Subject::Domain(domain.clone()).no_snapshot(name))?;
    let now = host.hypervisor.secure_xml(domain)?;
    let (then, next) = snapshot::definitions(document.expose())?;
    let (Some(then), Some(next)) = (then, next) else {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "libvirt does not tell what domain '{}' was in snapshot '{name}'",
                domain.name
            ),
        ));
    };
    let (before, facts) = (domain::read(&then)?, domain::read(now.expose())?);
    let writable = |disks: &[Disk]| -> Vec<_> {
        let own = disks.iter().filter(|disk| !disk.readonly);
        own.map(|disk| (disk.target.clone(), disk.source.clone(), disk.format))
            .collect()
    };
    let same = writable(&before.disks) == writable(&held.disks)
        && before.nvram.as_ref().map(|nvram| &nvram.path)
            == facts.nvram.as_ref().map(|nvram| &nvram.path)
        && held.variables().is_none();
    if !same || before.uuid != Some(domain.uuid) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' had other disks when snapshot '{name}' was made, and must have those \
                 again",
                domain.name
            ),
        )
        .hint(format!(
            "see what they were: `virsh snapshot-dumpxml {} {}`",
            word(&domain.name),
            word(name)
        )));
    }
    Ok(!snapshot::same_definition(&next, now.expose()))
}

/// Lets the guest go on from there: with its memory and all its disks, or
/// everything is as it was.
///
/// # Errors
///
/// If libvirt does not get it to go on, all disks and the definition are what
/// they were; [`Kind::NotUndone`] if they could not be brought back, or what was
/// kept for that could not be removed.
pub fn apply(host: Host<'_>, plan: MemoryApplyPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let MemoryApplyPlan {
        will,
        domain,
        held,
        images,
        recorded,
        current,
        resume,
        tpm,
        allow_dirs,
        ..
    } = plan;
    let undo = format!("{UNDO_PREFIX}{}", Uuid::new_v4().simple());
    let intent = SnapshotIntent {
        act: SnapshotAct::ApplyMemory,
        domain: Some(IntentDomain::of(&domain)),
        name: will.name.clone(),
        recorded: Some(recorded),
        images,
        variables: None,
        undo: Some(undo.clone()),
        redefines: will.redefines,
        allow_dirs,
    };
    let before = host.hypervisor.secure_xml(&domain)?;
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let mut journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let undone = |held: &Held<'_>| -> Result<()> {
        let undone = undo_all(host, &domain, held, &intent, Some(&before));
        undone.map_err(|e| {
            e.with_kind(Kind::NotUndone).hint(
                "not all disks are what they were; when the cause is gone, `vmkin recover` brings \
                 them back",
            )
        })
    };
    if let Err(error) = keep(host, &domain, &held, &undo, current, &will.name, &before) {
        let error = host.stopped_by(error);
        undone(&held)?;
        journal.finish()?;
        return Err(error);
    }
    // From here on it is QEMU's turn to open the images. Libvirt cannot be told to
    // leave alone a guest that somebody starts in this very moment.
    drop(held);
    let failed = |error: Error| -> Result<Error> {
        let held = again(host, &domain, &intent, error.to_string())?;
        undone(&held)?;
        Ok(error)
    };
    let alone = crate::failpoint::hit("snapshot.released")
        .and_then(|()| ShutOff::check(host.hypervisor, &domain).map(drop));
    if let Err(error) = alone {
        let status = host.hypervisor.status(&domain).map_err(not_known)?;
        let error = if status.state.is_active() {
            // Somebody was faster, and on disks that nobody has touched.
            let gone = host.hypervisor.delete_snapshot(&domain, &undo);
            gone.map_err(not_known)?;
            error.context(format!("domain '{}' was started meanwhile", domain.name))
        } else {
            failed(error)?
        };
        journal.finish()?;
        return Err(error);
    }
    let what = format!(
        "going on from snapshot '{}' of '{}'",
        will.name, domain.name
    );
    let gone_on = watched(host, &domain, &what, || {
        host.hypervisor.revert_memory(&domain, &will.name, resume)
    })
    .and_then(|()| crate::failpoint::hit("snapshot.applied"));
    if let Err(error) = gone_on {
        if !goes_on(host, &domain, &will.name).map_err(not_known)? {
            if tpm {
                host.observer.warning(
                    "The state of its TPM may be that of the snapshot: QEMU loads it with the \
                     memory, and nobody undoes that.",
                );
            }
            let error = failed(error)?;
            journal.finish()?;
            return Err(error);
        }
        host.observer.warning(&format!("{error}."));
    }
    let tidied = journal
        .add(&[Step::Committed { files: Vec::new() }])
        .and_then(|()| crate::failpoint::hit("snapshot.committed"))
        .and_then(|()| host.hypervisor.delete_snapshot(&domain, &undo));
    tidied.map_err(|e| {
        e.with_kind(Kind::NotUndone).hint(
            "the guest goes on from the snapshot, and what is left is to tidy up: `vmkin recover`",
        )
    })?;
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "The guest goes on from snapshot '{}', but the journal is not closed ({error}); \
             `vmkin recover` does that.",
            will.name
        ));
    }
    Ok(())
}

/// Libvirt does not answer, or what was kept could not be removed.
fn not_known(error: Error) -> Error {
    error.with_kind(Kind::NotUndone).hint(
        "what the guest had before is kept; when the cause is gone, `vmkin recover` sees to the \
         rest",
    )
}

/// Keeps all that is needed to go back from there.
fn keep(
    host: Host<'_>,
    domain: &Domain,
    held: &Held<'_>,
    undo: &str,
    current: Option<String>,
    name: &str,
    before: &SecretText,
) -> Result<()> {
    crate::failpoint::hit("snapshot.begun")?;
    for disk in held.images() {
        host.interrupt.check()?;
        tags::create(
            disk.chain(),
            disk.lease(),
            undo.as_bytes(),
            host.interrupt.flag(),
        )?;
        crate::failpoint::hit("snapshot.saved")?;
    }
    held.guard.recheck()?;
    let description = format!("What there was before the guest went on from snapshot '{name}'");
    let kept = record(held, undo, Some(description), current, SystemTime::now());
    let document = NewRecord {
        snapshot: &kept,
        definition: before,
    };
    host.hypervisor
        .record_snapshot(domain, &document.document()?, true)?;
    crate::failpoint::hit("snapshot.recorded")?;
    host.interrupt.check()
}

/// Whether libvirt has let the guest go on from there.
pub(super) fn goes_on(host: Host<'_>, domain: &Domain, name: &str) -> Result<bool> {
    let current = Records::read(host, domain)?.current;
    Ok(current.as_deref() == Some(name))
}

/// Locks the images once more, after libvirt has failed.
fn again<'a>(
    host: Host<'a>,
    domain: &Domain,
    intent: &SnapshotIntent,
    why: String,
) -> Result<Held<'a>> {
    let subject = Subject::Domain(domain.clone());
    Held::lock(host, &subject, &intent.allow_dirs).map_err(|e| {
        e.context(why).with_kind(Kind::NotUndone).hint(
            "the disks may be at the snapshot or not; when the guest is shut off, `vmkin recover` \
             brings them back",
        )
    })
}

/// Brings the disks, the definition and libvirt's records to where they were.
pub(super) fn undo_all(
    host: Host<'_>,
    domain: &Domain,
    held: &Held<'_>,
    intent: &SnapshotIntent,
    before: Option<&SecretText>,
) -> Result<()> {
    let disks: Vec<&LeasedDisk> = held.images().collect();
    take_back(&disks, intent)?;
    if let Some(before) = before {
        let now = host.hypervisor.secure_xml(domain)?;
        if !snapshot::same_definition(now.expose(), before.expose()) {
            host.hypervisor.redefine(domain, before)?;
        }
    }
    match &intent.undo {
        // The current one is then what was it before.
        Some(undo) => host.hypervisor.forget_snapshot(domain, undo),
        None => Ok(()),
    }
}
