//! Deleting a guest: its definition, and the files that are its alone.

mod far;

pub(super) use self::far::remove as remove_volumes;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use serde::Serialize;

use super::guard::RemovalGuard;
use super::images::pools_over;
use super::snapshot::{external, variables};
use super::{Host, KnownDomain, Usage, base, clone, reservations};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Undefine;
use crate::image;
use crate::model::{Disk, Domain, DomainState, FileId, Layer, Reservation};
use crate::store::{DeletedFile, Operation, VolumeIntent};

/// Which files go with a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Storage {
    /// Its overlays, and what vmkin has made for it.
    Own,
    /// All of its own disks, also those that are no overlays.
    All,
    /// None.
    Keep,
}

/// What the user agrees to lose with a guest.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// Which files go.
    pub storage: Storage,
    /// Pull the plug first if it is active.
    pub destroy: bool,
    /// Its saved memory goes too.
    pub managed_save: bool,
    /// Its snapshots go too.
    pub snapshots: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A deletion that has been thought through but not done.
#[derive(Clone, Debug, Serialize)]
pub struct DeletePlan {
    /// The domain.
    pub domain: Domain,
    /// What it is doing now.
    pub state: DomainState,
    /// The files that go.
    pub remove: Vec<PathBuf>,
    /// The files that stay, and why.
    pub keep: Vec<Kept>,
    /// The addresses that are no longer reserved.
    pub release: Vec<Reservation>,
    /// How many snapshots are forgotten.
    pub snapshots: usize,
    /// Whether it has no stored definition, and is gone with its process.
    #[serde(skip)]
    transient: bool,
    #[serde(skip)]
    request: DeleteRequest,
    #[serde(skip)]
    files: Vec<DeletedFile>,
    /// The volumes that go, of another host.
    #[serde(skip)]
    volumes: Vec<VolumeIntent>,
    /// The files that external snapshots of it are in.
    #[serde(skip)]
    of_snapshots: Vec<PathBuf>,
    #[serde(skip)]
    undefine: Undefine,
    #[serde(skip)]
    pools: Vec<String>,
}

/// A file that stays.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// Why, as a clause.
    pub why: String,
}

/// Works out what goes and what stays. Changes nothing.
///
/// # Errors
///
/// [`Kind::WrongState`] if the domain is active, saved or has snapshots and the
/// request does not allow for it; [`Kind::Protected`] if a file that would go
/// is the base of others; [`Kind::Unsafe`] if nobody can tell who else uses it.
pub fn plan(host: Host<'_>, domain: &Domain, request: &DeleteRequest) -> Result<DeletePlan> {
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    plan_with(host, &usage, domain, request)
}

/// The same, for many domains of a host that was looked at once.
///
/// # Errors
///
/// Those of [`plan`].
pub fn plan_with(
    host: Host<'_>,
    usage: &Usage,
    domain: &Domain,
    request: &DeleteRequest,
) -> Result<DeletePlan> {
    let hypervisor = host.hypervisor;
    let status = hypervisor.status(domain)?;
    let name = &domain.name;
    let refuse = |message: String, flag: &str| {
        Err(Error::new(Kind::WrongState, message).hint(flag.to_owned()))
    };
    if status.state.is_active() && !request.destroy {
        return refuse(
            format!("domain '{name}' is {}, and must be shut off", status.state),
            &format!(
                "shut it down: `vmkin shutdown -d {name} --wait`; or pull its plug: `--destroy`"
            ),
        );
    }
    if status.state == DomainState::Saved && !request.managed_save {
        return refuse(
            format!("domain '{name}' has saved memory, which would be lost"),
            "if it may be: `--managed-save`",
        );
    }
    let snapshots = if status.persistent {
        hypervisor.snapshots(domain)?
    } else {
        Vec::new()
    };
    if !snapshots.is_empty() && !request.snapshots {
        return refuse(
            format!(
                "domain '{name}' has {} snapshots, which would be lost",
                snapshots.len()
            ),
            "if they may be: `--snapshots`",
        );
    }
    let mut plan = DeletePlan {
        domain: domain.clone(),
        state: status.state,
        remove: Vec::new(),
        keep: Vec::new(),
        release: Vec::new(),
        snapshots: snapshots.len(),
        transient: !status.persistent,
        request: request.clone(),
        files: Vec::new(),
        volumes: Vec::new(),
        of_snapshots: Vec::new(),
        undefine: Undefine {
            nvram: false,
            tpm: request.storage != Storage::Keep,
            managed_save: request.managed_save,
            snapshots: request.snapshots,
        },
        pools: Vec::new(),
    };
    let Some(index) = usage
        .domains
        .iter()
        .position(|known| known.domain.uuid == domain.uuid)
    else {
        // A transient domain, or one whose XML cannot be understood: its
        // definition goes, no file does.
        return Ok(plan);
    };
    let Some(known) = usage.domains.get(index) else {
        return Ok(plan);
    };
    if let Some(lineage) = &known.facts.lineage {
        plan.release = reservations::own(usage, domain.uuid, &lineage.reservations);
    }
    if !hypervisor.is_local() {
        return far::add(&mut plan, host, usage, known).map(|()| plan);
    }
    if !snapshots.is_empty() {
        plan.of_snapshots = external::files(host, domain)?;
        plan.add_branches(usage, request.storage)?;
    }
    for (disk, layers) in known.facts.disks.iter().zip(&known.layers) {
        match far::of_no_directory(host, known, disk, layers)? {
            Some(path) => far::add_one(&mut plan, host, usage, known, path)?,
            None => plan.add_disk(usage, index, known, disk, layers, request.storage)?,
        }
    }
    plan.add_nvram(usage, index, known, request.storage)?;
    plan.pools = pools_over(&hypervisor.pools()?, plan.remove.iter());
    Ok(plan)
}

