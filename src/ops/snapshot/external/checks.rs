//! What libvirt does not look at before it works on an external snapshot.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{Chain, Disk, Domain, Layer};
use crate::ops::images::{chain_of, path_of};
use crate::ops::snapshot::word;
use crate::ops::{Host, Usage, base};

/// Refuses to have libvirt change or remove a layer that others are based on:
/// it would not look. The domain itself, an index of `usage`, does not count.
pub(super) fn refuse_others_on(usage: &Usage, own: Option<usize>, layer: &Path) -> Result<()> {
    let Some(file) = image::file_id(layer)? else {
        return Ok(());
    };
    let dir = layer.parent().unwrap_or(layer);
    let strays = usage.strays(file, dir)?;
    let children = usage.children_of_others(file, own);
    base::refuse_children(layer, &children, &strays.paths)?;
    strays.must_tell(layer)
}

/// Refuses to have libvirt remove an overlay with internal snapshots in it:
/// they would be lost, and nobody would say so.
pub(super) fn refuse_tags_in(domain: &Domain, layer: &Layer) -> Result<()> {
    let table = image::snapshot::table(layer)?;
    let Some(first) = table.first() else {
        return Ok(());
    };
    let name = String::from_utf8_lossy(&first.name);
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} would go, and has {} internal snapshots that would be lost with it ('{name}')",
            shown(&layer.path),
            table.len()
        ),
    )
    .hint(format!(
        "delete those first: `vmkin snapshot delete -d {} {}`",
        word(&domain.name),
        word(&name)
    )))
}

/// The place of a disk's image, which must be a file of this host.
fn file_of(host: Host<'_>, domain: &Domain, disk: &Disk) -> Result<PathBuf> {
    let path = path_of(host.hypervisor, &disk.source)?;
    let is_file = |path: &PathBuf| path.is_file();
    path.filter(is_file).ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!(
                "disk {} of domain '{}' is {}, and must be an image file of this host for an \
                 external snapshot",
                disk.target, domain.name, disk.source
            ),
        )
        .hint(
            "if it is qcow2, make an internal one: leave out --external; or make the disk \
             read-only or shareable, so that it is no part of the guest's own state",
        )
    })
}

/// Refuses a path that libvirt 11.3 gets wrong: of a guest that is shut off, it
/// makes `a,, b` of the overlay `a, b`, and the guest does not start any more.
pub(super) fn refuse_comma(path: &Path) -> Result<()> {
    if !path.as_os_str().as_encoded_bytes().contains(&b',') {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "there is a comma in {}, where libvirt makes overlays under another name than it \
             remembers",
            shown(path)
        ),
    )
    .hint("make an internal snapshot, or give the disk a path without commas"))
}

/// Refuses one more overlay on a chain that has as many as libvirt starts.
fn refuse_too_deep(domain: &Domain, disk: &Disk, chain: &Chain) -> Result<()> {
    let overlays = chain.layers().len().saturating_sub(1);
    if overlays < image::MAX_OVERLAYS {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "disk {} has {overlays} overlays over each other ({}), and libvirt starts no guest \
             with more than {}",
            disk.target,
            shown(&chain.top().path),
            image::MAX_OVERLAYS
        ),
    )
    .hint(format!(
        "delete a snapshot that is not needed any more: see which there are, `vmkin snapshot list \
         -d {}`",
        word(&domain.name)
    )))
}

/// The chain of a disk whose top may get one more overlay.
pub(super) fn chain_for_overlay(
    host: Host<'_>,
    domain: &Domain,
    disk: &Disk,
    trust: &image::Trust,
) -> Result<Chain> {
    let path = file_of(host, domain, disk)?;
    let chain = chain_of(disk, &path, trust)?;
    refuse_too_deep(domain, disk, &chain)?;
    if chain.top().encrypted {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "disk {} of domain '{}' is encrypted, and what is written to an overlay would \
                 not be",
                disk.target, domain.name
            ),
        ));
    }
    Ok(chain)
}
