//! Images that a guest is to have as they are: whether that harms nobody.

use crate::error::{Error, Kind, Result};
use crate::image::{self, LockState, Trust};
use crate::model::{Disk, Layer};
use crate::ops::blueprint::{Blueprint, Contents};
use crate::ops::images::{chain_of, path_of};
use crate::ops::{Host, Usage, base};
use crate::xml::domain::DomainFacts;

/// Refuses a guest that would have an image another domain uses, would write to
/// a base, or would read what is not to be trusted.
pub(super) fn may_be_used(
    host: Host<'_>,
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
        let Some(path) = path_of(host.hypervisor, &disk.source)? else {
            continue;
        };
        let chain = chain_of(disk, &path, trust)?;
        let top = chain.top();
        nobody_else(usage, disk, top)?;
        if disk.readonly {
            continue;
        }
        let dir = top.path.parent().unwrap_or(&top.path);
        let strays = usage.strays(top.file, dir)?;
        base::refuse_children(&top.path, &usage.children(top.file), &strays.paths).map_err(
            |e| {
                e.context(format!("disk {} would write to a base", disk.target))
                    .hint(format!(
                        "give the guest an overlay on it: `--disk backing={}`",
                        top.path.display()
                    ))
            },
        )?;
        not_sealed(top)?;
        if !disk.shareable && matches!(image::probe(&top.path)?, LockState::Writer) {
            return Err(Error::new(
                Kind::Busy,
                format!("{} is in use: something has it open", top.path.display()),
            )
            .hint("shut off what runs on it, or give the guest an overlay: `--disk backing=…`"));
        }
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
        let path = top.path.display();
        return Err(Error::new(
            Kind::Exists,
            format!("{path} is a disk of domain '{}' already", other.domain.name),
        )
        .hint(format!(
            "give the guest an overlay on it: `--disk backing={path}`"
        )));
    }
    Ok(())
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
