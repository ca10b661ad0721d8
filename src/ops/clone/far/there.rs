//! The storage pools of another host as a place for clones.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::contents::{self, Contents};
use super::pools::{Holds, Place, Pools};
use super::{copies, looks, take_back};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Volume;
use crate::image::remote::Remote;
use crate::image::{Guard, ReflinkRule, Trust, shown};
use crate::model::{
    BaseIdentity, Chain, CloneMode, Disk, DiskSource, Domain, FileId, IdentityChannel, Layer,
    NewVolume, Pool,
};
use crate::ops::clone::network::Origin;
use crate::ops::clone::plan::{Plan, PlannedBase, PlannedClone, PlannedDisk, still_as_read};
use crate::ops::clone::request::{CloneRequest, Golden, Placement, TpmRule, usage};
use crate::ops::clone::site::{Images, Site};
use crate::ops::guest::{chain_there, must_be_plain, no_volume};
use crate::ops::threads::each;
use crate::ops::{Host, Usage};
use crate::store::{FilePair, VolumeIntent};

/// How many clones are worked on at once: most of the time is on the way.
const AT_ONCE: usize = 16;

/// Another host.
#[derive(Debug)]
pub(in crate::ops::clone) struct There {
    pools: Pools,
    /// What is read of its images.
    remote: Remote,
    golden: Option<Domain>,
    secrets: bool,
    /// Whether disks are copied.
    pub(super) full: bool,
    /// The names of volumes, of the pools that were asked.
    names: Mutex<HashMap<String, Arc<HashSet<String>>>>,
    /// The images that everybody may read.
    pub(super) readable: Mutex<HashSet<PathBuf>>,
    /// Files that are copied.
    pub(super) copied: Mutex<HashMap<PathBuf, Arc<Contents>>>,
    /// The paths of disks that only libvirt there can read.
    pub(super) unread: Mutex<Vec<PathBuf>>,
    /// What was made, or may have been.
    made: Mutex<HashMap<PathBuf, Made>>,
}

/// A volume that this run wants to make.
#[derive(Clone, Debug)]
enum Made {
    /// It was made.
    Ours(Arc<dyn Volume>),
    /// Nobody has answered.
    Perhaps,
}

impl There {
    /// Refuses what cannot be done from afar, and looks which pools there are.
    pub(in crate::ops::clone) fn new(host: Host<'_>, request: &CloneRequest) -> Result<Self> {
        refuse(host, request)?;
        Ok(Self {
            pools: Pools::of(host, request.mode)?,
            remote: Remote::default(),
            golden: match &request.golden {
                Golden::Domain(domain) => Some(domain.clone()),
                Golden::Xml(_) | Golden::Blueprint(_) => None,
            },
            secrets: request.secrets,
            full: request.mode == CloneMode::Full,
            names: Mutex::default(),
            readable: Mutex::default(),
            copied: Mutex::default(),
            unread: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// The pool that something there is a volume of, and its name in that.
    pub(super) fn must_have_pool(&self, host: Host<'_>, path: &Path) -> Result<(&Place, String)> {
        match self.pools.over(path) {
            Some(found) => Ok(found),
            None => Err(no_volume(
                host.hypervisor.uri(),
                &host.hypervisor.pools()?,
                path,
            )),
        }
    }

    fn names(&self, host: Host<'_>, pool: &str) -> Result<Arc<HashSet<String>>> {
        if let Some(known) = locked(&self.names).get(pool) {
            return Ok(Arc::clone(known));
        }
        let names = host.hypervisor.volume_names(pool)?.into_iter().collect();
        let names = Arc::new(names);
        locked(&self.names).insert(pool.to_owned(), Arc::clone(&names));
        Ok(names)
    }

    /// Makes the volume of one file, with nothing in it.
    fn create(&self, host: Host<'_>, path: &Path, contents: &Contents) -> Result<()> {
        let (pool, name) = self.must_have_pool(host, path)?;
        let new = NewVolume::raw(name, contents.length);
        self.make_volume(path, || host.hypervisor.create_volume(&pool.name, &new))
    }

    /// Keeps in mind that a volume is made.
    pub(super) fn make_volume(
        &self,
        path: &Path,
        make: impl FnOnce() -> Result<Arc<dyn Volume>>,
    ) -> Result<()> {
        locked(&self.made).insert(path.to_owned(), Made::Perhaps);
        match make() {
            Ok(volume) => {
                locked(&self.made).insert(path.to_owned(), Made::Ours(volume));
                Ok(())
            }
            Err(error) => {
                if error.kind() == Kind::Exists {
                    locked(&self.made).remove(path);
                    return Err(error.hint("choose other names, or another pool: `--pool POOL`"));
                }
                Err(error)
            }
        }
    }

    /// The disks of a clone that libvirt copies.
    pub(super) fn copies<'a>(
        &self,
        clone: &'a PlannedClone,
    ) -> impl Iterator<Item = &'a PlannedDisk> {
        let disks = clone.disks.iter().filter(|_| self.full);
        disks.filter(|disk| match &disk.source {
            Origin::Image(_) | Origin::Volume { .. } => true,
            Origin::Export { .. } | Origin::Blank { .. } => false,
        })
    }

    /// Fills the volumes of one clone.
    fn fill(&self, host: Host<'_>, clone: &PlannedClone) -> Result<()> {
        for (path, contents) in self.contents(host, clone)? {
            host.interrupt.check()?;
            let made = locked(&self.made).get(&path).cloned();
            let Some(Made::Ours(volume)) = made else {
                let what = format!("the volume {} was not made", shown(&path));
                return Err(Error::new(Kind::Storage, what));
            };
            volume.write(0, &contents.bytes)?;
            crate::failpoint::hit("clone.renamed")?;
        }
        Ok(())
    }
}

impl Site for There {
    fn chain(&self, host: Host<'_>, disk: &Disk, path: &Path, trust: &Trust) -> Result<Chain> {
        chain_there(host.hypervisor, &self.remote, disk, path, trust)
    }

