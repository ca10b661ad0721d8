//! Snapshots on record that speak of a base which gets another place.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::followers::Followers;
use crate::error::{Error, Kind, Result};
use crate::image::{self, ImageFile, shown};
use crate::model::{Domain, Kept, SecretText};
use crate::ops::snapshot::{named_on_record, word};
use crate::ops::{Host, ShutOff, Usage};
use crate::xml::domain::Repoint;
use crate::xml::snapshot;

impl Followers {
    /// Adds the domains of which a snapshot on record names the base.
    ///
    /// # Errors
    ///
    /// If libvirt does not answer.
    pub(super) fn add_records(&mut self, host: Host<'_>, usage: &Usage) -> Result<()> {
        for known in &usage.domains {
            let named = named_on_record(host, &known.domain)?;
            let mut paths = self.paths.iter().filter_map(|path| path.to_str());
            if paths.any(|path| named.contains(path)) {
                self.recorded.push(known.domain.clone());
            }
        }
        Ok(())
    }

    /// Refuses where what is on record cannot follow to `to`: who goes back to such a
    /// snapshot would find nothing at the old place.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`].
    pub(super) fn records_must_follow(&self, host: Host<'_>, to: &Path) -> Result<()> {
        let there = [self.repoint(to)];
        for domain in &self.recorded {
            ShutOff::check(host.hypervisor, domain)?;
            for document in host.hypervisor.snapshot_records(domain)?.documents {
                if !self.is_named_in(&document)? {
                    continue;
                }
                let record = snapshot::read(&document)?;
                let why = if record.memory != Kept::No {
                    Some("holds memory of a guest with it".to_owned())
                } else if self.is_named_in(&snapshot::repointed(&document, &there)?)? {
                    Some("names it where it cannot be given another place".to_owned())
                } else {
                    self.left_behind(&document)?.map(|overlay| {
                        format!(
                            "is of {}, which is on it, in no directory that is looked through",
                            shown(&overlay)
                        )
                    })
                };
                if let Some(why) = why {
                    return Err(refused(domain, &record.name, &why));
                }
            }
        }
        Ok(())
    }

    /// The change that has XML name the new place.
    pub(super) fn repoint(&self, to: &Path) -> Repoint {
        Repoint {
            from: self.paths.iter().cloned().collect(),
            volumes: self.volumes.clone(),
            to: to.to_owned(),
            identity: None,
        }
    }

    fn is_named_in(&self, document: &str) -> Result<bool> {
        let named = snapshot::values(document)?;
        let mut paths = self.paths.iter().filter_map(|path| path.to_str());
        Ok(paths.any(|path| named.contains(path)))
    }

    /// An overlay on the base that a snapshot is of, and that does not follow.
    fn left_behind(&self, document: &str) -> Result<Option<PathBuf>> {
        for path in snapshot::values(document)?.into_iter().map(PathBuf::from) {
            let Some(file) = path.is_absolute().then(|| image::id_of(&path)).flatten() else {
                continue;
            };
            if !self.overlays.iter().any(|(_, known)| *known == file) && self.is_below(&path) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Whether this is a qcow2 image that names the base as its backing file.
    fn is_below(&self, path: &Path) -> bool {
        let header = ImageFile::open(path).and_then(|image| image::qcow2::Header::read(&image));
        let Ok(header) = header else { return false };
        let name = header.backing_name.as_deref().map(OsStr::from_bytes);
        let dir = path.parent().unwrap_or(path);
        name.is_some_and(|name| self.paths.contains(&dir.join(name)))
    }

    /// Makes sure that no snapshot names the old place any more.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if one does.
    pub(super) fn records_have_followed(&self, host: Host<'_>) -> Result<()> {
        for domain in &self.recorded {
            for document in host.hypervisor.snapshot_records(domain)?.documents {
                if self.is_named_in(&document)? {
                    return Err(Error::new(
                        Kind::Unsafe,
                        format!(
                            "snapshot '{}' of domain '{}' still names the old place",
                            snapshot::read(&document)?.name,
                            domain.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn refused(domain: &Domain, snapshot: &str, why: &str) -> Error {
    let name = &domain.name;
    Error::new(
        Kind::WrongState,
        format!("snapshot '{snapshot}' of domain '{name}' speaks of it, and {why}"),
    )
    .hint(format!(
        "see which there are: `vmkin snapshot list -d {}`",
        word(name)
    ))
    .hint("delete those that are not needed any more: `vmkin snapshot delete`")
}

/// Has all snapshots of a domain name the new places; what names them is left alone.
///
/// # Errors
///
/// If libvirt does not keep them.
pub(super) fn follow(host: Host<'_>, domain: &Domain, repoints: &[Repoint]) -> Result<()> {
    let records = host.hypervisor.snapshot_records(domain)?;
    for document in records.documents {
        let name = snapshot::read(&document)?.name;
        // What is shown to everybody lacks the passwords.
        let Some(old) = host.hypervisor.secure_snapshot(domain, &name)? else {
            continue;
        };
        let new = snapshot::repointed(old.expose(), repoints)?;
        if new != old.expose() {
            let is_current = records.current.as_deref() == Some(&name);
            host.hypervisor
                .record_snapshot(domain, &SecretText::from(new), is_current)?;
        }
        crate::failpoint::hit("move.snapshot")?;
    }
    Ok(())
}
