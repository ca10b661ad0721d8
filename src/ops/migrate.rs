//! Guests that go to another host, where the storage is that of both, or is copied
//! there (`copied`).
//!
//! What libvirt does not look at is looked at here: whether each image is really the
//! same file there. Two hosts have directories of one name, and overlays of one
//! header, that are not the same; a guest that goes on with another disk than it had is
//! lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use super::guard::{Allowed, Wanted, WriteGuard};
use super::guest::chain_there;
use super::images::{chain_of, path_of, trust_for};
use super::saved::{must_be_stored, watched};
use super::snapshot::word;
use super::{Host, ShutOff};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Migration;
use crate::image::remote::Remote;
use crate::image::shown;
use crate::model::{Domain, DomainState, NewVolume, Pool, Size};
use crate::xml::domain::{self, DomainFacts};

mod copied;
mod here;
mod take_back;

use self::copied::Copies;
pub(super) use self::take_back::recover;

/// How a guest is to go.
#[derive(Clone, Debug, Default)]
pub struct MigrateRequest {
    /// Where its memory is sent to, as [`Migration::address`].
    pub address: Option<String>,
    /// As [`Migration::unsafe_cache`].
    pub unsafe_cache: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
    /// What is copied that the host does not have; `None` refuses such a host.
    pub copy: Option<CopyStorage>,
    /// Remove here what was copied, when the guest is there.
    pub delete_source: bool,
}

/// What is copied of the storage of a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CopyStorage {
    /// What it has of its own. What that is based on has to be there.
    Own,
    /// That too, where it is not there.
    All,
}

/// A file that is copied to another host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Copied {
    /// Its path, on both hosts.
    pub path: PathBuf,
    /// The storage pool there.
    pub pool: String,
    /// What it takes here.
    pub size: Size,
    /// What it is.
    pub what: CopiedFile,
}

/// What a file is that is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopiedFile {
    /// The image that a guest writes to.
    Disk,
    /// An image below that.
    Base,
    /// Another file: a CD, or UEFI variables.
    File,
}

/// How a guest is to go, with the locks that keep that true.
#[derive(Debug)]
pub struct Plan {
    /// What is to be told of it.
    pub told: Migrated,
    copies: Option<Copies>,
}

/// A guest that goes, or has gone, to another host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Migrated {
    /// The guest.
    #[serde(flatten)]
    pub domain: Domain,
    /// The URI that it leaves.
    pub from: String,
    /// The URI that it goes to.
    pub to: String,
    /// Whether it runs meanwhile.
    pub live: bool,
    /// The files that it has on both hosts.
    pub files: Vec<PathBuf>,
    /// What is copied.
    pub copied: Vec<Copied>,
    /// Its own files that are left on the host that it leaves.
    pub left: Vec<PathBuf>,
}

/// Looks whether a guest can go. Changes nothing but for a probe that is made and
/// removed in each of the storage pools there.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is saved, transient or has snapshots, or if an image is
/// not the same file there and cannot be copied; [`Kind::Exists`] if the host has a domain
/// of its name or UUID, or another file of a name; [`Kind::NotFound`] if it has no storage
/// pool of a directory.
pub fn plan(
    from: Host<'_>,
    to: Host<'_>,
    domain: &Domain,
    request: &MigrateRequest,
) -> Result<Plan> {
    if request.copy.is_some() && !from.hypervisor.is_local() {
        return Err(from.elsewhere("and disks are copied on the host that their guest leaves"));
    }
    let name = &domain.name;
    let (here, there) = (from.hypervisor.uri(), to.hypervisor.uri());
    if here == there {
        return Err(Error::new(
            Kind::Usage,
            format!("domain '{name}' is on {there} already"),
        ));
    }
    let status = from.hypervisor.status(domain)?;
    let live = match status.state {
        DomainState::Running | DomainState::Paused => true,
        DomainState::ShutOff => false,
        state => {
            let error = Error::new(
                Kind::WrongState,
                format!("domain '{name}' is {state}, and must be running, paused or shut off"),
            );
            return Err(match state {
                DomainState::Saved => {
                    error.hint(format!("start it: `vmkin start -d {}`", word(name)))
                }
                _ => error,
            });
        }
    };
    must_be_stored(domain, status.persistent)?;
    if !from.hypervisor.snapshots(domain)?.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{name}' has snapshots, which libvirt does not take along"),
        )
        .hint(format!("see them: `vmkin snapshot list -d {}`", word(name))));
    }
    not_there(to, domain)?;
    let facts = match live && request.copy.is_some() {
        true => copied::facts_now(from, domain)?,
        false => domain::read(&from.hypervisor.public_xml(domain)?)?,
    };
    if !live && facts.tpm_emulator {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{name}' has a TPM, whose state libvirt takes along only while it runs"
            ),
        )
        .hint(format!("start it first: `vmkin start -d {}`", word(name))));
    }
    let mut told = Migrated {
        domain: domain.clone(),
        from: here.to_owned(),
        to: there.to_owned(),
        live,
        files: Vec::new(),
        copied: Vec::new(),
        left: Vec::new(),
    };
    let copies = match request.copy {
        None => {
            let files = files_of(from, &facts, request)?;
            on_both(from, to, &files)?;
            told.files = files.into_iter().collect();
            None
        }
        Some(how) => Some(copied::plan(from, to, &facts, request, how, &mut told)?),
    };
    Ok(Plan { told, copies })
}

