//! Making a snapshot of a guest that runs.

use std::time::SystemTime;

use super::{LiveImage, leftovers, live_facts, live_images};
use crate::error::{Error, Kind, Result};
use crate::image::snapshot as tags;
use crate::model::{Domain, DomainState, Kept};
use crate::ops::saved::{must_be_stored, watched};
use crate::ops::snapshot::create::{CreateRequest, WillCreate, after_the_time, exists};
use crate::ops::snapshot::{Records, Subject, word};
use crate::ops::{Host, snapshot::create::ImageOf};
use crate::store::{IntentDomain, Operation, SnapshotAct, SnapshotImage, SnapshotIntent};
use crate::xml::snapshot::asked;

/// A snapshot with memory that has been thought through but not made. The guest
/// goes on meanwhile.
pub struct MemoryPlan {
    /// What it is of, and where it will be.
    pub will: WillCreate,
    domain: Domain,
    /// What it was doing before.
    state: DomainState,
    document: String,
    live: Vec<LiveImage>,
    images: Vec<SnapshotImage>,
    request: CreateRequest,
}

/// Works out a new snapshot with memory. Changes nothing.
///
/// # Errors
///
/// [`Kind::Exists`] if there is one of this name, be it in one image alone;
/// [`Kind::WrongState`] if the domain is not running or paused, or what it can
/// write to cannot hold a snapshot.
pub fn plan(host: Host<'_>, domain: &Domain, request: &CreateRequest) -> Result<MemoryPlan> {
    host.must_be_here()?;
    let state = must_run(host, domain)?;
    let facts = live_facts(host, domain)?;
    let live = live_images(host, domain, &facts, &request.allow_dirs)?;
    let subject = Subject::Domain(domain.clone());
    let records = Records::read(host, domain)?;
    let tables: Vec<_> = live
        .iter()
        .map(|image| Ok((image, image.table()?)))
        .collect::<Result<_>>()?;
    let name = match &request.name {
        Some(name) => name.as_str().to_owned(),
        None => after_the_time(SystemTime::now(), |name| {
            let mut known = tables.iter();
            let tagged = known.any(|(_, table)| tags::named(table, name.as_bytes()).is_some());
            !tagged && records.named(name).is_none()
        }),
    };
    if records.named(&name).is_some() {
        return Err(exists(&subject, &name, None));
    }
    let mut images = Vec::new();
    for (image, table) in &tables {
        // Libvirt would make a second one of this name there, and be unable to
        // tell the two apart.
        if tags::named(table, name.as_bytes()).is_some() {
            return Err(exists(&subject, &name, Some(&image.label())));
        }
        let top = image.chain.top();
        images.push(SnapshotImage {
            target: image.target.clone(),
            path: top.path.clone(),
            format: top.format,
            file: top.file,
            id: tags::next_id(table),
            tag: name.clone().into_bytes(),
        });
    }
    drop(tables);
    let targets: Vec<&str> = live
        .iter()
        .filter_map(|image| image.target.as_ref())
        .map(|target| target.as_str())
        .collect();
    Ok(MemoryPlan {
        document: asked::with_memory(&name, request.description.as_deref(), &targets)?,
        will: WillCreate {
            domain: Some(domain.name.clone()),
            parent: records.current,
            images: images.iter().map(ImageOf::of).collect(),
            variables: None,
            name,
        },
        domain: domain.clone(),
        state,
        live,
        images,
        request: request.clone(),
    })
}

/// Tells of this where a guest was to be shut off for a snapshot and runs.
pub fn or_with_memory(host: Host<'_>, subject: &Subject, error: Error) -> Error {
    let Subject::Domain(domain) = subject else {
        return error;
    };
    let state = host.hypervisor.status(domain).map(|status| status.state);
    match state {
        Ok(DomainState::Running | DomainState::Paused) if error.kind() == Kind::WrongState => error
            .hint(format!(
                "or keep its memory too, and let it go on: `vmkin snapshot create --memory -d {}`",
                word(&domain.name)
            )),
        _ => error,
    }
}

