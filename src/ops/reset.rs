//! Dropping what guests have written: back to the base image.
//!
//! All disks of a domain or none, also after a kill: fresh overlays are made
//! beside the old ones; from the commit mark in the journal on they take their
//! places, and the next run finishes what this one does not.

use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::guard::{Allowed, LeasedDisk, Locked, Wanted, WriteGuard, lease_again, still_alone};
use super::images::{chain_of, path_of, pools_over};
use super::new_image::remove_unused;
use super::{Host, ShutOff, Usage};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{DiskTarget, Domain, DomainState, FileId, Size};
use crate::store::{FilePair, Journal, Operation, ReplacedFile, Step};
use crate::xml::domain;

/// Which disks go back, and what is allowed on the way.
#[derive(Clone, Debug, Default)]
pub struct ResetRequest {
    /// The disks by name; empty for all overlays that are the domain's own.
    pub targets: Vec<DiskTarget>,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

impl ResetRequest {
    fn allowed(&self) -> Allowed<'_> {
        Allowed {
            dirs: &self.allow_dirs,
            damaged: false,
        }
    }
}

/// A reset that has been thought through but not done. Nobody can open the
/// disks while it lives.
pub struct ResetPlan<'a> {
    /// The domain.
    pub domain: Domain,
    /// The disks that go back.
    pub disks: Vec<ResetDisk>,
    /// The disks that stay as they are, for they are no overlays.
    pub keep: Vec<DiskTarget>,
    guard: WriteGuard<'a>,
    allow_dirs: Vec<PathBuf>,
}

/// A disk that goes back to what is below it.
#[derive(Clone, Debug, Serialize)]
pub struct ResetDisk {
    /// Its name in the domain.
    pub target: DiskTarget,
    /// The overlay that is replaced.
    pub path: PathBuf,
    /// What it goes back to: a path, or the URI of an export.
    pub base: String,
    /// What the old overlay takes on the host, which is given back.
    pub freed: Size,
}

/// Works out what goes back in these domains, and locks it. Changes nothing.
///
/// # Errors
///
/// If the host cannot be looked at. For each domain, those of
/// [`WriteGuard::of_domain`]; [`Kind::WrongState`] if it has snapshots, or a
/// disk holds some, which would be lost; or if none is an overlay.
pub fn plan<'a>(
    host: Host<'a>,
    domains: &[Domain],
    request: &ResetRequest,
) -> Result<Vec<Result<ResetPlan<'a>>>> {
    let locked: Vec<_> = domains
        .iter()
        .map(|domain| lock(host, domain, request))
        .collect();
    // Once for all, now that nobody can make clones of them any more.
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    Ok(domains
        .iter()
        .zip(locked)
        .map(|(domain, locked)| {
            let (locked, keep) = locked?;
            let guard = locked.examine(&usage)?;
            let disks = guard.disks().iter();
            Ok(ResetPlan {
                domain: domain.clone(),
                disks: disks
                    .map(|disk| reset_disk(&domain.name, disk))
                    .collect::<Result<_>>()?,
                keep,
                guard,
                allow_dirs: request.allow_dirs.clone(),
            })
        })
        .collect())
}

/// Locks the disks that are meant; tells also which are left out.
fn lock<'a>(
    host: Host<'a>,
    domain: &Domain,
    request: &ResetRequest,
) -> Result<(Locked<'a>, Vec<DiskTarget>)> {
    host.must_be_here()?;
    let name = &domain.name;
    ShutOff::check(host.hypervisor, domain)?;
    let snapshots = host.hypervisor.snapshots(domain)?.len();
    if snapshots > 0 {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{name}' has {snapshots} snapshots, which would be lost"),
        )
        .hint(format!(
            "see which: `virsh snapshot-list {}`",
            image::shell_word(name.as_bytes())
        )));
    }
    let (mut targets, mut keep) = (request.targets.clone(), Vec::new());
    if targets.is_empty() {
        (targets, keep) = overlays(host, domain, request)?;
    }
    if targets.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{name}' has no disk that is an overlay, so that there is nothing to go \
                 back to"
            ),
        )
        .hint(format!(
            "see what its disks are: `vmkin show -d {}`",
            image::shell_word(name.as_bytes())
        )));
    }
    let wanted = Wanted {
        targets: &targets,
        allow: request.allowed(),
        ..Wanted::default()
    };
    Ok((Locked::domain(host, domain, wanted)?, keep))
}

