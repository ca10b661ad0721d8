//! Finding, and removing, what nobody has any more.
//!
//! Removed is only what vmkin made, or what can be proved to be an overlay of a
//! base that is known. All else that no domain uses is listed, and stays.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::guard::RemovalGuard;
use super::images::pools_over;
use super::snapshot::named_on_record;
use super::{Host, Usage, clone};
use crate::error::{Kind, Result};
use crate::image::{self, FoundOverlay, LockState};
use crate::model::{FileId, Size};

/// People's accounts begin here, and end before those of containers and of
/// libvirt.
const PEOPLE: std::ops::Range<u32> = 1000..60_000;

/// How the name of a seed ends that vmkin makes.
const SEED: &str = "-seed.img";

/// What is looked through, and whether anything is removed.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// Directories besides the storage pools and those that domains have images
    /// in.
    pub dirs: Vec<PathBuf>,
    /// Remove what can be removed; else nothing changes.
    pub remove: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pruned {
    /// What is removed, or would be: in the order in which it goes.
    pub orphans: Vec<Orphan>,
    /// What nobody uses either, and stays.
    pub unknown: Vec<Unknown>,
    /// What the orphans take on the host.
    pub size: Size,
    /// Whether they were removed.
    pub removed: bool,
}

/// A file that nobody has any more.
#[derive(Clone, Debug, Serialize)]
pub struct Orphan {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub what: OrphanKind,
    /// The image that it is an overlay of.
    pub base: Option<PathBuf>,
    /// What it takes on the host.
    pub size: Size,
    #[serde(skip)]
    file: FileId,
}

/// What sort of file nobody has any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrphanKind {
    /// An overlay of a base that is known.
    Overlay,
    /// A disk that told a guest who it is.
    Seed,
    /// What a vmkin that died left under a name of its own.
    Temporary,
}

impl OrphanKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Seed => "seed",
            Self::Temporary => "temporary file",
        }
    }
}

/// A file that no domain uses, and that stays.
#[derive(Clone, Debug, Serialize)]
pub struct Unknown {
    /// Where it is.
    pub path: PathBuf,
    /// Why it stays, as a clause.
    pub why: String,
}

/// Looks for orphans, and removes them if asked.
///
/// # Errors
///
/// [`Kind::Unsafe`] if nobody can tell who uses which file; those of removing.
pub fn prune(host: Host<'_>, request: &PruneRequest) -> Result<Pruned> {
    host.must_be_here()?;
    // Nobody begins to make anything, and what is under way is seen.
    let lock = host.store.names_lock()?;
    let under_way = clone::UnderWay::see(host)?;
    let usage = Usage::read_allowing(host.hypervisor, &request.dirs)?;
    let search = Search {
        host,
        under_way,
        snapshots: snapshots(host, &usage)?,
        usage,
    };
    let mut found = search.run(&request.dirs)?;
    if !request.remove {
        return Ok(found);
    }
    for orphan in &found.orphans {
        host.interrupt.check()?;
        crate::failpoint::hit("prune.file")?;
        let guard = RemovalGuard::take([orphan.path.as_path()])?;
        image::remove_own(&orphan.path, orphan.file)?;
        drop(guard);
    }
    drop(lock);
    let pools = host.hypervisor.pools().unwrap_or_default();
    let paths: Vec<PathBuf> = found.orphans.iter().map(|one| one.path.clone()).collect();
    host.refresh_pools(&pools_over(&pools, paths.iter()));
    found.removed = true;
    Ok(found)
}

/// What the snapshots of all domains are of.
fn snapshots(host: Host<'_>, usage: &Usage) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    for known in &usage.domains {
        named.extend(named_on_record(host, &known.domain)?);
    }
    Ok(named)
}

struct Search<'a> {
    host: Host<'a>,
    under_way: clone::UnderWay,
    snapshots: HashSet<String>,
    usage: Usage,
}

