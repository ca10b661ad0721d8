//! Doing what was planned: the domain goes first, its files after it, and what was
//! reserved for it last.

use std::fs::{self, File};
use std::path::Path;

use nix::fcntl::Flock;

use super::{DeletePlan, far, plan_with};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::Domain;
use crate::ops::guard::RemovalGuard;
use crate::ops::{Host, Usage, clone, reservations};
use crate::store::{DeletedFile, Operation, VolumeIntent};

/// How many domains are deleted in a row on what was seen once: more would
/// keep other runs waiting for the lock on names.
const AT_ONCE: usize = 16;

/// Deletes these domains and the files that go with them, each for itself.
/// Returns what became of each; of those that the user did not want to wait
/// for, that they were not begun.
///
/// # Errors
///
/// For each, if the domain cannot be undefined; then nothing has happened to
/// it, but that it may have been destroyed. [`Kind::NotUndone`] if a file could
/// not be removed after that, or nobody can tell whether the domain is there.
pub fn apply(host: Host<'_>, plans: &[DeletePlan]) -> Vec<Result<()>> {
    let mut results = Vec::new();
    for plans in plans.chunks(AT_ONCE) {
        match several(host, plans) {
            Ok(several) => results.extend(several),
            Err(error) => results.extend(plans.iter().map(|_| {
                let each = Error::new(error.kind(), format!("it was not deleted: {error}"));
                Err(error.hints().iter().cloned().fold(each, Error::hint))
            })),
        }
    }
    results
}

fn several(host: Host<'_>, plans: &[DeletePlan]) -> Result<Vec<Result<()>>> {
    let mut results = end(host, plans)?;
    let now = Now::look(host, plans)?;
    for (plan, result) in plans.iter().zip(&mut results) {
        if result.is_ok() {
            *result = host.interrupt.check().and_then(|()| one(host, plan, &now));
        }
    }
    Ok(results)
}

/// Pulls the plugs of those that are active, if they may go. A guest can take
/// its time to end, and nobody else has to wait for it.
fn end(host: Host<'_>, plans: &[DeletePlan]) -> Result<Vec<Result<()>>> {
    let mut results: Vec<Result<()>> = plans.iter().map(|_| Ok(())).collect();
    let mut active: Vec<_> = plans.iter().zip(&mut results).collect();
    active.retain(|(plan, _)| plan.state.is_active());
    if active.is_empty() {
        return Ok(results);
    }
    let now = Now::look(host, plans)?;
    for (plan, result) in &mut active {
        **result = now.may_go(host, plan).map(drop);
    }
    drop(now);
    for (plan, result) in active {
        if result.is_ok() {
            *result = host
                .interrupt
                .check()
                .and_then(|()| host.hypervisor.destroy(&plan.domain, false));
        }
    }
    Ok(results)
}

/// What the host was seen to be, while nobody begins to make clones.
struct Now {
    under_way: clone::UnderWay,
    usage: Usage,
    _lock: Flock<File>,
}

impl Now {
    fn look(host: Host<'_>, plans: &[DeletePlan]) -> Result<Self> {
        let lock = host.store.names_lock()?;
        let allowed = plans.first().map(|plan| plan.request.allow_dirs.as_slice());
        Ok(Self {
            // In this order: see there.
            under_way: clone::UnderWay::see(host)?,
            usage: Usage::read_allowing(host.hypervisor, allowed.unwrap_or_default())?,
            _lock: lock,
        })
    }

    /// Returns the volumes that go, as they look now.
    fn may_go(&self, host: Host<'_>, plan: &DeletePlan) -> Result<Vec<VolumeIntent>> {
        for path in &plan.remove {
            self.under_way.refuse_cloned(path)?;
        }
        let volumes = still_planned(host, plan, &self.usage)?;
        let mut files = plan.files.iter();
        files.try_for_each(|file| image::may_remove(&file.path))?;
        Ok(volumes)
    }
}

fn one(host: Host<'_>, plan: &DeletePlan, now: &Now) -> Result<()> {
    let volumes = now.may_go(host, plan)?;
    let paths = plan.files.iter().map(|file| file.path.as_path());
    let _guard = RemovalGuard::take(paths)?;
    // It cannot be started any more, if it was not before.
    not_started(host, &plan.domain)?;
    let opened = open_seals(plan)?;
    let journal = host.store.begin(
        host.hypervisor.uri(),
        Operation::Delete {
            name: plan.domain.name.clone(),
            uuid: plan.domain.uuid,
            files: plan.files.clone(),
            volumes: volumes.clone(),
            reservations: plan.release.clone(),
            allow_dirs: plan.request.allow_dirs.clone(),
        },
    );
    let journal = journal.inspect_err(|_| close_seals(&opened))?;
    let undefined = crate::failpoint::hit("delete.journal").and_then(|()| undefine(host, plan));
    if let Err(error) = undefined {
        match host.hypervisor.find_uuid(plan.domain.uuid) {
            Ok(Some(_)) => {
                close_seals(&opened);
                journal.finish()?;
                return Err(error);
            }
            // The answer was lost, or wrong: it is gone all the same.
            Ok(None) => {}
            Err(_) => {
                return Err(error.with_kind(Kind::NotUndone).hint(
                    "nobody can tell whether the domain is gone; when libvirt answers again, \
                     `vmkin recover` looks, and removes its files if it is",
                ));
            }
        }
    }
    crate::failpoint::hit("delete.undefined").map_err(unfinished)?;
    for file in &plan.files {
        remove_if_same(host, file)?;
        crate::failpoint::hit("delete.file").map_err(unfinished)?;
    }
    for volume in &volumes {
        clone::remove_volume(host, volume).map_err(unfinished)?;
        crate::failpoint::hit("delete.file").map_err(unfinished)?;
    }
    release(host, plan)?;
    host.refresh_pools(&plan.pools);
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "'{}' is deleted, but its journal not closed ({error}); `vmkin recover` does that.",
            plan.domain.name
        ));
    }
    Ok(())
}

