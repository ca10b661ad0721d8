//! Going back to a snapshot.
//!
//! Of several disks, each gets an undo snapshot first, so that what has gone
//! back already can be brought to where it was when the next one fails. One
//! disk goes back in one step, which is the last of those that matter.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use uuid::Uuid;

use super::create::ImageOf;
use super::delete::{find, refuse_external};
use super::held::{Held, intended, label};
use super::{NamedRequest, Records, Subject, TPM_STAYS, VARIABLES_STAY, variables, word};
use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::snapshot as tags;
use crate::model::{Disk, Domain, RecordedSnapshot, SecretText, Size, UNDO_PREFIX};
use crate::ops::Host;
use crate::ops::guard::LeasedDisk;
use crate::store::{
    IntentDomain, Journal, Operation, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
    Step,
};
use crate::xml::{domain, snapshot};

/// A way back that has been thought through but not gone. Nobody can open the
/// images while it lives.
pub struct ApplyPlan<'a> {
    /// What goes back to what.
    pub will: WillApply,
    held: Held<'a>,
    images: Vec<SnapshotImage>,
    tags: Vec<Snapshot>,
    variables: Option<SavedVariables>,
    recorded: Option<i64>,
    /// What the domain is to be, if that is another thing than what it is.
    definition: Option<SecretText>,
    allow_dirs: Vec<PathBuf>,
}

/// What goes back to a snapshot, for the user.
#[derive(Clone, Debug, Serialize)]
pub struct WillApply {
    /// The domain; `None` for an image that no domain has.
    pub domain: Option<String>,
    /// The name of the snapshot.
    pub name: String,
    /// The images.
    pub images: Vec<ImageOf>,
    /// The UEFI variables in a raw file, if the snapshot has a copy of them.
    pub variables: Option<PathBuf>,
    /// Whether the domain gets the definition back that it had.
    pub redefines: bool,
    /// What does not go back with it, as sentences.
    pub stays: Vec<String>,
}

/// Works out the way back, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot; [`Kind::WrongState`] if the
/// domain is not shut off, a disk lacks the snapshot, has several of its name or
/// has been another one then, or the snapshot has memory or is in files of its
/// own; those of
/// [`WriteGuard`](crate::ops::guard::WriteGuard).
pub fn plan<'a>(host: Host<'a>, request: &NamedRequest) -> Result<ApplyPlan<'a>> {
    let held = Held::lock(host, &request.subject, &request.allow_dirs)?;
    let name = &request.name;
    let records = Records::of(host, &request.subject)?;
    let record = records.named(name);
    let mut definition = None;
    let mut stays = Vec::new();
    if let (Some(record), Subject::Domain(domain)) = (record, &request.subject) {
        refuse_external(record, &domain.name, "applied")?;
        match then(host, &held, domain, record)? {
            Then::Same => {}
            Then::Other(text) => definition = Some(text),
            Then::Unknown(why) => stays.push(format!("The definition stays as it is: {why}.")),
        }
    }
    let tables = held.tables()?;
    let (mut images, mut found) = (Vec::new(), Vec::new());
    let mut lacking = Vec::new();
    for (disk, table) in &tables {
        match find(disk, table, request)? {
            Some(tag) => {
                refuse_memory(disk, tag, &request.subject, name)?;
                images.push(intended(disk, tag.id.clone(), tag.name.clone()));
                found.push(tag.clone());
            }
            None => lacking.push(label(disk)),
        }
    }
    drop(tables);
    if found.is_empty() && record.is_none() {
        return Err(request.subject.no_snapshot(name));
    }
    if !lacking.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} of {} has no snapshot '{name}', and all disks go back or none",
                lacking.join(", "),
                request.subject.shown()
            ),
        )
        .hint(format!(
            "see which disk has which: `vmkin snapshot show {} {}`",
            request.subject.options(),
            word(name)
        )));
    }
    let mut variables = None;
    if let Some(disk) = held.variables() {
        let saved = variables::plan(disk.lease().image().real_path(), name)?;
        if saved.file.is_some() {
            variables = Some(saved);
        } else {
            stays.push(VARIABLES_STAY.to_owned());
        }
    }
    if held.tpm {
        stays.push(TPM_STAYS.to_owned());
    }
    Ok(ApplyPlan {
        will: WillApply {
            domain: held.guard.owner().map(|domain| domain.name.clone()),
            name: name.clone(),
            images: images.iter().map(ImageOf::of).collect(),
            variables: variables.as_ref().map(|saved| saved.path.clone()),
            redefines: definition.is_some(),
            stays,
        },
        recorded: record.map(|record| record.created),
        held,
        images,
        tags: found,
        variables,
        definition,
        allow_dirs: request.allow_dirs.clone(),
    })
}

