//! External snapshots: what was written before stays where it was, and the
//! guest goes on in new overlays.
//!
//! Libvirt makes, applies and deletes them in one call each, which names all
//! disks. What it does not look at is looked at here first: who else is based
//! on what it would merge into or remove, how deep the chains get, and the UEFI
//! variables. A program that is killed does not stop that call.

pub mod apply;
mod checks;
pub mod create;
pub mod delete;
mod on_record;

use std::path::PathBuf;

use crate::error::Result;
use crate::image::{self, snapshot as tags};
use crate::model::{Chain, DiskSource, Domain, Kept, Layer, RecordedSnapshot};
use crate::ops::Host;
use crate::xml::{domain, snapshot};

/// Whether a snapshot is one in files of its own, and of disks alone.
pub fn is_external(record: &RecordedSnapshot) -> bool {
    record.memory == Kept::No && record.place() == Some(Kept::External)
}

/// The files that external snapshots of a domain are in: the overlays, and what
/// they were made on.
///
/// # Errors
///
/// If libvirt does not answer, or says what cannot be understood.
pub(in crate::ops) fn files(host: Host<'_>, domain: &Domain) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for document in &host.hypervisor.snapshot_records(domain)?.documents {
        let overlays = snapshot::overlays(document)?;
        let then = snapshot::domain_then(document)?
            .map(domain::read)
            .transpose()?;
        let disks = then.map_or_else(Vec::new, |facts| facts.disks);
        let bases = disks.into_iter().filter(|disk| {
            let mut targets = overlays.iter().map(|(target, _)| target.as_str());
            targets.any(|target| target == disk.target.as_str())
        });
        let bases = bases.filter_map(|disk| match disk.source {
            DiskSource::File(path) => Some(path),
            _ => None,
        });
        let bases: Vec<PathBuf> = bases.collect();
        all.extend(overlays.into_iter().map(|(_, overlay)| overlay));
        all.extend(bases);
    }
    Ok(all)
}

/// The image below the top one of a chain that has the internal snapshot of this
/// name, if external ones of the domain were made on it. In what others have put
/// there, a base for instance, a snapshot of this name is another one.
///
/// # Errors
///
/// If libvirt does not answer, or the table of an image is damaged.
pub(super) fn below_with<'c>(
    host: Host<'_>,
    domain: &Domain,
    chain: &'c Chain,
    name: &str,
) -> Result<Option<&'c Layer>> {
    for layer in chain.backing().iter().filter(|layer| layer.snapshots > 0) {
        if tags::named(&tags::table(layer)?, name.as_bytes()).is_some() {
            let mut own = files(host, domain)?.into_iter();
            let is_own = own.any(|path| image::id_of(&path) == Some(layer.file));
            return Ok(is_own.then_some(layer));
        }
    }
    Ok(None)
}

/// The disks of a record whose contents are in files of their own.
fn external_disks(record: &RecordedSnapshot) -> impl Iterator<Item = &str> {
    let disks = record.disks.iter();
    let external = disks.filter(|disk| disk.kept == Kept::External);
    external.map(|disk| disk.target.as_str())
}
