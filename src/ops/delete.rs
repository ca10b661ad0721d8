//! Deleting a guest: its definition, and the files that are its alone. Here it is
//! thought through; [`carry_out`] does it.

mod carry_out;
mod far;

pub use self::carry_out::apply;
pub(super) use self::carry_out::{in_use_now, remove_if_same};
pub(super) use self::far::remove as remove_volumes;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::images::{path_of, pools_over};
use super::snapshot::{external, variables, word};
use super::{Host, KnownDomain, Usage, base, reservations};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Undefine;
use crate::image;
use crate::model::{Disk, DiskSource, Domain, DomainState, FileId, Layer, Reservation};
use crate::store::{DeletedFile, VolumeIntent};

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
                "shut it down: `vmkin shutdown -d {} --wait`; or pull its plug: `--destroy`",
                word(name)
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
                "domain '{name}' has {}, which would be lost",
                snapshots_of(snapshots.len())
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
        if request.storage != Storage::Keep && disk.is_private() {
            must_be_found(host, domain, disk)?;
        }
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

/// So many snapshots, as text.
fn snapshots_of(number: usize) -> String {
    match number {
        1 => "a snapshot".to_owned(),
        more => format!("{more} snapshots"),
    }
}

/// Refuses a disk of which nobody can tell where it is, for it would be left behind
/// without a word. One that is gone is no reason to keep the domain.
fn must_be_found(host: Host<'_>, domain: &Domain, disk: &Disk) -> Result<()> {
    let DiskSource::Volume { pool, .. } = &disk.source else {
        return Ok(());
    };
    match path_of(host.hypervisor, &disk.source) {
        Err(error) if error.kind() != Kind::NotFound => Err(error
            .context(format!(
                "disk {} of domain '{}' would be left behind",
                disk.target, domain.name
            ))
            .hint(format!("start its pool: `virsh pool-start {}`", word(pool)))
            .hint("to delete the guest and keep its files: `--keep-storage`")),
        _ => Ok(()),
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

#[cfg(test)]
mod tests;
