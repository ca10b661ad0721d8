//! What is mounted, and what that keeps others from.

use std::path::{Path, PathBuf};

use super::point;
use crate::error::{Error, Kind, Result};
use crate::image::{path_word, shown};
use crate::model::Domain;
use crate::store::{FoundMount, MountEnd, MountRecord, Store};

/// A mount of vmkin, as it is now.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    /// Where.
    pub dir: PathBuf,
    /// The guest.
    pub guest: String,
    /// Whether it can be written to.
    pub writable: bool,
    /// The process that serves it.
    pub pid: u32,
    /// Since when.
    pub since: String,
    /// How it is.
    pub state: State,
    #[serde(skip)]
    pub(super) found: FoundMount,
}

/// How a mount is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is served.
    Mounted,
    /// Its process has died: whoever uses it gets errors.
    Stale,
    /// It has ended, and what was written to it did not get into the guest.
    Failed,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mounted => "mounted",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
}

/// The mounts of vmkin. Those that have ended well, or that were killed and are
/// not mounted any more, are no longer on record after this.
///
/// # Errors
///
/// If they cannot be read.
pub fn list(store: &Store) -> Result<Vec<Listed>> {
    let mounted = point::all()?;
    let mut listed = Vec::new();
    for found in store.mounts()? {
        let there = mounted
            .iter()
            .any(|one| one.is_ours() && one.dir == found.record.dir);
        let state = match (found.is_served, &found.end) {
            (true, _) => State::Mounted,
            (false, Some(MountEnd::Failed { .. })) => State::Failed,
            (false, _) if there => State::Stale,
            (false, _) => {
                store.forget_mount(found.id)?;
                continue;
            }
        };
        listed.push(Listed {
            dir: found.record.dir.clone(),
            guest: found.record.guest.clone(),
            writable: found.record.writable,
            pid: found.record.pid,
            since: found.record.since.clone(),
            state,
            found,
        });
    }
    Ok(listed)
}

impl Listed {
    /// What there is to say about it, if anything, and what to do: a clause each.
    pub fn complaint(&self) -> Option<(String, String)> {
        let how = match self.state {
            State::Mounted => return None,
            State::Stale => "nobody serves it any more",
            State::Failed => "what was written to it is not in the guest",
        };
        let what = format!("'{}' on {}: {how}", self.guest, shown(&self.dir));
        Some((what, format!("`vmkin umount {}`", path_word(&self.dir))))
    }
}

/// An error that may come of an image being mounted for writing, with what to do
/// about that.
pub(in crate::ops) fn explained(store: &Store, image: &Path, error: Error) -> Error {
    let mounts = store.mounts().unwrap_or_default();
    let has = |found: &&FoundMount| {
        let record = &found.record;
        found.is_served && record.writable && record.images.iter().any(|one| one == image)
    };
    match mounts.iter().find(has) {
        Some(found) if error.kind() == Kind::Busy => error.hint(to_unmount(&found.record)),
        _ => error,
    }
}

/// Refuses to start a domain whose files are being written to.
///
/// # Errors
///
/// [`Kind::Busy`] if they are.
pub(in crate::ops) fn must_not_be_writable(store: &Store, domain: &Domain) -> Result<()> {
    let mounts = store.mounts()?;
    let is_it = |found: &&FoundMount| {
        let record = &found.record;
        found.is_served && record.writable && record.domain == Some(domain.uuid)
    };
    match mounts.iter().find(is_it) {
        None => Ok(()),
        Some(found) => Err(Error::new(
            Kind::Busy,
            format!(
                "domain '{}' is mounted for writing on {} (pid {})",
                domain.name,
                shown(&found.record.dir),
                found.record.pid
            ),
        )
        .hint(to_unmount(&found.record))),
    }
}

fn to_unmount(record: &MountRecord) -> String {
    let dir = path_word(&record.dir);
    format!(
        "unmount it: `vmkin umount {dir}`; without what was written: `vmkin umount --discard {dir}`"
    )
}
