//! Images that a guest is to have as they are: whether that harms nobody.

use std::path::Path;

use super::plan::not_encrypted;
use super::site::Site;
use crate::error::{Error, Kind, Result};
use crate::image::{self, LockState, Trust};
use crate::model::{Disk, ImageFormat, Layer};
use crate::ops::blueprint::{Blueprint, Contents};
use crate::ops::images::{chain_of, path_of};
use crate::ops::{Host, Usage, base};
use crate::xml::domain::DomainFacts;

/// Refuses a guest that would have an image another domain uses, would write to
/// a base, or would read what is not to be trusted.
pub(super) fn may_be_used(
    host: Host<'_>,
    site: &dyn Site,
    blueprint: &Blueprint,
    facts: &DomainFacts,
    usage: &Usage,
    trust: &Trust,
) -> Result<()> {
    for drive in &blueprint.drives {
        if !matches!(drive.contents, Contents::There { .. }) {
            continue;
        }
        let Some(disk) = facts.disks.iter().find(|disk| disk.target == drive.target) else {
            continue;
        };
        if let Some(path) = path_of(host.hypervisor, &disk.source)? {
            site.may_be_given(host, usage, disk, &path, trust)?;
            // No other says of itself that it is encrypted, nor can be on one that does.
            if matches!(
                disk.format,
                ImageFormat::Qcow2 | ImageFormat::Qcow | ImageFormat::Luks
            ) {
                let chain = site.chain(host, disk, &path, trust)?;
                not_encrypted(disk, &chain, "and no guest can be made on it")?;
            }
        }
    }
    Ok(())
}

/// The same of one image of this host.
pub(super) fn may_be_given(usage: &Usage, disk: &Disk, path: &Path, trust: &Trust) -> Result<()> {
    let chain = chain_of(disk, path, trust)?;
    let top = chain.top();
    nobody_else(usage, disk, top)?;
    if disk.readonly {
        return Ok(());
    }
    let dir = top.path.parent().unwrap_or(&top.path);
    let strays = usage.strays(top.file, dir)?;
    base::refuse_children(&top.path, &usage.children(top.file), &strays.paths)
        .map_err(|e| writes_to_base(disk, &top.path, e))?;
    not_sealed(top)?;
    if !disk.shareable && matches!(image::probe(&top.path)?, LockState::Writer) {
        return Err(Error::new(
            Kind::Busy,
            format!("{} is in use: something has it open", top.path.display()),
        )
        .hint("shut off what runs on it, or give the guest an overlay: `--disk backing=…`"));
    }
    Ok(())
}

/// Refuses an image that is a disk of another domain, unless both only read it or
/// both say that they share it.
fn nobody_else(usage: &Usage, disk: &Disk, top: &Layer) -> Result<()> {
    // What is below an overlay is a base, and is asked about where it is written to.
    for one in usage.of(top.file).iter().filter(|one| one.depth == 0) {
        let Some(other) = usage.domain(one) else {
            continue;
        };
        let mut theirs = other.facts.disks.iter();
        let shares = |theirs: &Disk| theirs.target == one.target && theirs.shareable;
        let both_share = disk.shareable && theirs.any(shares);
        if both_share || (disk.readonly && !one.writes) {
            continue;
        }
        return Err(taken(&top.path, &other.domain.name));
    }
    Ok(())
}

/// The error for an image that another domain has.
pub(super) fn taken(path: &Path, domain: &str) -> Error {
    let what = format!("{} is a disk of domain '{domain}' already", path.display());
    Error::new(Kind::Exists, what).hint(overlay_instead(path))
}

/// What is said of a guest that would write to an image which others depend on.
pub(super) fn writes_to_base(disk: &Disk, path: &Path, why: Error) -> Error {
    why.context(format!("disk {} would write to a base", disk.target))
        .hint(overlay_instead(path))
}

/// What to type instead of having an image itself.
pub(super) fn overlay_instead(path: &Path) -> String {
    let path = path.display();
    format!("give the guest an overlay on it: `--disk backing={path}`")
}

fn not_sealed(top: &Layer) -> Result<()> {
    if top.block || !image::is_immutable(&top.path).unwrap_or(false) {
        return Ok(());
    }
    let path = top.path.display();
    Err(Error::new(
        Kind::Protected,
        format!("{path} is sealed, and the guest would write to it"),
    )
    .hint(format!("give it an overlay: `--disk backing={path}`"))
    .hint(format!("or open the seal: `vmkin base unseal {path}`")))
}