impl DeletePlan {
    fn keep(&mut self, path: &Path, why: impl Into<String>) {
        self.keep.push(Kept {
            path: path.to_owned(),
            why: why.into(),
        });
    }

    fn remove(&mut self, path: &Path, file: FileId) {
        if !self.remove.iter().any(|known| known == path) {
            self.remove.push(path.to_owned());
            self.files.push(DeletedFile {
                path: path.to_owned(),
                file,
                born_ns: image::born_ns(path),
            });
        }
    }

    /// Decides about the images of one disk, from the top down to the first
    /// that is not the domain's alone.
    fn add_disk(
        &mut self,
        usage: &Usage,
        index: usize,
        known: &KnownDomain,
        disk: &Disk,
        layers: &[Layer],
        storage: Storage,
    ) -> Result<()> {
        let made: Vec<&PathBuf> = known
            .facts
            .lineage
            .iter()
            .flat_map(|lineage| &lineage.disks)
            .map(|disk| &disk.path)
            .collect();
        for (depth, layer) in layers.iter().enumerate() {
            let is_seed = depth == 0 && known.facts.is_seed(disk);
            let is_made = is_seed || made.contains(&&layer.path);
            let of_snapshot = self.of_snapshots.contains(&layer.path);
            // Below the top, only what was made for this very domain can be
            // its own: a snapshot's lower half, and never a golden image.
            if depth > 0 && !is_made && !of_snapshot {
                break;
            }
            let overlay = layers.len() > depth + 1 || known.exports.contains_key(&disk.target);
            let why = if disk.readonly && !is_seed {
                Some("it is read-only to the domain")
            } else if disk.shareable {
                Some("it is shareable")
            } else if !disk.is_private() && !is_seed {
                Some("it is not the domain's own")
            } else if layer.block {
                Some("it is a block device")
            } else if image::file_id(&layer.path)? != Some(layer.file) {
                Some("it is a symbolic link")
            } else if storage == Storage::Keep {
                Some("--keep-storage")
            } else if storage == Storage::Own && !is_made && !overlay {
                Some("it is no overlay; --remove-all-storage removes it too")
            } else {
                None
            };
            let children = usage.children_of_others(layer.file, Some(index));
            if let Some(why) = why {
                match children.len() {
                    0 => self.keep(&layer.path, why),
                    n => self.keep(&layer.path, format!("{n} other domains are based on it")),
                }
                break;
            }
            base::refuse_children(&layer.path, &children, &[])?;
            if let Some(other) = used_by_other(usage, index, layer.file) {
                self.keep(&layer.path, format!("domain '{other}' uses it too"));
                break;
            }
            let dir = layer.path.parent().unwrap_or(&layer.path);
            let strays = usage.strays(layer.file, dir)?;
            let others: Vec<PathBuf> = self.not_going(&strays.paths);
            base::refuse_children(&layer.path, &[], &others)?;
            strays
                .must_tell(&layer.path)
                .and_then(|()| usage.must_tell(&layer.path, |own| own.domain == known.domain.uuid))
                .map_err(|e| e.hint("to delete the guest and keep its files: `--keep-storage`"))?;
            self.remove(&layer.path, layer.file);
        }
        Ok(())
    }