fn must_run(host: Host<'_>, domain: &Domain) -> Result<DomainState> {
    let status = host.hypervisor.status(domain)?;
    let name = &domain.name;
    let error = |state| {
        Error::new(
            Kind::WrongState,
            format!("domain '{name}' is {state}, and must be running or paused to have memory"),
        )
    };
    match status.state {
        DomainState::Running | DomainState::Paused => {
            must_be_stored(domain, status.persistent).map(|()| status.state)
        }
        state @ DomainState::ShutOff => Err(error(state).hint(format!(
            "a snapshot of its disks needs no memory: `vmkin snapshot create -d {}`",
            word(name)
        ))),
        state @ DomainState::Saved => Err(error(state).hint(format!(
            "let it go on first: `vmkin restore -d {}`",
            word(name)
        ))),
        state => Err(error(state)),
    }
}

/// Makes it: of the memory and all disks, or nothing. The guest stands still
/// while its memory is written, and goes on; one that is paused stays so.
///
/// # Errors
///
/// If it fails, nothing of it is left; [`Kind::NotUndone`] if something is.
pub fn apply(host: Host<'_>, plan: &MemoryPlan) -> Result<()> {
    host.interrupt.check()?;
    let (domain, name) = (&plan.domain, &plan.will.name);
    let intent = SnapshotIntent {
        act: SnapshotAct::CreateMemory,
        domain: Some(IntentDomain::of(domain)),
        name: name.clone(),
        recorded: None,
        images: plan.images.clone(),
        variables: None,
        undo: None,
        redefines: false,
        allow_dirs: plan.request.allow_dirs.clone(),
    };
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let what = format!("making snapshot '{name}' of '{}'", domain.name);
    let mut made = false;
    let result = crate::failpoint::hit("snapshot.begun")
        .and_then(|()| {
            watched(host, domain, &what, || {
                host.hypervisor
                    .snapshot_memory(domain, name, &plan.document)
            })
        })
        .and_then(|()| {
            made = true;
            crate::failpoint::hit("snapshot.made")
        })
        .and_then(|()| verify(host, plan));
    if let Err(error) = result {
        take_back(host, plan, &intent, made).map_err(|e| e.with_kind(Kind::NotUndone))?;
        journal.finish()?;
        return Err(error);
    }
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "Snapshot '{name}' is made, but its journal not closed ({error}); `vmkin recover` does \
             that."
        ));
    }
    Ok(())
}

/// Looks whether it is where it was said to be.
fn verify(host: Host<'_>, plan: &MemoryPlan) -> Result<()> {
    let name = &plan.will.name;
    let was_said = |what: String| {
        Error::new(
            Kind::Storage,
            format!("snapshot '{name}' was said to be made, and {what}"),
        )
    };
    let records = Records::read(host, &plan.domain)?;
    let record = records.named(name);
    if record.is_none_or(|record| record.memory != Kept::Internal) {
        return Err(was_said("libvirt has no memory of it on record".to_owned()));
    }
    let mut memory = 0_u64;
    for image in &plan.live {
        let table = image.table()?;
        match tags::named(&table, name.as_bytes()) {
            Some(tag) => memory = memory.saturating_add(tag.vm_state_size),
            None => return Err(was_said(format!("{} does not have it", image.label()))),
        }
    }
    if memory == 0 {
        return Err(was_said("no image has its memory".to_owned()));
    }
    Ok(())
}

/// Deletes what was made of it, and lets a guest go on that did before: libvirt
/// leaves it paused when it is restarted meanwhile.
fn take_back(host: Host<'_>, plan: &MemoryPlan, intent: &SnapshotIntent, made: bool) -> Result<()> {
    let domain = &plan.domain;
    let now = host.hypervisor.status(domain)?.state;
    if plan.state == DomainState::Running && now == DomainState::Paused {
        // QEMU hears this when it is done with the snapshot.
        host.hypervisor.resume(domain)?;
    }
    if made {
        host.hypervisor.delete_snapshot(domain, &intent.name)?;
    } else if Records::read(host, domain)?.named(&intent.name).is_some() {
        // Libvirt keeps none that it could not make: somebody else was faster.
        return Ok(());
    }
    leftovers::remove(host, domain, intent).map(drop)
}