fn refuse_memory(disk: &LeasedDisk, tag: &Snapshot, subject: &Subject, name: &str) -> Result<()> {
    if tag.vm_state_size == 0 {
        return Ok(());
    }
    let error = Error::new(
        Kind::WrongState,
        format!(
            "snapshot '{name}' in {} has {} of memory, and the disks alone would be in the \
             middle of what the guest did",
            label(disk),
            Size(tag.vm_state_size)
        ),
    );
    Err(match subject {
        Subject::Domain(domain) => error.hint(format!(
            "libvirt does not have it on record, and lets no guest go on from it; to be rid of it: \
             `vmkin snapshot delete -d {} {}`",
            word(&domain.name),
            word(name)
        )),
        Subject::Image { .. } => error,
    })
}

/// What the domain was when a snapshot was made.
enum Then {
    Same,
    Other(SecretText),
    /// Not what it can be again, for this reason.
    Unknown(String),
}

/// # Errors
///
/// [`Kind::WrongState`] if its disks were other images.
fn then(
    host: Host<'_>,
    held: &Held<'_>,
    domain: &Domain,
    record: &RecordedSnapshot,
) -> Result<Then> {
    let name = &record.name;
    let Some(document) = host.hypervisor.secure_snapshot(domain, name)? else {
        return Ok(Then::Unknown("libvirt has lost what it was".to_owned()));
    };
    let Some(text) = snapshot::definition(document.expose())? else {
        return Ok(Then::Unknown(
            "libvirt does not tell what it was".to_owned(),
        ));
    };
    let facts = domain::read(text)?;
    if facts.name != domain.name || facts.uuid != Some(domain.uuid) {
        return Ok(Then::Unknown(format!(
            "it was that of '{}' then",
            facts.name
        )));
    }
    let own = |disks: &[Disk]| -> Vec<Disk> {
        let own = disks.iter().filter(|disk| disk.is_private());
        own.cloned().collect()
    };
    let (before, now) = (own(&facts.disks), own(&held.disks));
    for disk in &before {
        let same = now.iter().find(|one| one.target == disk.target);
        if same.is_none_or(|one| one.source != disk.source) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "disk {} of domain '{}' was {} when snapshot '{name}' was made, and must be \
                     that again",
                    disk.target, domain.name, disk.source
                ),
            ));
        }
    }
    let current = host.hypervisor.secure_xml(domain)?;
    let current = snapshot::marked(current.expose(), &record.disks)?;
    if snapshot::same_definition(text, &current) {
        return Ok(Then::Same);
    }
    Ok(Then::Other(SecretText::from(text.to_owned())))
}

/// Goes back: all disks, or none.
///
/// # Errors
///
/// If it fails before the commit mark, everything is as it was. After that,
/// [`Kind::NotUndone`]: the next run finishes it.
pub fn apply(host: Host<'_>, plan: ApplyPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let domain = plan.held.guard.owner();
    // Libvirt may refuse the definition when the disks have gone back.
    let undo = (plan.images.len() > 1 || plan.definition.is_some())
        .then(|| format!("{UNDO_PREFIX}{}", Uuid::new_v4().simple()));
    let intent = SnapshotIntent {
        act: SnapshotAct::Apply,
        domain: domain.map(IntentDomain::of),
        name: plan.will.name.clone(),
        recorded: plan.recorded,
        images: plan.images.clone(),
        variables: plan.variables.clone(),
        undo,
        redefines: plan.definition.is_some(),
        allow_dirs: plan.allow_dirs.clone(),
    };
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let mut journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let gone_back = go_back(host, &plan, &intent).and_then(|()| {
        if let (Some(definition), Some(domain)) = (&plan.definition, domain) {
            // From here on it is done: the next run knows it by this.
            host.hypervisor.redefine(domain, definition)?;
            crate::failpoint::hit("snapshot.defined")?;
        }
        match intent.undo {
            Some(_) => journal.add(&[Step::Committed { files: Vec::new() }]),
            // One disk has gone back, and tells so itself.
            None => Ok(()),
        }
    });
    let disks: Vec<&LeasedDisk> = plan.held.images().collect();
    if let Err(error) = gone_back {
        let error = Journal::may_take_back(error)?;
        let error = host.stopped_by(error);
        take_back(&disks, &intent).map_err(|e| {
            e.with_kind(Kind::NotUndone).hint(
                "not all disks are what they were; when the cause is gone, `vmkin recover` brings \
                 them back",
            )
        })?;
        journal.finish()?;
        return Err(error);
    }
    let done = crate::failpoint::hit("snapshot.committed")
        .and_then(|()| settle(host, domain, &disks, &intent));
    done.map_err(|e| {
        e.with_kind(Kind::NotUndone).hint(
            "all disks are back at the snapshot, and what is left is to tidy up: `vmkin recover`",
        )
    })?;
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "Snapshot '{}' is applied, but its journal not closed ({error}); `vmkin recover` does \
             that.",
            plan.will.name
        ));
    }
    Ok(())
}

