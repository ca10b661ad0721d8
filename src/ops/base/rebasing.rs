//! Putting the children of a base on another one.
//!
//! Each child reads afterwards what it read before: what differs between the two
//! bases is copied into it. To have a guest read the new base where it had the old
//! one below what it has written since would tear its file systems apart.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{existing, known_format, layer};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Guard, path_word, shown};
use crate::model::{Chain, DiskTarget, Domain, FileId, Size};
use crate::ops::guard::{Allowed, Wanted, WriteGuard};
use crate::ops::relayer::{Relayer, may_be_replaced, no_snapshots};
use crate::ops::{Host, ShutOff, Usage};
use crate::store::RelayerAct;

/// Which children go from which base to which.
#[derive(Clone, Debug)]
pub struct RebaseRequest {
    /// The base that they are on.
    pub old: PathBuf,
    /// The base that they are to be on.
    pub onto: PathBuf,
    /// The children; empty for all.
    pub children: Vec<Domain>,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// The new base, guarded, and the children that are to be put on it.
pub struct RebasePlan {
    /// The children and their disks, by name.
    pub children: Vec<RebaseChild>,
    /// Overlays on the old base that no domain has, and that stay on it.
    pub strays: Vec<PathBuf>,
    /// The domains that are on it with others between, and that stay on it.
    pub farther: Vec<String>,
    onto: Chain,
    allow_dirs: Vec<PathBuf>,
    _guards: Vec<Guard>,
}

/// A child that is to be put on another base.
#[derive(Clone, Debug, Serialize)]
pub struct RebaseChild {
    /// The domain.
    pub domain: Domain,
    /// Its disks that are on the old base.
    pub disks: Vec<DiskTarget>,
    /// What its new overlays take on the host; `None` before they are made.
    pub size: Option<Size>,
}

/// Works it out. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if one of the bases is not there, or nothing is on the old
/// one; [`Kind::Usage`] if they are one; [`Kind::Busy`] if somebody writes to the
/// new one; [`Kind::Unsafe`] if nobody can tell who is on the old one.
pub fn plan(host: Host<'_>, request: &RebaseRequest) -> Result<RebasePlan> {
    host.must_be_here()?;
    let (old, onto) = (&request.old, &request.onto);
    let (file, new) = (existing(old)?, existing(onto)?);
    if file == new {
        return Err(Error::new(
            Kind::Usage,
            format!("{} and {} are one image", shown(old), shown(onto)),
        ));
    }
    let format = known_format(host, onto)?;
    let trust = crate::ops::trust_for(host.hypervisor, &[], &request.allow_dirs)?;
    let onto = image::resolve(onto, format, &trust)?;
    let guards = onto
        .layers()
        .iter()
        .map(Guard::layer)
        .collect::<Result<_>>()?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    usage.must_tell(old, |_| false)?;
    let mut plan = RebasePlan {
        children: Vec::new(),
        strays: usage.strays(file, old.parent().unwrap_or(old))?.paths,
        farther: Vec::new(),
        onto,
        allow_dirs: request.allow_dirs.clone(),
        _guards: guards,
    };
    plan.find(&usage, file);
    plan.choose(request)?;
    Ok(plan)
}

impl RebasePlan {
    fn find(&mut self, usage: &Usage, file: FileId) {
        for one in usage.of(file).iter().filter(|one| one.depth > 0) {
            let Some(known) = usage.domain(one) else {
                continue;
            };
            if one.depth > 1 {
                self.farther.push(known.domain.name.clone());
                continue;
            }
            let mut children = self.children.iter_mut();
            match children.find(|child| child.domain.uuid == known.domain.uuid) {
                Some(child) => child.disks.push(one.target.clone()),
                None => self.children.push(RebaseChild {
                    domain: known.domain.clone(),
                    disks: vec![one.target.clone()],
                    size: None,
                }),
            }
        }
        self.farther.sort();
        self.farther.dedup();
        self.children
            .sort_by(|a, b| a.domain.name.cmp(&b.domain.name));
    }

    /// Keeps those that were asked for.
    fn choose(&mut self, request: &RebaseRequest) -> Result<()> {
        let old = shown(&request.old);
        for wanted in &request.children {
            if !self
                .children
                .iter()
                .any(|child| child.domain.uuid == wanted.uuid)
            {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("no disk of domain '{}' is an overlay on {old}", wanted.name),
                )
                .hint(format!(
                    "see what is on it: `vmkin base children {}`",
                    path_word(&request.old)
                )));
            }
        }
        if !request.children.is_empty() {
            let wanted = |child: &RebaseChild| {
                request
                    .children
                    .iter()
                    .any(|one| one.uuid == child.domain.uuid)
            };
            self.children.retain(wanted);
        }
        if self.children.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("no disk of a domain is an overlay on {old}"),
            ));
        }
        Ok(())
    }

    /// Where the children are to be.
    pub fn onto(&self) -> &Path {
        &self.onto.top().path
    }

    /// Seals the new base, as one that has children is.
    ///
    /// # Errors
    ///
    /// Those of [`base::seal`](super::seal).
    pub fn seal(&self, host: Host<'_>) -> Result<()> {
        let path = self.onto();
        if image::seal_state(path)?.sealed && host.store.seal_record(path)?.is_some() {
            return Ok(());
        }
        let format = layer(host, path, Some(self.onto.top().format))?.format;
        super::seal(host, path, Some(format), false)?;
        host.observer.status(&format!("Sealed {}.", path.display()));
        Ok(())
    }

    /// Puts a child on the new base: all its disks that were on the old one, or none.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is not shut off or has snapshots, and others of
    /// [`WriteGuard::of_domain`]. Before the mark nothing has changed; after it,
    /// [`Kind::NotUndone`]: the next run finishes it.
    pub fn apply(&self, host: Host<'_>, child: &RebaseChild) -> Result<RebaseChild> {
        ShutOff::check(host.hypervisor, &child.domain)?;
        no_snapshots(host, &child.domain)?;
        let wanted = Wanted {
            targets: &child.disks,
            allow: Allowed {
                dirs: &self.allow_dirs,
                damaged: false,
            },
            ..Wanted::default()
        };
        let guard = WriteGuard::of_domain(host, &child.domain, wanted)?;
        for disk in guard.disks() {
            may_be_replaced(&child.domain.name, disk)?;
            if self.onto.names(&disk.chain().top().path) {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("{} is on it itself", shown(self.onto())),
                ));
            }
        }
        let relayer = Relayer {
            act: RelayerAct::Rebase,
            domain: Some(&child.domain),
            guard: &guard,
            base: Some(&self.onto),
            allow_dirs: &self.allow_dirs,
        };
        let size = relayer.apply(host)?;
        Ok(RebaseChild {
            size: Some(size),
            ..child.clone()
        })
    }
}