/// Refuses a host that has such a domain.
fn not_there(to: Host<'_>, domain: &Domain) -> Result<()> {
    let taken = |what: String| {
        Error::new(
            Kind::Exists,
            format!("{} has {what} already", to.hypervisor.uri()),
        )
    };
    for other in to.hypervisor.domains()? {
        if other.uuid == domain.uuid {
            return Err(taken(format!("a domain with the UUID {}", domain.uuid)));
        }
        if other.name == domain.name {
            return Err(taken(format!("a domain '{}'", domain.name)));
        }
    }
    Ok(())
}

/// All files that the guest has on its host: the layers of its disks, what is in its
/// drives, its UEFI variables.
fn files_of(
    from: Host<'_>,
    facts: &DomainFacts,
    request: &MigrateRequest,
) -> Result<BTreeSet<PathBuf>> {
    let trust = trust_for(from.hypervisor, &facts.disks, &request.allow_dirs)?;
    let remote = Remote::default();
    let mut files = BTreeSet::new();
    for disk in &facts.disks {
        let Some(path) = path_of(from.hypervisor, &disk.source)? else {
            continue;
        };
        let chain = match from.hypervisor.is_local() {
            true => chain_of(disk, &path, &trust)?,
            false => chain_there(from.hypervisor, &remote, disk, &path, &trust)?,
        };
        files.extend(chain.layers().iter().map(|layer| layer.path.clone()));
    }
    files.extend(facts.nvram.as_ref().and_then(|nvram| nvram.path.clone()));
    Ok(files)
}

/// Refuses a host for which these are not the same files: each has to be in a storage
/// pool there whose directory is that of the host that the guest leaves.
fn on_both(from: Host<'_>, to: Host<'_>, files: &BTreeSet<PathBuf>) -> Result<()> {
    let pools = to.hypervisor.pools()?;
    let dirs: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    for dir in dirs {
        let pool = pool_of(to, &pools, dir)?;
        to.interrupt.check()?;
        if !is_shared(from, to, &pool.name, dir)? {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "{} of {} is not the directory of that name on {}, and a guest goes only \
                     where its disks are",
                    dir.display(),
                    to.hypervisor.uri(),
                    from.hypervisor.uri()
                ),
            )
            .hint(
                "mount the storage on both hosts, by NFS for instance, and make a pool of it there",
            )
            .hint("or have them copied: `--copy-storage`"));
        }
        to.hypervisor.refresh_pool(&pool.name)?;
    }
    files.iter().try_for_each(|file| must_see(to, file))
}

/// Refuses a host that does not see a file of a directory that is shared.
fn must_see(to: Host<'_>, file: &Path) -> Result<()> {
    match to.hypervisor.volume_at(file)? {
        Some(_) => Ok(()),
        None => Err(Error::new(
            Kind::WrongState,
            format!("{} does not see {}", to.hypervisor.uri(), shown(file)),
        )),
    }
}

fn pool_of<'p>(to: Host<'_>, pools: &'p [Pool], dir: &Path) -> Result<&'p Pool> {
    let is_it = |pool: &&Pool| pool.active && pool.path.as_deref() == Some(dir);
    pools.iter().find(is_it).ok_or_else(|| {
        let (uri, dir) = (to.hypervisor.uri(), dir.display());
        Error::new(
            Kind::NotFound,
            format!("{uri} has no active storage pool of the directory {dir}"),
        )
        .hint(format!(
            "if it is shared storage, or has room for copies, make one: \
             `virsh -c {uri} pool-create-as images dir --target {dir}`"
        ))
    })
}

