//! Making a snapshot.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use serde::Serialize;

use super::held::{Held, intended, label};
use super::{NO_TPM, Records, Subject, variables};
use crate::error::{Error, Kind, Result};
use crate::image::snapshot as tags;
use crate::model::{Disk, DiskTarget, Kept, RecordedDisk, RecordedSnapshot, SnapshotName};
use crate::ops::Host;
use crate::store::{
    IntentDomain, Journal, Operation, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
    Step,
};
use crate::xml::snapshot::NewRecord;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// Of what.
    pub subject: Subject,
    /// What it is called; without one, after the time.
    pub name: Option<SnapshotName>,
    /// What somebody has to say about it.
    pub description: Option<String>,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A snapshot that has been thought through but not made. Nobody can open the
/// images while it lives.
pub struct CreatePlan<'a> {
    /// What it is of, and where it will be.
    pub will: WillCreate,
    held: Held<'a>,
    record: Option<RecordedSnapshot>,
    images: Vec<SnapshotImage>,
    variables: Option<SavedVariables>,
    request: CreateRequest,
}

/// A new snapshot, for the user.
#[derive(Clone, Debug, Serialize)]
pub struct WillCreate {
    /// The domain; `None` for an image that no domain has.
    pub domain: Option<String>,
    /// Its name.
    pub name: String,
    /// The snapshot that it comes after.
    pub parent: Option<String>,
    /// The images that hold it.
    pub images: Vec<ImageOf>,
    /// The copy of the UEFI variables that belongs to it.
    pub variables: Option<PathBuf>,
}

/// An image that a snapshot is in.
#[derive(Clone, Debug, Serialize)]
pub struct ImageOf {
    /// Its name in the domain; `None` for UEFI variables, and for an image
    /// that no domain has.
    pub target: Option<DiskTarget>,
    /// Where it is.
    pub path: PathBuf,
}

impl ImageOf {
    pub(super) fn of(image: &SnapshotImage) -> Self {
        Self {
            target: image.target.clone(),
            path: image.path.clone(),
        }
    }
}

/// Works out a new snapshot, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::Exists`] if there is one of this name; [`Kind::WrongState`] if the
/// domain is not shut off, or a disk of it cannot hold a snapshot; those of
/// [`WriteGuard`](crate::ops::guard::WriteGuard).
pub fn plan<'a>(host: Host<'a>, request: &CreateRequest) -> Result<CreatePlan<'a>> {
    let held = Held::lock(host, &request.subject, &request.allow_dirs)?;
    let records = Records::of(host, &request.subject)?;
    let tables = held.tables()?;
    let now = SystemTime::now();
    let is_free = |name: &str| {
        let known = tables.iter();
        let mut known = known.filter_map(|(_, table)| tags::named(table, name.as_bytes()));
        records.named(name).is_none() && known.next().is_none()
    };
    let name = match &request.name {
        Some(name) => name.as_str().to_owned(),
        None => after_the_time(now, is_free),
    };
    if records.named(&name).is_some() {
        return Err(exists(&request.subject, &name, None));
    }
    let mut images = Vec::new();
    for (disk, table) in &tables {
        if tags::named(table, name.as_bytes()).is_some() {
            return Err(exists(&request.subject, &name, Some(&label(disk))));
        }
        images.push(intended(
            disk,
            tags::next_id(table),
            name.clone().into_bytes(),
        ));
    }
    drop(tables);
    // Those that are not there yet are made from a template when it starts.
    let raw = held.variables();
    let variables = raw
        .map(|disk| variables::plan(disk.lease().image().real_path(), &name))
        .transpose()?;
    if let Some(saved) = variables.as_ref().filter(|saved| saved.file.is_some()) {
        return Err(variables::taken(&saved.copy.path, &request.subject, &name));
    }
    let record = match &request.subject {
        Subject::Domain(_) => Some(record(
            &held,
            &name,
            request.description.clone(),
            records.current,
            now,
        )),
        Subject::Image { .. } => None,
    };
    Ok(CreatePlan {
        will: WillCreate {
            domain: held.guard.owner().map(|domain| domain.name.clone()),
            parent: record.as_ref().and_then(|record| record.parent.clone()),
            images: images.iter().map(ImageOf::of).collect(),
            variables: variables.as_ref().map(|saved| saved.copy.path.clone()),
            name,
        },
        held,
        record,
        images,
        variables,
        request: request.clone(),
    })
}

/// A name that tells when it was made, and is free.
pub(super) fn after_the_time(now: SystemTime, is_free: impl Fn(&str) -> bool) -> String {
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let name = time.replace('T', "-").replace([':', 'Z'], "");
    let more = (2..).map(|n: u32| format!("{name}-{n}"));
    let mut names = std::iter::once(name.clone()).chain(more);
    names.find(|name| is_free(name)).unwrap_or(name)
}

pub(super) fn exists(subject: &Subject, name: &str, disk: Option<&str>) -> Error {
    let what = match (disk, subject) {
        (Some(disk), Subject::Domain(domain)) => format!(
            "{disk} of domain '{}' has a snapshot '{name}' already, which libvirt does not know",
            domain.name
        ),
        _ => format!("{} has a snapshot '{name}' already", subject.shown()),
    };
    Error::new(Kind::Exists, what).hint(format!(
        "see which there are: `vmkin snapshot list {}`",
        subject.options()
    ))
}

