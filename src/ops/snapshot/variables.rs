//! UEFI variables in a raw file, which cannot hold snapshots: each snapshot has
//! a copy of them beside the file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Subject, word};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Lease, NewFile, shown};
use crate::model::FileId;
use crate::store::{FilePair, SavedVariables};

/// What the names of the copies end with.
const SUFFIX: &str = ".vmkin-snapshot";

/// How long the part for the snapshot may be; a file name has 255 bytes, and
/// that of the domain is in it too.
const MAX_PART: usize = 80;

/// Where the copy is that belongs to a snapshot.
pub(in crate::ops) fn copy_for(variables: &Path, snapshot: &str) -> PathBuf {
    let mut name = variables.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(part_for(snapshot));
    name.push(SUFFIX);
    variables.with_file_name(name)
}

/// The name of a snapshot as a part of a file name: no two have the same.
pub(super) fn part_for(snapshot: &str) -> String {
    let mut part = String::new();
    for byte in snapshot.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            part.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(part, "%{byte:02x}");
        }
    }
    if part.len() <= MAX_PART {
        return part;
    }
    let hash = Sha256::digest(snapshot.as_bytes());
    let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    // No name as it stands has this in it.
    format!("%%{hash}")
}

/// The copies that belong to snapshots of the domain with these variables.
///
/// # Errors
///
/// If the directory cannot be listed.
pub(in crate::ops) fn copies_of(variables: &Path) -> Result<Vec<PathBuf>> {
    let (Some(dir), Some(own)) = (variables.parent(), variables.file_name()) else {
        return Ok(Vec::new());
    };
    let own = format!("{}.", own.to_string_lossy());
    let cannot = |e| Error::io(format!("cannot list {}", shown(dir)), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let part = name.strip_prefix(&own).and_then(|n| n.strip_suffix(SUFFIX));
        if part.is_some_and(|part| !part.contains('.')) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What there is to know about the variables before anything is done.
///
/// # Errors
///
/// If the directory may not be written to.
pub(super) fn plan(path: &Path, snapshot: &str) -> Result<SavedVariables> {
    let copy = copy_for(path, snapshot);
    image::may_remove(path)?;
    let batch = Uuid::new_v4();
    Ok(SavedVariables {
        path: path.to_owned(),
        file: image::file_id(&copy)?,
        copy: FilePair {
            temp: image::temporary(path, batch, "new"),
            path: copy,
        },
        old: image::temporary(path, batch, "old"),
    })
}

/// Copies the variables for a new snapshot, under a name of its own yet.
pub(super) fn save(saved: &SavedVariables) -> Result<NewFile> {
    let new = image::copy_small(&saved.path, &saved.copy.temp)?;
    new.sync()?;
    Ok(new)
}

/// Gives the copy its name, on the disk when this returns.
pub(super) fn publish(saved: &SavedVariables) -> Result<()> {
    image::publish(&saved.copy.temp, &saved.copy.path)?;
    sync(saved)
}

/// Puts the copy in the place of the variables. The old ones are kept.
pub(super) fn restore(saved: &SavedVariables, lease: &Lease) -> Result<()> {
    let new = image::copy_small(&saved.copy.path, &saved.copy.temp)?;
    new.belong_like(lease.image())?;
    new.sync()?;
    fs::hard_link(&saved.path, &saved.old)
        .map_err(|e| Error::io(format!("cannot keep {}", shown(&saved.path)), e))?;
    sync(saved)?;
    image::replace(lease, &saved.copy.temp)?;
    sync(saved)
}

/// Puts the old ones back, if they are kept, and removes what was made.
pub(super) fn put_back(saved: &SavedVariables) -> Result<()> {
    let old = image::file_id(&saved.old)?;
    if let Some(old) = old {
        if image::file_id(&saved.path)? == Some(old) {
            // Two names of one file, of which a rename would leave both.
            image::remove_own(&saved.old, old)?;
        } else {
            image::put_back(&saved.old, &saved.path)?;
        }
    }
    discard(&saved.copy.temp)?;
    sync(saved)
}

/// Removes the old ones, which nobody goes back to any more.
pub(super) fn forget_old(saved: &SavedVariables) -> Result<()> {
    discard(&saved.old)?;
    discard(&saved.copy.temp)?;
    sync(saved)
}

/// Removes a copy, if it is still that file.
pub(super) fn remove(saved: &SavedVariables, copy: Option<FileId>) -> Result<()> {
    discard(&saved.copy.temp)?;
    if let Some(file) = copy {
        image::remove_own(&saved.copy.path, file)?;
    }
    sync(saved)
}

/// Removes a file with a name that is this run's alone.
fn discard(path: &Path) -> Result<()> {
    if let Some(file) = image::file_id(path)? {
        image::remove_own(path, file)?;
    }
    Ok(())
}

fn sync(saved: &SavedVariables) -> Result<()> {
    saved.path.parent().map_or(Ok(()), image::sync_dir)
}

/// The error for a copy whose name is taken, though libvirt has no snapshot of
/// that name on record: another tool has deleted it, and left the copy.
pub(super) fn taken(copy: &Path, subject: &Subject, snapshot: &str) -> Error {
    Error::new(
        Kind::Exists,
        format!("{} exists already, and is never overwritten", shown(copy)),
    )
    .hint(format!(
        "no snapshot '{snapshot}' is on record: this copy is left of one that another tool has \
         deleted; to be rid of it: `vmkin snapshot delete {} {}`",
        subject.options(),
        word(snapshot)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snapshot_has_a_copy_of_its_own() {
        let at = Path::new("/nvram/web_VARS.fd");
        assert_eq!(
            copy_for(at, "s1"),
            Path::new("/nvram/web_VARS.fd.s1.vmkin-snapshot")
        );
        let long = "\u{e4}".repeat(60);
        let names = [
            "a b",
            "a%20b",
            "a.b",
            "\u{e4}",
            "x",
            &long,
            &long[2..],
            "%%",
        ];
        let mut copies: Vec<PathBuf> = names.iter().map(|name| copy_for(at, name)).collect();
        for copy in &copies {
            assert!(copy.file_name().unwrap().len() < 130, "{copy:?}");
            assert_eq!(copy.parent(), at.parent());
        }
        copies.sort();
        copies.dedup();
        assert_eq!(copies.len(), names.len());
    }

    #[test]
    fn only_copies_of_this_very_file_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("a_VARS.fd");
        for name in [
            "a_VARS.fd",
            "a_VARS.fd.s1.vmkin-snapshot",
            "a_VARS.fd.s1.x.vmkin-snapshot",
            "a_VARS.fd.s1",
            "ba_VARS.fd.s1.vmkin-snapshot",
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        assert_eq!(copies_of(&own).unwrap(), [copy_for(&own, "s1")]);
    }

    #[test]
    fn variables_go_back_and_forth() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let path = dir.join("VARS.fd");
        fs::write(&path, "old").unwrap();
        let before = image::file_id(&path).unwrap();
        let lease = Lease::exclusive(&path).unwrap();
        let saved = plan(&path, "s").unwrap();
        assert_eq!(saved.file, None);
        drop(save(&saved).unwrap());
        publish(&saved).unwrap();
        assert!(publish(&saved).is_err());
        fs::write(&path, "new").unwrap();
        let saved = plan(&path, "s").unwrap();
        restore(&saved, &lease).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        put_back(&saved).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(image::file_id(&path).unwrap(), before);
        put_back(&saved).unwrap();
        restore(&saved, &lease).unwrap();
        forget_old(&saved).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        remove(&saved, saved.file).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}
