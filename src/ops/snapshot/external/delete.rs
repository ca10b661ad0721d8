//! Deleting an external snapshot: what was written since it was made is merged
//! into what was there before, and the overlay goes.

use std::time::Duration;

use super::super::create::ImageOf;
use super::super::delete::WillDelete;
use super::super::{NamedRequest, Records, recover};
use super::checks::{refuse_others_on, refuse_tags_in};
use super::external_disks;
use super::on_record::OnRecord;
use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{Domain, RecordedSnapshot};
use crate::ops::Host;
use crate::ops::guard::WriteGuard;
use crate::store::{IntentDomain, Operation, SavedVariables, SnapshotAct, SnapshotIntent};
use crate::xml::snapshot;

/// A deletion that has been thought through but not done. Nobody can open the
/// images while it lives.
pub struct MergePlan<'a> {
    /// What goes.
    pub will: WillDelete,
    guard: WriteGuard<'a>,
    domain: Domain,
    variables: Option<SavedVariables>,
}

/// Works out what is merged into what, and locks the images. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot; [`Kind::WrongState`] if the
/// domain is not shut off, or the snapshot is not on the way to what the guest
/// has now; [`Kind::Protected`] if others are based on what would be merged into
/// or would go; those of [`WriteGuard`].
pub fn plan<'a>(host: Host<'a>, request: &NamedRequest) -> Result<MergePlan<'a>> {
    let locked = OnRecord::take(host, request)?;
    let (domain, record) = (&locked.domain, &locked.record);
    one_child_at_most(&locked.records, record, domain)?;
    let usage = &locked.usage;
    let own = usage.index_of(domain.uuid);
    let overlays = snapshot::overlays(locked.document.expose())?;
    let mut images = Vec::new();
    for target in external_disks(record) {
        let mut disks = locked.disks();
        let disk = disks.find(|disk| disk.target().is_some_and(|own| own.as_str() == target));
        let disk = disk.ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                format!(
                    "disk {target}, which snapshot '{}' has a part of, is no disk of domain '{}' \
                     any more",
                    record.name, domain.name
                ),
            )
            .hint("give the domain that disk back first")
        })?;
        let layers = disk.chain().layers();
        let of_this = |path: &std::path::Path| {
            let mut overlays = overlays.iter();
            overlays.any(|(one, overlay)| one == target && overlay == path)
        };
        let found = layers.iter().position(|layer| of_this(&layer.path));
        let pair = found.and_then(|at| Some((layers.get(at)?, layers.get(at.checked_add(1)?)?)));
        let (overlay, below) = pair.ok_or_else(|| not_in_chain(domain, record, target))?;
        for layer in [overlay, below] {
            refuse_others_on(usage, own, &layer.path)?;
            usage.must_tell(&layer.path, |_| false)?;
        }
        not_sealed(&below.path)?;
        refuse_tags_in(domain, overlay)?;
        images.push(ImageOf {
            target: disk.target().cloned(),
            path: overlay.path.clone(),
        });
    }
    let saved = locked.variables()?.filter(|saved| saved.file.is_some());
    Ok(MergePlan {
        will: WillDelete {
            domain: Some(domain.name.clone()),
            name: request.name.clone(),
            images,
            variables: saved.as_ref().map(|saved| saved.copy.path.clone()),
            recorded: true,
        },
        guard: locked.guard,
        domain: locked.domain,
        variables: saved,
    })
}

/// Libvirt merges into what two snapshots stand on for none of them.
fn one_child_at_most(records: &Records, record: &RecordedSnapshot, domain: &Domain) -> Result<()> {
    let children = records.all.iter();
    let children: Vec<&str> = children
        .filter(|child| child.parent.as_deref() == Some(&record.name))
        .map(|child| child.name.as_str())
        .collect();
    if children.len() < 2 {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "snapshot '{}' of domain '{}' has {} others that were made after it ({}), and \
             libvirt deletes an external one with no more than one",
            record.name,
            domain.name,
            children.len(),
            children.join(", ")
        ),
    )
    .hint("delete the ones that are not needed any more first"))
}

fn not_in_chain(domain: &Domain, record: &RecordedSnapshot, target: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "the overlay of snapshot '{}' is not below what disk {target} of domain '{}' is now: \
             it is on another branch",
            record.name, domain.name
        ),
    )
    .hint(format!(
        "go there first, by which what was written since is lost: `vmkin snapshot apply -d {} {}`",
        super::super::word(&domain.name),
        super::super::word(&record.name)
    ))
}

/// A sealed image is a base that nothing is to be merged into.
fn not_sealed(below: &std::path::Path) -> Result<()> {
    let seal = image::seal_state(below)?;
    if !seal.sealed && !seal.immutable {
        return Ok(());
    }
    Err(Error::new(
        Kind::Protected,
        format!("{} is sealed, and would be merged into", shown(below)),
    )
    .hint(format!(
        "if nothing is based on it any more, open it: `vmkin base unseal {}`",
        shown(below)
    )))
}

/// Deletes it. What the guest has on its disks is the same before, meanwhile
/// and after.
///
/// # Errors
///
/// If libvirt stopped half-way, some disks are merged, and the same command goes
/// on; [`Kind::NotUndone`] if the copy of the UEFI variables is left.
pub fn apply(host: Host<'_>, plan: MergePlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let MergePlan {
        will,
        guard,
        domain,
        variables,
    } = plan;
    guard.recheck()?;
    // Libvirt locks the images itself, and finds them locked else.
    drop(guard);
    let merge = || {
        let merged = host.hypervisor.delete_snapshot(&domain, &will.name);
        merged.map_err(half_way)
    };
    let Some(saved) = variables else {
        crate::failpoint::hit("snapshot.begun")?;
        return merge();
    };
    let intent = SnapshotIntent {
        act: SnapshotAct::Merge,
        domain: Some(IntentDomain::of(&domain)),
        name: will.name.clone(),
        recorded: None,
        images: Vec::new(),
        variables: Some(saved),
        undo: None,
        redefines: false,
        allow_dirs: Vec::new(),
    };
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let merged = crate::failpoint::hit("snapshot.begun").and_then(|()| merge());
    recover::settle(host, &intent, &[], Duration::ZERO).map_err(|e| {
        e.with_kind(Kind::NotUndone)
            .hint("when the cause is gone, `vmkin recover` removes the copy of the UEFI variables")
    })?;
    journal.finish()?;
    merged
}

fn half_way(error: Error) -> Error {
    error.hint(
        "the guest has on its disks what it had; what is merged already stays merged, and the \
         same command goes on",
    )
}