/// Whether what is made in a pool of a host appears in this directory of the other.
fn is_shared(from: Host<'_>, to: Host<'_>, pool: &str, dir: &Path) -> Result<bool> {
    let name = format!(".vmkin-{}.probe", Uuid::new_v4());
    let probe = to
        .hypervisor
        .create_volume(pool, &NewVolume::raw(&name, 0))?;
    let seen = sees(from, dir, &name);
    probe.delete()?;
    seen
}

/// Whether a host has a file in a directory.
fn sees(host: Host<'_>, dir: &Path, name: &str) -> Result<bool> {
    if host.hypervisor.is_local() {
        // A link, too, is a file that is there.
        return Ok(dir.join(name).symlink_metadata().is_ok());
    }
    let pools = host.hypervisor.pools()?;
    let pool = &pool_of(host, &pools, dir)?.name;
    host.hypervisor.refresh_pool(pool)?;
    Ok(host.hypervisor.volume_in(pool, name)?.is_some())
}

/// Brings the guest there.
///
/// # Errors
///
/// [`Kind::Libvirt`] if libvirt refuses or fails; the guest is where it was then, and
/// goes on, and what was copied is gone there. [`Kind::NotUndone`] if nobody can say on
/// which host it is, or what was copied could not be removed.
pub fn apply(
    from: Host<'_>,
    to: Host<'_>,
    plan: Plan,
    request: &MigrateRequest,
) -> Result<Migrated> {
    let Plan { mut told, copies } = plan;
    let how = Migration {
        live: told.live,
        unsafe_cache: request.unsafe_cache,
        address: request.address.clone(),
        ..Migration::default()
    };
    let wanted = Wanted {
        allow: Allowed {
            dirs: &request.allow_dirs,
            damaged: false,
        },
        variables: copies.is_some(),
        ..Wanted::default()
    };
    // From here on one that is shut off is not started, here or there, nor cloned.
    let guard = match (told.live, from.hypervisor.is_local()) {
        (true, _) => None,
        (false, true) => Some(WriteGuard::of_domain(from, &told.domain, wanted)?),
        (false, false) => {
            // There are no locks to be had from here.
            ShutOff::check(from.hypervisor, &told.domain)?;
            None
        }
    };
    crate::failpoint::hit("migrate.locked")?;
    let Some(copies) = copies else {
        go(from, to, &told, &how)?;
        return Ok(told);
    };
    copies.bring(from, to, &told, how, guard.as_ref())?;
    let own = copies.own();
    // From here on all of it can be removed.
    drop((guard, copies));
    if request.delete_source {
        told.left = here::remove(from, &own, &request.allow_dirs)?;
    }
    Ok(told)
}

/// Has libvirt bring it there.
fn go(from: Host<'_>, to: Host<'_>, told: &Migrated, how: &Migration) -> Result<()> {
    let domain = &told.domain;
    let what = format!("migrating '{}'", domain.name);
    let migrate = || from.hypervisor.migrate(domain, &told.to, how);
    watched(from, domain, &what, migrate).or_else(|error| arrived(from, to, domain, error))
}

/// Whether a guest has gone all the same: an answer can be lost.
fn arrived(from: Host<'_>, to: Host<'_>, domain: &Domain, error: Error) -> Result<()> {
    // Libvirt lets it go on here only if it does not go on there. The other host may be
    // one that does not answer any more.
    let here = from.hypervisor.state(domain);
    if here.is_ok_and(|state| state == DomainState::Running) {
        return Err(error);
    }
    let places = [from, to].map(|host| host.hypervisor.find_uuid(domain.uuid));
    match places {
        [Ok(None), Ok(Some(_))] => Ok(()),
        [Ok(Some(_)), Ok(None)] => Err(error),
        _ => {
            let (here, there) = (from.hypervisor.uri(), to.hypervisor.uri());
            Err(error.with_kind(Kind::NotUndone).hint(format!(
                "see where it is, and start it on one host alone: `virsh -c {here} dominfo {0}`, \
                 `virsh -c {there} dominfo {0}`",
                word(&domain.name)
            )))
        }
    }
}

#[cfg(test)]
mod tests;