/// What libvirt is to have on record of it.
pub(super) fn record(
    held: &Held<'_>,
    name: &str,
    description: Option<String>,
    parent: Option<String>,
    now: SystemTime,
) -> RecordedSnapshot {
    let has_part = |target: &DiskTarget| {
        let mut targets = held.images().filter_map(|disk| disk.target());
        targets.any(|one| one == target)
    };
    RecordedSnapshot {
        description,
        parent,
        ..of_disks(name, &held.disks, has_part, now)
    }
}

/// A snapshot of those disks that have a part in it, and of nothing else.
pub(super) fn of_disks(
    name: &str,
    disks: &[Disk],
    has_part: impl Fn(&DiskTarget) -> bool,
    now: SystemTime,
) -> RecordedSnapshot {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    RecordedSnapshot {
        name: name.to_owned(),
        description: None,
        parent: None,
        created: i64::try_from(seconds).unwrap_or(i64::MAX),
        state: "shutoff".to_owned(),
        memory: Kept::No,
        disks: disks
            .iter()
            .map(|disk| RecordedDisk {
                target: disk.target.to_string(),
                kept: if has_part(&disk.target) {
                    Kept::Internal
                } else {
                    Kept::No
                },
                overlay: None,
            })
            .collect(),
    }
}

/// Makes it: in all images, or in none.
///
/// # Errors
///
/// If it fails, nothing has changed but what nobody sees of an image;
/// [`Kind::NotUndone`] if that could not be had.
pub fn apply(host: Host<'_>, plan: CreatePlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let domain = plan.held.guard.owner();
    let mut journal = host.store.begin(
        host.hypervisor.uri(),
        Operation::Snapshot(Box::new(SnapshotIntent {
            act: SnapshotAct::Create,
            domain: domain.map(IntentDomain::of),
            name: plan.will.name.clone(),
            recorded: plan.record.as_ref().map(|record| record.created),
            images: plan.images.clone(),
            variables: plan.variables.clone(),
            undo: None,
            redefines: false,
            allow_dirs: plan.request.allow_dirs.clone(),
        })),
    )?;
    if let Err(error) = make(host, &plan, &mut journal) {
        let error = host.stopped_by(error);
        take_back(&plan)?;
        journal.finish()?;
        return Err(error);
    }
    if plan.held.tpm {
        host.observer.warning(NO_TPM);
    }
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "Snapshot '{}' is made, but its journal not closed ({error}); `vmkin recover` does \
             that.",
            plan.will.name
        ));
    }
    Ok(())
}

fn make(host: Host<'_>, plan: &CreatePlan<'_>, journal: &mut Journal) -> Result<()> {
    crate::failpoint::hit("snapshot.begun")?;
    if let Some(saved) = &plan.variables {
        let copy = variables::save(saved)?;
        journal.add(&[Step::Saved { file: copy.id() }])?;
        variables::publish(saved)?;
        crate::failpoint::hit("snapshot.variables")?;
    }
    for (disk, image) in plan.held.images().zip(&plan.images) {
        host.interrupt.check()?;
        tags::create(
            disk.chain(),
            disk.lease(),
            &image.tag,
            host.interrupt.flag(),
        )
        .map_err(|e| e.context(format!("no snapshot could be made of {}", label(disk))))?;
        crate::failpoint::hit("snapshot.tagged")?;
    }
    plan.held.guard.recheck()?;
    host.interrupt.check()?;
    crate::failpoint::hit("snapshot.made")?;
    if let (Some(snapshot), Some(domain)) = (&plan.record, plan.held.guard.owner()) {
        let definition = host.hypervisor.secure_xml(domain)?;
        let record = NewRecord {
            snapshot,
            definition: &definition,
        };
        host.hypervisor
            .record_snapshot(domain, &record.document()?, true)?;
    }
    Ok(())
}

/// Takes the snapshots out of the images again that have got theirs.
fn take_back(plan: &CreatePlan<'_>) -> Result<()> {
    // Nobody is to stop this.
    let cancel = AtomicBool::new(false);
    let undo = || -> Result<()> {
        for (disk, image) in plan.held.images().zip(&plan.images) {
            // First of all: where `qemu-img` could not write, a table of
            // snapshots may count as free that is in use.
            tags::mend(disk.chain(), disk.lease(), &cancel)?;
            let table = tags::table(disk.chain().top())?;
            if let Some(tag) = table
                .iter()
                .find(|tag| tag.id == image.id && tag.name == image.tag)
            {
                tags::delete(disk.chain(), disk.lease(), tag, &cancel)?;
            }
            tags::mend(disk.chain(), disk.lease(), &cancel)?;
        }
        if let Some(saved) = &plan.variables {
            // Its name was free, and that it has it by now is this run's doing.
            let copy = crate::image::file_id(&saved.copy.path)?;
            variables::remove(saved, copy)?;
        }
        Ok(())
    };
    undo().map_err(|e| {
        e.with_kind(Kind::NotUndone).hint(
            "the disks are what they were, but part of the snapshot is left; when the cause is \
             gone, `vmkin recover` removes it",
        )
    })
}
