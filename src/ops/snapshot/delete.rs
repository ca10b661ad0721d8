//! Deleting a snapshot.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::create::ImageOf;
use super::external::below_with;
use super::held::{Held, intended, label};
use super::{NamedRequest, Records, Subject, variables, word};
use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::{path_word, shown, snapshot as tags};
use crate::model::{Domain, Kept, RecordedSnapshot};
use crate::ops::Host;
use crate::ops::guard::LeasedDisk;
use crate::store::{
    IntentDomain, Operation, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
};

/// A deletion that has been thought through but not done. Nobody can open the
/// images while it lives.
pub struct DeleteSnapshotPlan<'a> {
    /// What goes.
    pub will: WillDelete,
    held: Held<'a>,
    images: Vec<SnapshotImage>,
    variables: Option<SavedVariables>,
    recorded: Option<i64>,
    allow_dirs: Vec<PathBuf>,
}

/// A snapshot that goes, for the user.
#[derive(Clone, Debug, Serialize)]
pub struct WillDelete {
    /// The domain; `None` for an image that no domain has.
    pub domain: Option<String>,
    /// Its name.
    pub name: String,
    /// The images that have it.
    pub images: Vec<ImageOf>,
    /// The copy of the UEFI variables that goes with it.
    pub variables: Option<PathBuf>,
    /// Whether libvirt has it on record.
    pub recorded: bool,
}

/// Works out what goes, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot; [`Kind::WrongState`] if the
/// domain is not shut off, the snapshot is in files of its own or below those of
/// others, or a disk has several of its name; those of
/// [`WriteGuard`](crate::ops::guard::WriteGuard).
pub fn plan<'a>(host: Host<'a>, request: &NamedRequest) -> Result<DeleteSnapshotPlan<'a>> {
    let held = Held::lock(host, &request.subject, &request.allow_dirs)?;
    let records = Records::of(host, &request.subject)?;
    let record = records.named(&request.name);
    if let (Some(record), Subject::Domain(domain)) = (record, &request.subject) {
        refuse_external(record, &domain.name, "deleted")?;
    }
    let tables = held.tables()?;
    let mut images = Vec::new();
    for (disk, table) in &tables {
        if let Some(tag) = find(disk, table, request)? {
            only_of_its_name(disk, table, tag)?;
            images.push(intended(disk, tag.id.clone(), tag.name.clone()));
        } else if let (Some(_), Subject::Domain(domain)) = (record, &request.subject) {
            refuse_below(host, domain, disk, &request.name)?;
        }
    }
    drop(tables);
    let at = held.variables_at.as_deref().filter(|at| {
        // Else there is nothing to go, and nowhere to look.
        variables::copy_for(at, &request.name).exists()
    });
    let variables = at
        .map(|at| variables::plan(at, &request.name))
        .transpose()?;
    if images.is_empty() && record.is_none() && variables.is_none() {
        return Err(request.subject.no_snapshot(&request.name));
    }
    Ok(DeleteSnapshotPlan {
        will: WillDelete {
            domain: held.guard.owner().map(|domain| domain.name.clone()),
            name: request.name.clone(),
            images: images.iter().map(ImageOf::of).collect(),
            variables: variables.as_ref().map(|saved| saved.copy.path.clone()),
            recorded: record.is_some(),
        },
        recorded: record.map(|record| record.created),
        held,
        images,
        variables,
        allow_dirs: request.allow_dirs.clone(),
    })
}

/// The snapshot that is meant: the one of this name, or else, of an image that no
/// domain has, the one with this id.
///
/// # Errors
///
/// [`Kind::WrongState`] if there are several of this name.
pub(super) fn find<'t>(
    disk: &LeasedDisk,
    table: &'t [Snapshot],
    request: &NamedRequest,
) -> Result<Option<&'t Snapshot>> {
    let name = request.name.as_bytes();
    let mut named = table.iter().filter(|tag| tag.name == name);
    match (named.next(), named.next()) {
        (Some(tag), None) => Ok(Some(tag)),
        (Some(_), Some(_)) => Err(ambiguous(disk, table, request)),
        (None, _) => {
            let by_id = matches!(request.subject, Subject::Image { .. });
            Ok(table.iter().find(|tag| by_id && tag.id == name))
        }
    }
}

fn ambiguous(disk: &LeasedDisk, table: &[Snapshot], request: &NamedRequest) -> Error {
    let name = &request.name;
    let named = table.iter().filter(|tag| tag.name == name.as_bytes());
    let text = |tag: &Snapshot| String::from_utf8_lossy(&tag.id).into_owned();
    let ids: Vec<String> = named.clone().map(text).collect();
    let image = match disk.target() {
        Some(target) => format!("disk {target}"),
        None => label(disk),
    };
    let error = Error::new(
        Kind::WrongState,
        format!(
            "{image} has {} snapshots '{name}' (ids {}), and nobody can tell which is meant",
            ids.len(),
            ids.join(" and ")
        ),
    );
    if matches!(request.subject, Subject::Domain(_)) {
        let path = &disk.chain().top().path;
        return error.hint(format!(
            "to be rid of the first of them: `qemu-img snapshot -d {} {}`",
            word(name),
            path_word(path)
        ));
    }
    // What is the name of another one means that one.
    let free = named.filter(|tag| tags::named(table, &tag.id).is_none());
    let free: Vec<String> = free.map(text).collect();
    if free.is_empty() {
        return error;
    }
    error.hint(format!("name one by its id: {}", free.join(" or ")))
}