/// Gives back what was reserved. Last, for an address that stays reserved takes
/// no room.
fn release(host: Host<'_>, plan: &DeletePlan) -> Result<()> {
    for reservation in &plan.release {
        let one = std::slice::from_ref(reservation);
        reservations::release(host, one)
            .and_then(|()| crate::failpoint::hit("delete.reservation"))
            .map_err(|error| {
                error.with_kind(Kind::NotUndone).hint(
                    "the domain and its files are gone; when the cause is too, `vmkin recover` \
                     releases the address",
                )
            })?;
    }
    Ok(())
}

/// Fails if others have come to use what would go since the plan was made: the
/// user may have thought about it for long.
fn still_planned(host: Host<'_>, plan: &DeletePlan, usage: &Usage) -> Result<Vec<VolumeIntent>> {
    if plan.files.is_empty() && plan.volumes.is_empty() {
        return Ok(Vec::new());
    }
    let must_stay = |file: &DeletedFile, why: &str| {
        Err(Error::new(
            Kind::Busy,
            format!(
                "{} was to go with domain '{}', and must stay by now: {why}",
                file.path.display(),
                plan.domain.name
            ),
        )
        .hint("run the same command again, and look at what it would remove"))
    };
    if plan.transient && host.hypervisor.find_uuid(plan.domain.uuid)?.is_none() {
        for file in &plan.files {
            if let Some(why) = in_use_now(usage, file)? {
                return must_stay(file, &why);
            }
        }
        return Ok(plan.volumes.clone());
    }
    let now = plan_with(host, usage, &plan.domain, &plan.request)?;
    far::still_planned(plan, &now)?;
    match plan.files.iter().find(|file| !now.files.contains(file)) {
        None => Ok(now.volumes),
        Some(file) => {
            let why = now.keep.iter().find(|kept| kept.path == file.path);
            let why = why.map_or("the domain or the file changed", |kept| kept.why.as_str());
            must_stay(file, why)
        }
    }
}

/// Why a file must stay although the domain that had it is gone, as a clause:
/// somebody may have made another domain or an overlay of what was left.
pub(in crate::ops) fn in_use_now(usage: &Usage, file: &DeletedFile) -> Result<Option<String>> {
    if image::file_id(&file.path)? != Some(file.file) {
        // It will not be touched.
        return Ok(None);
    }
    if let Some(user) = usage.user_of(file.file) {
        return Ok(Some(format!("domain '{}' has it", user.domain.name)));
    }
    let dir = file.path.parent().unwrap_or(&file.path);
    let strays = usage.strays(file.file, dir)?;
    if let Some(stray) = strays.paths.first() {
        return Ok(Some(format!("{} is based on it", image::shown(stray))));
    }
    let told = strays
        .must_tell(&file.path)
        .and_then(|()| usage.must_tell(&file.path, |_| false));
    Ok(told.err().map(|why| why.to_string()))
}

/// Opens the seals of the files that are to go: an image that clones were made
/// of is immutable, and stays so when the last of them is gone. It keeps the
/// mode of a sealed image until it is gone itself.
fn open_seals(plan: &DeletePlan) -> Result<Vec<&Path>> {
    let mut opened = Vec::new();
    for file in &plan.files {
        // What cannot be opened to look is found out when it is removed.
        if !image::is_immutable(&file.path).unwrap_or(false) {
            continue;
        }
        if let Err(error) = image::unseal(&file.path, image::SEALED_MODE) {
            close_seals(&opened);
            return Err(error);
        }
        opened.push(file.path.as_path());
    }
    Ok(opened)
}

fn close_seals(opened: &[&Path]) {
    for path in opened {
        // It has no children, so that it is open harms nobody.
        drop(image::seal(path));
    }
}

fn undefine(host: Host<'_>, plan: &DeletePlan) -> Result<()> {
    // A transient domain is gone with its process.
    match not_started(host, &plan.domain)? {
        Some(domain) => host.hypervisor.undefine(&domain, plan.undefine),
        None => Ok(()),
    }
}

/// The domain as it is now, if it is there and not active.
fn not_started(host: Host<'_>, domain: &Domain) -> Result<Option<Domain>> {
    let Some(domain) = host.hypervisor.find_uuid(domain.uuid)? else {
        return Ok(None);
    };
    if host.hypervisor.status(&domain)?.state.is_active() {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{}' was started meanwhile", domain.name),
        ));
    }
    Ok(Some(domain))
}

/// Removes a file if it is still the one that was meant.
pub(in crate::ops) fn remove_if_same(host: Host<'_>, file: &DeletedFile) -> Result<()> {
    // Records know a base by its path free of symbolic links.
    let real = fs::canonicalize(&file.path);
    if image::file_id(&file.path)? != Some(file.file)
        || image::born_ns(&file.path) != file.born_ns.or(image::born_ns(&file.path))
    {
        return Ok(());
    }
    if image::is_immutable(&file.path).unwrap_or(false) {
        image::unseal(&file.path, image::SEALED_MODE).map_err(unfinished)?;
    }
    let removed = image::remove_own(&file.path, file.file).map_err(unfinished)?;
    match real {
        Ok(real) if removed => host.store.forget_seal(&real).map_err(unfinished),
        _ => Ok(()),
    }
}

/// The domain is gone, and not all of its files are.
fn unfinished(error: Error) -> Error {
    error
        .with_kind(Kind::NotUndone)
        .hint("the domain is gone; when the cause is too, `vmkin recover` removes the file")
}
