//! What a directory can do for images, found out by trying it.

use std::path::Path;

use uuid::Uuid;

use super::lock::{Guard, LockState, probe};
use super::overlay::{NewFile, publish, remove_own, temporary};
use super::seal::{seal, unseal};
use crate::error::Result;

/// What a directory can do for images.
#[derive(Debug)]
pub struct Abilities {
    /// Whether image locks are held there, as QEMU's are.
    pub locks: Result<()>,
    /// Whether a file can be given a name only if that is free.
    pub exclusive_names: Result<()>,
    /// Why files there cannot be made immutable, if they cannot.
    pub not_immutable: Option<String>,
    /// Whether two files there can share blocks.
    pub reflink: bool,
}

/// Finds out what a directory can do, with files that are gone afterwards.
///
/// # Errors
///
/// If no file can be made there.
pub fn abilities(dir: &Path) -> Result<Abilities> {
    let batch = Uuid::new_v4();
    let name = |what: &str| temporary(&dir.join(what), batch, what);
    let (first, second) = (NewFile::create(&name("a"))?, NewFile::create(&name("b"))?);
    let renamed = name("c");
    let exclusive_names = publish(first.path(), &renamed);
    let path = if exclusive_names.is_ok() {
        renamed
    } else {
        first.path().to_owned()
    };
    let abilities = Abilities {
        exclusive_names,
        locks: locks(&path),
        reflink: rustix::fs::ioctl_ficlone(second.file(), first.file()).is_ok(),
        not_immutable: match seal(&path) {
            Ok(sealed) => sealed.reason,
            Err(e) => Some(e.to_string()),
        },
    };
    unseal(&path, 0o600)?;
    remove_own(&path, first.id())?;
    second.discard();
    Ok(abilities)
}

/// Holds a guard and looks whether it is seen.
fn locks(path: &Path) -> Result<()> {
    let _guard = Guard::base(path)?;
    match probe(path)? {
        LockState::Free => Err(crate::error::Error::new(
            crate::error::Kind::Environment,
            "a lock that is held there is not seen by others",
        )),
        LockState::Readers | LockState::Writer => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_directory_can_do_what_is_needed_and_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let abilities = abilities(dir.path()).unwrap();
        abilities.locks.unwrap();
        abilities.exclusive_names.unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