/// Refuses to have libvirt forget what would stay in an image below the overlays
/// of external ones.
fn refuse_below(host: Host<'_>, domain: &Domain, disk: &LeasedDisk, name: &str) -> Result<()> {
    let Some(layer) = below_with(host, domain, disk.chain(), name)? else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "snapshot '{name}' of domain '{}' is in {}, which is below what {} is now",
            domain.name,
            shown(&layer.path),
            label(disk)
        ),
    )
    .hint(format!(
        "it can go when the external ones that were made after it are deleted, which libvirt \
         refuses while it has this one on record: first `virsh snapshot-delete --metadata {} {}`, \
         then delete those, then this one",
        word(&domain.name),
        word(name)
    )))
}

/// Refuses to delete one of two by their common name, before anything is done.
fn only_of_its_name(disk: &LeasedDisk, table: &[Snapshot], tag: &Snapshot) -> Result<()> {
    let first = tags::named(table, &tag.name);
    if first.is_none_or(|first| first.id == tag.id) {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} has several snapshots of the name of this one, and `qemu-img` deletes the first",
            label(disk)
        ),
    ))
}

/// Refuses what is not in the images: files of its own hang on it.
pub(super) fn refuse_external(record: &RecordedSnapshot, domain: &str, done: &str) -> Result<()> {
    match record.place() {
        Some(Kept::Internal | Kept::No) => Ok(()),
        _ => Err(Error::new(
            Kind::WrongState,
            format!(
                "snapshot '{}' of domain '{domain}' is external, and only internal ones can be \
                 {done}",
                record.name
            ),
        )
        .hint(format!(
            "see what virsh can do about it: `virsh snapshot-info {} {}`",
            word(domain),
            word(&record.name)
        ))),
    }
}

/// Deletes it, everywhere.
///
/// # Errors
///
/// If libvirt does not let go of it, nothing has happened. After that,
/// [`Kind::NotUndone`]: the next run finishes it.
pub fn apply(host: Host<'_>, plan: DeleteSnapshotPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    plan.held.guard.recheck()?;
    let domain = plan.held.guard.owner();
    let journal = host.store.begin(
        host.hypervisor.uri(),
        Operation::Snapshot(Box::new(SnapshotIntent {
            act: SnapshotAct::Delete,
            domain: domain.map(IntentDomain::of),
            name: plan.will.name.clone(),
            recorded: plan.recorded,
            images: plan.images.clone(),
            variables: plan.variables.clone(),
            undo: None,
            redefines: false,
            allow_dirs: plan.allow_dirs.clone(),
        })),
    )?;
    let left = |error: Error| {
        error.with_kind(Kind::NotUndone).hint(
            "the snapshot is not gone from everywhere; when the cause is gone, `vmkin recover` \
             finishes that",
        )
    };
    crate::failpoint::hit("snapshot.deleting").map_err(left)?;
    if let Some(domain) = domain.filter(|_| plan.recorded.is_some()) {
        // Off the record first: what is left then is only space, and nobody
        // goes back to a snapshot of which some disks have lost their part.
        if let Err(error) = host.hypervisor.forget_snapshot(domain, &plan.will.name) {
            let known = Records::read(host, domain).map_err(left)?;
            if known.named(&plan.will.name).is_some() {
                journal.finish()?;
                return Err(error);
            }
        }
        crate::failpoint::hit("snapshot.forgotten").map_err(left)?;
    }
    remove(&plan).map_err(left)?;
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "Snapshot '{}' is deleted, but its journal not closed ({error}); `vmkin recover` does \
             that.",
            plan.will.name
        ));
    }
    Ok(())
}

fn remove(plan: &DeleteSnapshotPlan<'_>) -> Result<()> {
    // There is no way back, and so nothing to stop for.
    let cancel = AtomicBool::new(false);
    for image in &plan.images {
        let mut disks = plan.held.images();
        if let Some(disk) = disks.find(|disk| disk.chain().top().file == image.file) {
            delete_tag(disk, image, &cancel)?;
            crate::failpoint::hit("snapshot.deleted")?;
        }
    }
    if let Some(saved) = &plan.variables {
        variables::remove(saved, saved.file)?;
    }
    Ok(())
}

/// Deletes the snapshot of one image, if it is there.
pub(super) fn delete_tag(
    disk: &LeasedDisk,
    image: &SnapshotImage,
    cancel: &AtomicBool,
) -> Result<()> {
    let table = tags::table(disk.chain().top())?;
    let tag = table
        .iter()
        .find(|tag| tag.id == image.id && tag.name == image.tag);
    match tag {
        Some(tag) => tags::delete(disk.chain(), disk.lease(), tag, cancel),
        None => Ok(()),
    }
}
