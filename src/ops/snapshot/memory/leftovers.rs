//! What images have of a snapshot that was not made.
//!
//! QEMU takes back what it cannot finish. But when libvirtd dies meanwhile, QEMU
//! finishes what nobody will put on record.

use std::time::SystemTime;

use super::{LiveImage, live_facts, live_images};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskTarget, Domain, RecordedSnapshot};
use crate::ops::Host;
use crate::ops::snapshot::create::of_disks;
use crate::ops::snapshot::recover::{self, Again};
use crate::ops::snapshot::{Records, word};
use crate::store::SnapshotIntent;
use crate::xml::domain;
use crate::xml::snapshot::NewRecord;

/// Removes it, whether the guest runs or not. Returns whether there was
/// something.
///
/// # Errors
///
/// [`Kind::NotUndone`] if it could not be removed.
pub(super) fn remove(host: Host<'_>, domain: &Domain, intent: &SnapshotIntent) -> Result<bool> {
    let removed = if host.hypervisor.status(domain)?.state.is_active() {
        of_running(host, domain, intent)
    } else {
        of_shut_off(host, domain, intent)
    };
    removed.map_err(|e| {
        e.with_kind(Kind::NotUndone).hint(format!(
            "the guest has lost nothing; once it is shut off, `vmkin snapshot delete -d {} {}` \
             removes what is left",
            word(&domain.name),
            word(&intent.name)
        ))
    })
}

fn of_shut_off(host: Host<'_>, domain: &Domain, intent: &SnapshotIntent) -> Result<bool> {
    match recover::hold(host, Some(domain), intent)? {
        Again::Held(held) => {
            recover::delete_tags(&held, intent)?;
            Ok(true)
        }
        Again::No(why) => Err(Error::new(Kind::NotUndone, why)),
    }
}

/// Puts it on record, so that libvirt can be told to have QEMU delete it.
fn of_running(host: Host<'_>, domain: &Domain, intent: &SnapshotIntent) -> Result<bool> {
    let name = &intent.name;
    let images = live_images(host, domain, &live_facts(host, domain)?, &intent.allow_dirs)?;
    let tagged = having(&images, intent)?;
    if tagged.is_empty() {
        return Ok(false);
    }
    let definition = host.hypervisor.secure_xml(domain)?;
    let disks = domain::read(definition.expose())?.disks;
    let has_part = |target: &DiskTarget| {
        let mut targets = tagged.iter().filter_map(|image| image.target.as_ref());
        targets.any(|one| one == target)
    };
    let snapshot = RecordedSnapshot {
        parent: Records::read(host, domain)?.current,
        ..of_disks(name, &disks, has_part, SystemTime::now())
    };
    let record = NewRecord {
        snapshot: &snapshot,
        definition: &definition,
    };
    host.hypervisor
        .record_snapshot(domain, &record.document()?, false)?;
    if let Err(error) = host.hypervisor.delete_snapshot(domain, name) {
        // It is no snapshot that anybody could go back to.
        host.hypervisor.forget_snapshot(domain, name)?;
        return Err(error);
    }
    let left = having(&images, intent)?;
    match left.first() {
        None => Ok(true),
        Some(image) => Err(Error::new(
            Kind::NotUndone,
            format!("{} has part of snapshot '{name}'", image.label()),
        )),
    }
}

/// The images that have it, and not another one of its name.
pub(super) fn having<'i>(
    images: &'i [LiveImage],
    intent: &SnapshotIntent,
) -> Result<Vec<&'i LiveImage>> {
    let mut having = Vec::new();
    for image in images {
        let mut meant = intent.images.iter();
        let meant = meant.find(|meant| meant.file == image.chain.top().file);
        let table = image.table()?;
        let mut tags = table.iter();
        let ours =
            meant.is_some_and(|meant| tags.any(|tag| tag.id == meant.id && tag.name == meant.tag));
        if ours {
            having.push(image);
        }
    }
    Ok(having)
}