fn go_back(host: Host<'_>, plan: &ApplyPlan<'_>, intent: &SnapshotIntent) -> Result<()> {
    crate::failpoint::hit("snapshot.begun")?;
    let cancel = host.interrupt.flag();
    if let Some(undo) = &intent.undo {
        for disk in plan.held.images() {
            host.interrupt.check()?;
            tags::create(disk.chain(), disk.lease(), undo.as_bytes(), cancel)?;
            crate::failpoint::hit("snapshot.saved")?;
        }
    }
    plan.held.guard.recheck()?;
    host.interrupt.check()?;
    if let (Some(saved), Some(disk)) = (&plan.variables, plan.held.variables()) {
        variables::restore(saved, disk.lease())?;
        crate::failpoint::hit("snapshot.variables")?;
    }
    for (disk, tag) in plan.held.images().zip(&plan.tags) {
        host.interrupt.check()?;
        let applied = tags::apply(disk.chain(), disk.lease(), tag, cancel)
            .map_err(|e| e.context(format!("{} could not go back", label(disk))));
        if intent.undo.is_some() {
            applied?;
            crate::failpoint::hit("snapshot.applied")?;
            continue;
        }
        // Whatever `qemu-img` said: it is done in one step, or not.
        if let Err(error) = applied {
            if !tags::is_at(disk.chain().top(), tag)? {
                return Err(error);
            }
            let mended = tags::mend(disk.chain(), disk.lease(), &AtomicBool::new(false));
            if let Err(error) = mended {
                host.observer.warning(&format!("{error}."));
            }
        }
    }
    Ok(())
}

/// Brings everything to where it was before.
pub(super) fn take_back(disks: &[&LeasedDisk], intent: &SnapshotIntent) -> Result<()> {
    // Nobody is to stop this.
    let cancel = AtomicBool::new(false);
    for disk in disks {
        // First of all: where `qemu-img` could not write, a table of snapshots
        // may count as free that is in use, and be the next to be given away.
        tags::mend(disk.chain(), disk.lease(), &cancel)?;
        if let Some(undo) = &intent.undo {
            let table = tags::table(disk.chain().top())?;
            if let Some(tag) = tags::named(&table, undo.as_bytes()) {
                if !tags::is_at(disk.chain().top(), tag)? {
                    tags::apply(disk.chain(), disk.lease(), tag, &cancel)?;
                }
                tags::delete(disk.chain(), disk.lease(), tag, &cancel)?;
            }
        }
        tags::mend(disk.chain(), disk.lease(), &cancel)?;
        crate::failpoint::hit("snapshot.back")?;
    }
    intent
        .variables
        .as_ref()
        .map_or(Ok(()), variables::put_back)
}

/// Makes it the current snapshot, and removes what was kept to go back from it.
pub(super) fn settle(
    host: Host<'_>,
    domain: Option<&Domain>,
    disks: &[&LeasedDisk],
    intent: &SnapshotIntent,
) -> Result<()> {
    if let Some(domain) = domain.filter(|_| intent.recorded.is_some()) {
        if let Some(document) = host.hypervisor.secure_snapshot(domain, &intent.name)? {
            host.hypervisor.record_snapshot(domain, &document, true)?;
        }
    }
    let cancel = AtomicBool::new(false);
    if let Some(undo) = &intent.undo {
        for disk in disks {
            let table = tags::table(disk.chain().top())?;
            if let Some(tag) = tags::named(&table, undo.as_bytes()) {
                tags::delete(disk.chain(), disk.lease(), tag, &cancel)?;
            }
            crate::failpoint::hit("snapshot.settled")?;
        }
    }
    intent
        .variables
        .as_ref()
        .map_or(Ok(()), variables::forget_old)
}