/// The domain's own disks that are overlays, and those that are not.
fn overlays(
    host: Host<'_>,
    domain: &Domain,
    request: &ResetRequest,
) -> Result<(Vec<DiskTarget>, Vec<DiskTarget>)> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let trust = request.allowed().trust(host, &facts.disks)?;
    let (mut overlays, mut others) = (Vec::new(), Vec::new());
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        let overlay = match path_of(host.hypervisor, &disk.source)? {
            Some(path) => !chain_of(disk, &path, &trust)?.is_single(),
            None => false,
        };
        let list = if overlay { &mut overlays } else { &mut others };
        list.push(disk.target.clone());
    }
    Ok((overlays, others))
}

fn reset_disk(name: &str, disk: &LeasedDisk) -> Result<ResetDisk> {
    let chain = disk.chain();
    let top = chain.top();
    let target = disk.target().ok_or_else(|| {
        // A plan is made for a domain, whose disks have names.
        Error::new(
            Kind::Usage,
            format!("{} is no domain's", top.path.display()),
        )
    })?;
    let base = match (chain.backing().first(), chain.export()) {
        (Some(below), _) => below.path.display().to_string(),
        (None, Some(export)) => export.to_string(),
        (None, None) => {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "disk {target} of domain '{name}' is no overlay, so there is nothing to go back to"
                ),
            ));
        }
    };
    let why_not = if top.snapshots > 0 {
        format!(
            "holds {} internal snapshots, which would be lost",
            top.snapshots
        )
    } else if top.encrypted {
        "is encrypted, and a fresh one would not be".to_owned()
    } else if top.block {
        "is a block device, which cannot be replaced".to_owned()
    } else {
        // To take its place is to remove it, where it really is.
        image::may_remove(disk.lease().image().real_path())?;
        return Ok(ResetDisk {
            target: target.clone(),
            path: top.path.clone(),
            base,
            freed: Size(top.allocated),
        });
    };
    Err(Error::new(
        Kind::WrongState,
        format!("disk {target} of domain '{name}' {why_not}"),
    ))
}

/// Does it: all disks, or none.
///
/// # Errors
///
/// If it fails before the commit mark, nothing has changed. After that,
/// [`Kind::NotUndone`]: the next run finishes it.
pub fn apply(host: Host<'_>, plan: ResetPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let batch = Uuid::new_v4();
    let mut replaced = Vec::new();
    for (serial, disk) in plan.guard.disks().iter().enumerate() {
        let old = disk.lease().image();
        let path = old.real_path();
        replaced.push(ReplacedFile {
            pair: FilePair {
                temp: image::temporary(path, batch, serial),
                path: path.to_owned(),
            },
            old: image::identity_of(old)?,
        });
    }
    let mut journal = host.store.begin(
        host.hypervisor.uri(),
        Operation::Reset {
            name: plan.domain.name.clone(),
            uuid: plan.domain.uuid,
            disks: replaced.clone(),
            allow_dirs: plan.allow_dirs.clone(),
        },
    )?;
    let made = make(host, &plan, &replaced);
    let committed = made.and_then(|files| {
        journal.add(&[Step::Committed { files }])?;
        Ok(())
    });
    if let Err(error) = committed {
        let error = Journal::may_take_back(error)?;
        take_back(&replaced)?;
        journal.finish()?;
        return Err(error);
    }
    let finish = || -> Result<()> {
        crate::failpoint::hit("reset.committed")?;
        for (disk, replaced) in plan.guard.disks().iter().zip(&replaced) {
            image::replace(disk.lease(), &replaced.pair.temp)?;
            crate::failpoint::hit("reset.replaced")?;
        }
        sync_dirs(&replaced)
    };
    finish().map_err(|error| {
        error.with_kind(Kind::NotUndone).hint(
            "not all disks are replaced yet; when the cause is gone, `vmkin recover` finishes it",
        )
    })?;
    let pools = host.hypervisor.pools().unwrap_or_default();
    let files: Vec<PathBuf> = replaced.iter().map(|r| r.pair.path.clone()).collect();
    host.refresh_pools(&pools_over(&pools, files.iter()));
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "'{}' is reset, but its journal not closed ({error}); `vmkin recover` does that.",
            plan.domain.name
        ));
    }
    Ok(())
}

/// Makes the fresh overlays, on the disk when this returns, and makes sure once
/// more that they may be put in place.
fn make(host: Host<'_>, plan: &ResetPlan<'_>, replaced: &[ReplacedFile]) -> Result<Vec<FileId>> {
    crate::failpoint::hit("reset.journal")?;
    let mut files = Vec::new();
    for (disk, replaced) in plan.guard.disks().iter().zip(replaced) {
        host.interrupt.check()?;
        let temp = &replaced.pair.temp;
        let new = image::write_fresh(temp, disk.chain())?.ok_or_else(|| {
            // The plan has no such disk.
            Error::new(Kind::WrongState, "there is nothing to go back to")
        })?;
        new.belong_like(disk.lease().image())?;
        new.sync()?;
        files.push(new.id());
        crate::failpoint::hit("reset.file")?;
    }
    sync_dirs(replaced)?;
    plan.guard.recheck()?;
    crate::failpoint::hit("reset.made")?;
    Ok(files)
}