impl Search<'_> {
    fn run(&self, dirs: &[PathBuf]) -> Result<Pruned> {
        let mut found = Pruned::default();
        let mut overlays = Vec::new();
        for dir in self.usage.image_dirs() {
            let scan = match image::overlays_in(dir) {
                Ok(scan) => scan,
                Err(error) if !dirs.contains(dir) && error.kind() != Kind::Storage => continue,
                Err(error) => return Err(error),
            };
            found
                .unknown
                .extend(scan.unread.into_iter().map(|(path, why)| Unknown {
                    path,
                    why: format!("it cannot be read: {why}"),
                }));
            let listed: HashSet<PathBuf> = scan.overlays.iter().map(|o| o.path.clone()).collect();
            overlays.extend(scan.overlays);
            self.others_in(dir, &listed, &mut found)?;
        }
        self.usage
            .must_tell(dirs.first().map_or(Path::new("an image"), |d| d), |_| false)?;
        self.overlays(overlays, &mut found)?;
        let bytes = found.orphans.iter().map(|orphan| orphan.size.0);
        found.size = Size(bytes.fold(0, u64::saturating_add));
        found.unknown.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Seeds, and files that have temporary names of vmkin's.
    fn others_in(&self, dir: &Path, overlays: &HashSet<PathBuf>, found: &mut Pruned) -> Result<()> {
        let Ok(entries) = fs::read_dir(dir) else {
            return Ok(());
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let what = if is_temporary(&name) {
                OrphanKind::Temporary
            } else if name.ends_with(SEED) && image::looks_like_seed(&path) {
                OrphanKind::Seed
            } else {
                continue;
            };
            if overlays.contains(&path) && what == OrphanKind::Seed {
                continue;
            }
            let Some(file) = image::file_id(&path)? else {
                continue;
            };
            if !self.usage.of(file).is_empty() {
                continue;
            }
            self.take(&path, file, what, None, found)?;
        }
        Ok(())
    }

    /// Overlays that nobody uses, those on others first.
    fn overlays(&self, mut all: Vec<FoundOverlay>, found: &mut Pruned) -> Result<()> {
        all.retain(|one| self.usage.user_of(one.file).is_none());
        all.retain(|one| {
            !one.path
                .file_name()
                .is_some_and(|name| is_temporary(&name.to_string_lossy()))
        });
        let mut known: HashSet<FileId> = HashSet::new();
        let mut left = Vec::new();
        // Those on a base that is known, then those on these, and so on.
        loop {
            let before = all.len();
            let (on_known, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| {
                one.backing_file
                    .is_some_and(|base| known.contains(&base) || self.is_known(base, one))
            });
            known.extend(on_known.iter().map(|one| one.file));
            left.extend(on_known);
            all = others;
            if all.len() == before {
                break;
            }
        }
        for one in all {
            let why = match &one.backing_path {
                Some(base) if one.backing_file.is_none() => {
                    format!("its base {} is missing", image::shown(base))
                }
                _ => "it is an overlay of something that is not known".to_owned(),
            };
            found.unknown.push(Unknown {
                path: one.path,
                why,
            });
        }
        // What is based on others goes before them, or keeps them.
        let mut kept: HashSet<FileId> = HashSet::new();
        for one in left.iter().rev() {
            let base = one.backing_path.clone();
            let based = left
                .iter()
                .any(|other| other.backing_file == Some(one.file) && kept.contains(&other.file));
            let taken = if based {
                found.unknown.push(Unknown {
                    path: one.path.clone(),
                    why: "what is based on it stays".to_owned(),
                });
                false
            } else {
                self.take(&one.path, one.file, OrphanKind::Overlay, base, found)?
            };
            if !taken {
                kept.insert(one.file);
            }
        }
        Ok(())
    }

    /// Whether the image below an overlay is a base that vmkin knows.
    fn is_known(&self, base: FileId, overlay: &FoundOverlay) -> bool {
        let record = overlay.backing_path.as_deref().and_then(|path| {
            let real = fs::canonicalize(path).ok()?;
            self.host.store.seal_record(&real).ok().flatten()
        });
        record.is_some() || !self.usage.of(base).is_empty()
    }

    /// Takes a file for an orphan, unless there is a reason not to.
    fn take(
        &self,
        path: &Path,
        file: FileId,
        what: OrphanKind,
        base: Option<PathBuf>,
        found: &mut Pruned,
    ) -> Result<bool> {
        if let Some(why) = self.why_not(path)? {
            found.unknown.push(Unknown {
                path: path.to_owned(),
                why,
            });
            return Ok(false);
        }
        let size = fs::symlink_metadata(path).map_or(0, |meta| meta.blocks().saturating_mul(512));
        found.orphans.push(Orphan {
            path: path.to_owned(),
            what,
            base,
            size: Size(size),
            file,
        });
        Ok(true)
    }

    /// Why a file stays that no domain has, as a clause.
    fn why_not(&self, path: &Path) -> Result<Option<String>> {
        let Ok(meta) = fs::symlink_metadata(path) else {
            return Ok(Some("it has gone meanwhile".to_owned()));
        };
        let own = rustix::process::geteuid().as_raw();
        Ok(Some(if !meta.is_file() {
            "it is no regular file".to_owned()
        } else if let Some(pid) = self.under_way.names(path) {
            format!("vmkin (pid {pid}) is at work on it")
        } else if image::seal_state(path)?.immutable || self.host.store.seal_record(path)?.is_some()
        {
            "it is sealed, as a base is".to_owned()
        } else if meta.uid() != own && PEOPLE.contains(&meta.uid()) {
            "it belongs to another user, whose domains are not seen here".to_owned()
        } else if self.in_lineage(path) {
            "the metadata of a domain names it".to_owned()
        } else if path
            .to_str()
            .is_some_and(|path| self.snapshots.contains(path))
        {
            "a snapshot of a domain is on it".to_owned()
        } else if image::probe(path)? != LockState::Free {
            "somebody has it open".to_owned()
        } else {
            return Ok(None);
        }))
    }

    fn in_lineage(&self, path: &Path) -> bool {
        let domains = self.usage.domains.iter();
        let mut lineages = domains.filter_map(|known| known.facts.lineage.as_ref());
        lineages.any(|lineage| {
            lineage.disks.iter().any(|disk| disk.path == path)
                || lineage.files.iter().any(|file| file == path)
        })
    }
}

/// Whether nobody but vmkin makes files of this name.
fn is_temporary(name: &str) -> bool {
    let rest = name
        .strip_prefix(".vmkin-")
        .and_then(|rest| rest.strip_suffix(".tmp"));
    let batch = rest
        .and_then(|rest| rest.split_once('-'))
        .map(|(batch, _)| batch);
    batch.is_some_and(|batch| batch.len() == 32 && batch.bytes().all(|b| b.is_ascii_hexdigit()))
}