    fn off_host(&self, host: Host<'_>, _: &CloneRequest, disk: &Disk) -> Result<Origin> {
        let uri = host.hypervisor.uri();
        let target = &disk.target;
        Err(Error::new(
            Kind::WrongState,
            format!(
                "disk {target} is {}, and on {uri} clones can only be made of images that are \
                 files or volumes",
                disk.source
            ),
        )
        .hint(format!(
            "let the clones share it, if what is on it can take that: `--share {target}`; or run \
             vmkin on that host"
        )))
    }

    fn guards(&self, _: &Images<'_>) -> Result<Vec<Guard>> {
        Ok(Vec::new())
    }

    fn bases(
        &self,
        host: Host<'_>,
        request: &CloneRequest,
        usage: &Usage,
        images: &Images<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<PlannedBase>> {
        looks::bases(self, host, request, usage, images, warnings)
    }

    fn may_be_given(
        &self,
        host: Host<'_>,
        usage: &Usage,
        disk: &Disk,
        path: &Path,
        trust: &Trust,
    ) -> Result<()> {
        let chain = self.chain(host, disk, path, trust)?;
        let pools = self.pools.directories();
        looks::may_be_given(host, usage, disk, &chain.top().path, pools)
    }

    fn volume(
        &self,
        host: Host<'_>,
        request: &CloneRequest,
        disk: &Disk,
    ) -> Result<Option<Origin>> {
        let volume = copies::of_ceph(host, request.mode, disk)?;
        if let Some(Origin::Volume { path, .. }) = &volume {
            locked(&self.unread).push(path.clone());
        }
        Ok(volume)
    }

    fn copy_path(&self, origin: &Origin, dir: &Path, name: &str, batch: Uuid) -> Result<PathBuf> {
        self.pools.may_copy(origin, dir)?;
        let files = self
            .pools
            .at(dir)
            .is_none_or(|place| place.holds == Holds::Files);
        let stem = || Path::new(name).file_stem().and_then(|stem| stem.to_str());
        let name = if files { name } else { stem().unwrap_or(name) };
        Ok(dir.join(copies::named(name, batch)))
    }

    fn place_of(&self, pool: &str) -> Option<PathBuf> {
        let place = self.pools.named(pool)?;
        (place.holds != Holds::Files).then(|| place.at.clone())
    }

    fn beside(&self, origin: &Origin, named: Option<&Path>) -> Option<PathBuf> {
        self.pools
            .beside(origin, named)
            .map(|place| place.at.clone())
    }

    fn source_of_copy(&self, old: &DiskSource, path: &Path) -> Option<DiskSource> {
        self.pools.source_of(old, path)
    }

    fn must_be_file(&self, path: &Path) -> Result<()> {
        match self.pools.over(path) {
            Some((place, _)) => place.must_be_files(path),
            None => Ok(()),
        }
    }

    fn claim(&self, host: Host<'_>, path: &Path) -> Result<PathBuf> {
        let found = self.pools.over(path);
        if found.is_none_or(|(place, _)| place.holds != Holds::Rbd) {
            must_be_plain(path)?;
        }
        let (place, name) = self.must_have_pool(host, path)?;
        let pool = &place.name;
        if self.names(host, pool)?.contains(&name) {
            return Err(Error::new(
                Kind::Exists,
                format!("storage pool '{pool}' has a volume '{name}' already"),
            )
            .hint("choose other names, or another pool: `--pool POOL`"));
        }
        Ok(path.to_owned())
    }

    fn writable(&self, host: Host<'_>, dir: &Path) -> Result<()> {
        self.must_have_pool(host, &dir.join("volume")).map(drop)
    }

    fn has(&self, host: Host<'_>, file: &Path) -> Result<bool> {
        match host.hypervisor.volume_at(file)? {
            Some(_) => Ok(true),
            // There may be one all the same, and clones without what is in it.
            None => Err(no_volume(
                host.hypervisor.uri(),
                &host.hypervisor.pools()?,
                file,
            )),
        }
    }

    fn looks_like_seed(&self, _: &Path) -> bool {
        false
    }

    fn warnings(&self, host: Host<'_>, images: &Images<'_>, _: &[PlannedClone]) -> Vec<String> {
        if images.is_empty() && locked(&self.unread).is_empty() {
            return Vec::new();
        }
        let uri = host.hypervisor.uri();
        let golden = match &self.golden {
            Some(golden) => format!("start '{}'", golden.name),
            None => "let anybody write to them".to_owned(),
        };
        let (locked, while_) = match self.full {
            true => ("locked", "they are copied"),
            false => ("locked or sealed", "there are clones"),
        };
        vec![format!(
            "Images on {uri} cannot be {locked} from here: never {golden} while {while_}, and let \
             no other machine make clones there at the same time."
        )]
    }

    fn refresh(&self, _: &[Pool], clones: &[PlannedClone]) -> Vec<String> {
        let files = clones.iter().flat_map(contents::paths);
        let pools = files.filter_map(|path| Some(self.pools.over(path)?.0.name.clone()));
        let pools: HashSet<String> = pools.collect();
        let mut pools: Vec<String> = pools.into_iter().collect();
        pools.sort();
        pools
    }

    fn identity(&self, host: Host<'_>, path: &Path) -> Result<BaseIdentity> {
        looks::identity(host, path).map(|(_, identity)| identity)
    }

    fn readable_by_all(&self, layer: &Layer) -> bool {
        locked(&self.readable).contains(&layer.path)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn record(
        &self,
        host: Host<'_>,
        clone: &PlannedClone,
    ) -> Result<(Vec<FilePair>, Vec<VolumeIntent>)> {
        let mut volumes = Vec::new();
        for (path, contents) in self.contents(host, clone)? {
            let (pool, name) = self.must_have_pool(host, &path)?;
            volumes.push(VolumeIntent {
                pool: pool.name.clone(),
                name,
                size: contents.length,
                head_sha256: contents.head_sha256(),
                copied: false,
            });
        }
        for disk in self.copies(clone) {
            let (pool, name) = self.must_have_pool(host, &disk.path)?;
            volumes.push(copies::intent(&pool.name, name));
        }
        Ok((Vec::new(), volumes))
    }

    fn make(&self, host: Host<'_>, _: &Plan, clone: &PlannedClone) -> Result<Vec<FileId>> {
        for (path, contents) in self.contents(host, clone)? {
            host.interrupt.check()?;
            self.create(host, &path, &contents)?;
            crate::failpoint::hit("clone.file")?;
        }
        self.copy_all(host, clone)?;
        Ok(Vec::new())
    }

    fn finish(&self, host: Host<'_>, plan: &Plan, clones: &[&PlannedClone]) -> Result<()> {
        each(&mut clones.to_vec(), AT_ONCE, |clone| {
            self.fill(host, clone)
        })?;
        match &self.golden {
            Some(golden) => still_as_read(host.hypervisor, golden, self.secrets, &plan.xml),
            None => Ok(()),
        }
    }

    fn remove(&self, host: Host<'_>, clone: &PlannedClone, _: Option<&[FileId]>) -> Result<()> {
        for (path, contents) in self.contents(host, clone)? {
            let Some(made) = locked(&self.made).get(&path).cloned() else {
                continue;
            };
            let (pool, name) = self.must_have_pool(host, &path)?;
            let ours = matches!(made, Made::Ours(_));
            take_back::take_back(host, &pool.name, &name, contents.length, |facts, head| {
                contents::is_empty(facts, head) || ours
            })?;
            locked(&self.made).remove(&path);
        }
        for disk in self.copies(clone) {
            if locked(&self.made).contains_key(&disk.path) {
                let (pool, name) = self.must_have_pool(host, &disk.path)?;
                copies::take_back(host, &pool.name, &name)?;
                locked(&self.made).remove(&disk.path);
            }
        }
        Ok(())
    }
}

/// Refuses what takes more than libvirt offers from afar.
fn refuse(host: Host<'_>, request: &CloneRequest) -> Result<()> {
    let full = request.mode == CloneMode::Full;
    if full && !request.files.is_empty() {
        return Err(usage(
            "what libvirt copies on another host has to have a name that nobody else chooses, and \
             `--file` gives it one",
        )
        .hint("name the place alone: `--dir DIR` or `--pool POOL`"));
    }
    let why = if full && request.reflink == ReflinkRule::Always {
        "whose libvirt copies disks without sharing blocks; `--reflink auto` allows that"
    } else if request.tpm == TpmRule::Copy {
        "whose TPMs cannot be copied from here; `--tpm fresh` gives clones empty ones"
    } else if request.identity.channel == Some(IdentityChannel::Offline) {
        "whose images cannot be written to from here; `--identity cloud-init` or `smbios` tell \
         a guest who it is without that"
    } else {
        let dir = match &request.placement {
            Placement::Dir(dir) => Some(dir),
            Placement::Beside | Placement::Pool(_) => None,
        };
        let mut named = dir.into_iter().chain(&request.files).chain(&request.nvrams);
        return named.try_for_each(|path| must_be_plain(path));
    };
    Err(host.elsewhere(why))
}

pub(super) fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
