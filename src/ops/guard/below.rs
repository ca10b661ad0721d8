//! The right to write to the image below a disk, too.

use super::{LeasedDisk, WriteGuard, lease_again, used_too};
use crate::error::{Error, Kind, Result};
use crate::image::{self, ImageFile, Lease, shown};
use crate::model::{Chain, FileId};
use crate::ops::snapshot::named_on_record;
use crate::ops::{Host, Problem, ShutOff, Usage, base};

/// The image right below a disk, locked as the disk is.
#[derive(Debug)]
pub struct LeasedBase {
    chain: Chain,
    lease: Lease,
}

impl LeasedBase {
    /// The image, and what is below it.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The lock on it.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// An overlay, and what is to become of its place in a chain.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Over<'d> {
    /// Which file it is.
    pub(in crate::ops) file: FileId,
    /// Its path.
    pub(in crate::ops) path: &'d std::path::Path,
    /// Whether the base is to be a disk of that domain in its place.
    pub(in crate::ops) goes: bool,
}

impl WriteGuard<'_> {
    /// Locks the image right below a disk for writing, which was only kept from
    /// changing until now, and makes sure that nothing else is on it. Where the
    /// overlay `goes`, no domain may have the base as a disk; else one may, if
    /// it is shut off.
    ///
    /// # Errors
    ///
    /// [`Kind::Protected`] if others are on it or it is sealed;
    /// [`Kind::WrongState`] if a domain has it as a disk, a snapshot is of it, or
    /// the disk is no overlay on a file; [`Kind::Busy`] if somebody has it open;
    /// [`Kind::Unsafe`] if nobody can tell who uses it.
    pub fn with_base(&mut self, disk: usize, goes: bool) -> Result<LeasedBase> {
        let host = self.0.host;
        let no_overlay = || Error::new(Kind::WrongState, "there is nothing below the disk");
        let locked = self.0.disks.get(disk).ok_or_else(no_overlay)?;
        let (below, rest) = locked
            .chain
            .backing()
            .split_first()
            .ok_or_else(no_overlay)?;
        if below.block {
            return Err(Error::new(
                Kind::WrongState,
                format!("{} is a block device", shown(&below.path)),
            ));
        }
        // Our own lock would be in the way.
        self.0
            .below
            .retain(|guard| guard.image().id() != below.file);
        let lease = lease_again(&below.path)?;
        lease.image().must_be(below.file)?;
        crate::failpoint::hit("guard.base")?;
        let usage = Usage::read_allowing(host.hypervisor, &self.0.allowed)?;
        let uuid = self.0.owner.as_ref().map(|owner| owner.domain.uuid);
        let over = Over {
            file: locked.chain.top().file,
            path: &locked.chain.top().path,
            goes,
        };
        // The chain of the disk is read here, by rules of its own.
        let ours = |problem: &Problem| {
            Some(problem.domain) == uuid
                && problem.target.is_some()
                && problem.target.as_ref() == locked.target()
        };
        usage.must_tell(&below.path, ours)?;
        alone_below(host, &usage, over, lease.image())?;
        locked.unchanged(&self.0.trust)?;
        self.recheck()?;
        Ok(LeasedBase {
            chain: Chain::new(below.clone(), rest.to_vec()),
            lease,
        })
    }

    /// The name that messages have for what is locked: the domain, or the image.
    pub fn name(&self, disk: &LeasedDisk) -> String {
        match self.owner() {
            Some(owner) => owner.name.to_string(),
            None => shown(&disk.chain.top().path).to_string(),
        }
    }
}

/// Makes sure that an overlay is all that is on an image. `usage` must have been
/// read since both are locked.
///
/// # Errors
///
/// Those of [`WriteGuard::with_base`].
pub(in crate::ops) fn alone_below(
    host: Host<'_>,
    usage: &Usage,
    over: Over<'_>,
    base: &ImageFile,
) -> Result<()> {
    let (path, real) = (base.path(), base.real_path());
    let strays = usage.strays(base.id(), real.parent().unwrap_or(real))?;
    strays.must_tell(path)?;
    let mut others: Vec<_> = strays.paths.clone();
    others.retain(|stray| image::id_of(stray) != Some(over.file));
    let mut children = Vec::new();
    for one in usage.of(base.id()) {
        let Some(known) = usage.domain(one) else {
            continue;
        };
        if one.depth == 0 {
            if over.goes {
                return Err(used_too(usage, one, path).hint(
                    "to put it into that disk all the same, and go on with an empty overlay: \
                     `--keep`, or of an image by its path no `--drop`",
                ));
            }
            ShutOff::check(host.hypervisor, &known.domain)?;
        } else if !is_through(usage, one, over.file) {
            children.push(known.domain.name.as_str());
        }
    }
    children.sort_unstable();
    children.dedup();
    base::refuse_children(path, &children, &others)?;
    let names = [path, real, over.path].map(|path| path.to_str());
    for known in &usage.domains {
        let named = named_on_record(host, &known.domain)?;
        if names.iter().flatten().any(|name| named.contains(*name)) {
            let name = &known.domain.name;
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "a snapshot of domain '{name}' is of disks on {}",
                    shown(path)
                ),
            )
            .hint(format!(
                "see which there are: `vmkin snapshot list -d {name}`"
            ))
            .hint("delete those that are not needed any more: `vmkin snapshot delete`"));
        }
    }
    let seal = image::seal_state(real)?;
    if seal.sealed || seal.immutable {
        let what = if seal.sealed { "sealed" } else { "immutable" };
        return Err(Error::new(
            Kind::Protected,
            format!(
                "{} is {what}, and would be written to; the overlay is all that is on it",
                shown(path)
            ),
        )
        .hint(format!(
            "if it shall be written to, open it: `vmkin base unseal --force {}`",
            shown(path)
        )));
    }
    Ok(())
}

/// Whether a domain is on an image by this overlay.
fn is_through(usage: &Usage, one: &crate::ops::Use, overlay: FileId) -> bool {
    let Some(known) = usage.domain(one) else {
        return false;
    };
    let layers = known.disk(&one.target);
    layers.is_some_and(|(_, layers)| {
        let above = one.depth.checked_sub(1).and_then(|above| layers.get(above));
        above.is_some_and(|above| above.file == overlay)
    })
}