    /// What snapshots have on other branches than the one the guest is on: each
    /// after those that are based on it.
    fn add_branches(&mut self, usage: &Usage, storage: Storage) -> Result<()> {
        let mut left = Vec::new();
        for path in self.of_snapshots.clone() {
            let Some(file) = image::file_id(&path)? else {
                continue;
            };
            let dir = path.parent().unwrap_or(&path);
            if !usage.of(file).is_empty() || !usage.is_overlay(file, dir)? {
                continue;
            }
            if storage == Storage::Keep {
                self.keep(&path, "--keep-storage");
                continue;
            }
            let strays = usage.strays(file, dir)?;
            strays.must_tell(&path)?;
            left.push((path, file, strays.paths));
        }
        while !left.is_empty() {
            let free = left
                .iter()
                .position(|(_, _, based_on_it)| self.not_going(based_on_it).is_empty());
            match free {
                Some(at) => {
                    let (path, file, _) = left.remove(at);
                    self.remove(&path, file);
                }
                None => {
                    for (path, _, based_on_it) in &left {
                        let ours = |one: &&PathBuf| !left.iter().any(|(own, _, _)| own == *one);
                        let others = self.not_going(based_on_it);
                        let others: Vec<PathBuf> = others.iter().filter(ours).cloned().collect();
                        base::refuse_children(path, &[], &others)?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Those of some files that do not go with the domain.
    fn not_going(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let stay = paths.iter().filter(|path| !self.remove.contains(path));
        stay.cloned().collect()
    }

    /// The UEFI variables go with the domain, unless another one has the same
    /// file, as virt-clone leaves it.
    fn add_nvram(
        &mut self,
        usage: &Usage,
        index: usize,
        known: &KnownDomain,
        storage: Storage,
    ) -> Result<()> {
        let Some(path) = known.facts.nvram.as_ref().and_then(|n| n.path.as_deref()) else {
            return Ok(());
        };
        let Some(file) = image::file_id(path)? else {
            return Ok(());
        };
        let mut others = usage.domains.iter().enumerate();
        let other = others.find(|(i, other)| *i != index && other.nvram == Some(file));
        // What it is called in the XML makes no image of a guest a file of 64 KiB.
        let image = usage.of(file).first().and_then(|one| usage.domain(one));
        let dir = path.parent().unwrap_or(path);
        let why = if known.nvram != Some(file) {
            "it is a symbolic link".to_owned()
        } else if let Some((_, other)) = other {
            format!("domain '{}' uses it too", other.domain.name)
        } else if storage == Storage::Keep {
            "--keep-storage".to_owned()
        } else if let Some(user) = image {
            format!("it is an image of domain '{}'", user.domain.name)
        } else if let Some(stray) = usage.strays(file, dir)?.paths.first() {
            format!("{} is based on it", image::shown(stray))
        } else {
            self.remove(path, file);
            // And what its snapshots have of them.
            for copy in variables::copies_of(path)? {
                if let Some(file) = image::file_id(&copy)? {
                    self.remove(&copy, file);
                }
            }
            return Ok(());
        };
        self.keep(path, why);
        Ok(())
    }
}

/// A domain other than this one that has the file in one of its chains: as a
/// disk of its own, or below one.
fn used_by_other(usage: &Usage, index: usize, file: FileId) -> Option<&str> {
    usage
        .of(file)
        .iter()
        .find(|one| one.domain != index)
        .and_then(|one| usage.domain(one))
        .map(|known| known.domain.name.as_str())
}

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
pub(super) fn in_use_now(usage: &Usage, file: &DeletedFile) -> Result<Option<String>> {
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
pub(super) fn remove_if_same(host: Host<'_>, file: &DeletedFile) -> Result<()> {
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

#[cfg(test)]
mod tests;
