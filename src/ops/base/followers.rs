//! Who has to follow a base that gets another place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{Disk, DiskSource, Domain, FileId, Layer};
use crate::ops::images::{must_be_found_in, path_of, real};
use crate::ops::{Host, KnownDomain, ShutOff, Usage};

/// What speaks of a base.
#[derive(Clone, Debug, Default)]
pub(super) struct Followers {
    /// The domains whose disks are on it, or are it.
    pub(super) domains: Vec<Domain>,
    /// The overlays on it, each once: those of domains, and those of nobody.
    pub(super) overlays: Vec<(PathBuf, FileId)>,
    /// The paths that XML has it by.
    pub(super) paths: BTreeSet<PathBuf>,
    /// The volumes that it is, as pool and name.
    pub(super) volumes: Vec<(String, String)>,
    /// The domains of which a snapshot on record names it.
    pub(super) recorded: Vec<Domain>,
}

impl Followers {
    /// Of an image that nobody is known to follow yet.
    pub(super) fn of(base: &Path) -> Self {
        Self {
            paths: BTreeSet::from([base.to_owned()]),
            ..Self::default()
        }
    }

    /// Adds the domains that have this file in a chain.
    ///
    /// # Errors
    ///
    /// If a volume of theirs is not known to libvirt.
    pub(super) fn add_users(&mut self, host: Host<'_>, usage: &Usage, file: FileId) -> Result<()> {
        for known in usage.of(file).iter().filter_map(|one| usage.domain(one)) {
            if !self.domains.iter().any(|d| d.uuid == known.domain.uuid) {
                self.domains.push(known.domain.clone());
                self.names_in(host, known, file)?;
            }
        }
        Ok(())
    }

    /// Finds them, for `base` to have its place at `to`. All domains must be shut off.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if a domain is not shut off, or has a snapshot that
    /// cannot follow; [`Kind::Unsafe`] if nobody can tell who there is.
    pub(super) fn find(
        host: Host<'_>,
        usage: &Usage,
        base: &Path,
        file: FileId,
        to: &Path,
    ) -> Result<Self> {
        usage.must_tell(base, |_| false)?;
        let strays = usage.strays(file, base.parent().unwrap_or(base))?;
        strays.must_tell(base)?;
        let mut found = Self::of(base);
        found.add_users(host, usage, file)?;
        for domain in &found.domains {
            ShutOff::check(host.hypervisor, domain)?;
        }
        for one in usage.of(file) {
            let Some(known) = usage.domain(one) else {
                continue;
            };
            if one.depth == 0 {
                continue;
            }
            let layers = known.disk(&one.target);
            let over = layers.and_then(|(_, layers)| above(layers, file));
            let Some(over) = over else {
                return Err(Error::new(
                    Kind::WrongState,
                    format!(
                        "disk {} of domain '{}' is on it, and cannot be read just now",
                        one.target, known.domain.name
                    ),
                )
                .hint("mount the file system that it is on, or delete the domain"));
            };
            found.overlay(&over.path, over.file);
        }
        for stray in &strays.paths {
            if let Some(file) = image::file_id(stray)? {
                found.overlay(stray, file);
            }
        }
        found.add_records(host, usage)?;
        found.records_must_follow(host, to)?;
        Ok(found)
    }

    /// Refuses a new directory from which a domain would be refused its own base.
    ///
    /// # Errors
    ///
    /// Those of [`must_be_found_in`].
    pub(super) fn must_find_it_in(
        &self,
        host: Host<'_>,
        usage: &Usage,
        file: FileId,
        dir: &Path,
    ) -> Result<()> {
        for one in usage.of(file).iter().filter(|one| one.depth > 0) {
            let Some(known) = usage.domain(one) else {
                continue;
            };
            if let Some((disk, [top, ..])) = known.disk(&one.target) {
                let name = &known.domain.name;
                must_be_found_in(host.hypervisor, disk, &top.path, dir)
                    .map_err(|e| e.context(format!("domain '{name}' could not follow it")))?;
            }
        }
        Ok(())
    }

    /// Leaves out names that lead to the new place already: there it is the same file
    /// while it has two names.
    pub(super) fn leave_out(&mut self, to: &Path) {
        self.paths.retain(|path| real(path) != to);
    }

    fn overlay(&mut self, path: &Path, file: FileId) {
        if !self.overlays.iter().any(|(_, known)| *known == file) {
            self.overlays.push((path.to_owned(), file));
        }
    }

    /// By which names the XML of a domain has the base.
    fn names_in(&mut self, host: Host<'_>, known: &KnownDomain, file: FileId) -> Result<()> {
        let sources = |disk: &Disk| -> Vec<DiskSource> {
            let below = disk.declared.iter().map(|layer| layer.source.clone());
            std::iter::once(disk.source.clone()).chain(below).collect()
        };
        for source in known.facts.disks.iter().flat_map(sources) {
            let path = path_of(host.hypervisor, &source)?;
            let Some(path) = path.filter(|path| image::id_of(path) == Some(file)) else {
                continue;
            };
            match source {
                DiskSource::Volume { pool, volume } => self.volumes.push((pool, volume)),
                _ => drop(self.paths.insert(path)),
            }
        }
        Ok(())
    }
}

/// The layer right above a file.
fn above(layers: &[Layer], file: FileId) -> Option<&Layer> {
    let at = layers.iter().position(|layer| layer.file == file)?;
    layers.get(at.checked_sub(1)?)
}

/// Refuses an overlay that cannot be given another backing file in place.
pub(super) fn refuse_block(path: &Path) -> Result<()> {
    if image::ImageFile::open(path)?.is_block() {
        return Err(Error::new(
            Kind::WrongState,
            format!("{} is a block device that is on it", shown(path)),
        ));
    }
    Ok(())
}