fn sync_dirs(replaced: &[ReplacedFile]) -> Result<()> {
    image::sync_dirs_of(replaced.iter().map(|one| one.pair.path.as_path()))
}

/// Removes what was made.
fn take_back(replaced: &[ReplacedFile]) -> Result<()> {
    remove_unused(replaced.iter().map(|one| one.pair.temp.as_path()))
}

/// Finishes or takes back a reset that was left behind, and says what is there
/// now, as a sentence.
///
/// It is finished only where the disks are as they were at the commit mark.
/// Else the rest is given up: what others have come to rely on since, or a
/// guest has written, is worth more than a fresh overlay.
///
/// # Errors
///
/// If nobody can tell now whether the disks may be replaced, because one is
/// locked or libvirt does not answer.
pub(super) fn recover(
    host: Host<'_>,
    uuid: Uuid,
    replaced: &[ReplacedFile],
    allow_dirs: &[PathBuf],
    steps: &[Step],
) -> Result<String> {
    let Some(files) = Step::committed(steps) else {
        take_back(replaced)?;
        return Ok("Nothing had been replaced yet.".to_owned());
    };
    let Some(domain) = host.hypervisor.find_uuid(uuid)? else {
        take_back(replaced)?;
        return Ok("The domain is gone, and so are the new files.".to_owned());
    };
    let mut done = 0_usize;
    let mut left = Vec::new();
    let mut lost = None;
    for (one, new) in replaced.iter().zip(files) {
        if image::file_id(&one.pair.path)? == Some(*new) {
            done += 1;
        } else if image::file_id(&one.pair.temp)? == Some(*new) {
            left.push(one);
        } else {
            lost = Some(format!(
                "the new file for {} is gone",
                image::shown(&one.pair.path)
            ));
        }
    }
    let why_not = match lost {
        Some(lost) => Some(lost),
        None if left.is_empty() => None,
        None => match finish(host, &domain, &left, allow_dirs)? {
            Finished::Yes => None,
            Finished::No(why) => Some(why),
        },
    };
    if let Some(why) = why_not {
        take_back(replaced)?;
        return Ok(match done {
            0 => format!("Its disks stay as they are: {why}."),
            _ => format!(
                "The disks that were not replaced stay as they are: {why}. Those that were are \
                 fresh: if they have to match, reset it again."
            ),
        });
    }
    sync_dirs(replaced)?;
    Ok("All its disks are fresh now.".to_owned())
}

/// Whether the rest of a reset could be done.
enum Finished {
    Yes,
    /// Why not, as a clause.
    No(String),
}

/// Puts the new files in place that are not there yet: all, or none.
fn finish(
    host: Host<'_>,
    domain: &Domain,
    left: &[&ReplacedFile],
    allow_dirs: &[PathBuf],
) -> Result<Finished> {
    let status = host.hypervisor.status(domain)?;
    // It was shut off at the mark.
    if !status.persistent || status.state != DomainState::ShutOff {
        return Ok(Finished::No(
            "the guest has been used since, or is now".to_owned(),
        ));
    }
    let mut leases = Vec::new();
    for one in left {
        let lease = match lease_again(&one.pair.path) {
            Err(e) if e.kind() == Kind::NotFound => return Ok(Finished::No(e.to_string())),
            lease => lease?,
        };
        let now = image::identity_of(lease.image())?;
        if !image::compare(&one.old, &now).is_sound() {
            return Ok(Finished::No("the guest has been used since".to_owned()));
        }
        leases.push(lease);
    }
    let usage = Usage::read_allowing(host.hypervisor, allow_dirs)?;
    for lease in &leases {
        if let Err(why) = still_alone(&usage, domain, lease) {
            return Ok(Finished::No(why.to_string()));
        }
    }
    // Locked, it cannot have been started; it can have been saved before.
    ShutOff::check(host.hypervisor, domain)?;
    for (one, lease) in left.iter().zip(&leases) {
        image::replace(lease, &one.pair.temp)?;
        crate::failpoint::hit("recover.replaced")?;
    }
    Ok(Finished::Yes)
}

#[cfg(test)]
mod tests;
