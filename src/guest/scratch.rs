//! A place on the host for what is on its way into a guest.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::image::NewFile;

/// What their names begin with; a UUID is behind it.
const PREFIX: &str = "vmkin-";

/// A directory that nobody else can enter. It goes, with everything in it, when
/// this is dropped; if this process is killed, when the next one makes one.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    /// Says that somebody lives who uses it.
    _lock: Flock<File>,
}

impl Scratch {
    /// Makes one where temporary files go.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be made.
    pub fn new() -> Result<Self> {
        Self::sweep();
        let id = Uuid::new_v4();
        let dir = std::env::temp_dir().join(format!("{PREFIX}{id}"));
        let unlocked = dir.with_file_name(format!(".{PREFIX}{id}"));
        let make = || -> std::io::Result<Flock<File>> {
            DirBuilder::new().mode(0o700).create(&unlocked)?;
            let file = File::open(&unlocked)?;
            let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
            let lock = lock.map_err(|(_, errno)| std::io::Error::from(errno))?;
            // Only now it has the name by which others find it.
            let here = rustix::fs::CWD;
            rustix::fs::renameat(here, &unlocked, here, &dir)?;
            Ok(lock)
        };
        match make() {
            Ok(lock) => Ok(Self { dir, _lock: lock }),
            Err(error) => {
                drop(std::fs::remove_dir(&unlocked));
                let what = "cannot make a directory for temporary files";
                Err(Error::io(what, error).with_kind(Kind::Environment))
            }
        }
    }

    /// Removes those that processes have left that were killed. What does not look
    /// like one, or belongs to somebody else, is left alone.
    pub fn sweep() {
        let me = rustix::process::geteuid().as_raw();
        let entries = std::fs::read_dir(std::env::temp_dir());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if id.is_none_or(|id| Uuid::try_parse(id).is_err()) {
                continue;
            }
            let meta = std::fs::symlink_metadata(entry.path());
            if !meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == me) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else {
                continue;
            };
            if let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                drop(std::fs::remove_dir_all(entry.path()));
            }
        }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a file in it that nobody else may read, with these bytes.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] or [`Kind::Environment`] if it cannot be written.
    pub fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        self.file_from(name, &mut &*bytes)
    }

    /// The same, with whatever comes from there.
    ///
    /// # Errors
    ///
    /// Those of [`Scratch::file`], and of reading.
    pub fn file_from(&self, name: &str, from: &mut dyn Read) -> Result<PathBuf> {
        let new = NewFile::create(&self.dir.join(name))?;
        let written = std::io::copy(from, &mut new.file());
        written.map_err(|error| Error::io("cannot write a temporary file", error))?;
        Ok(new.path().to_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a directory of this user's alone.
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Scratch;

    #[test]
    fn what_is_in_it_is_private_and_goes_with_it() {
        let scratch = Scratch::new().unwrap();
        let file = scratch.file("a", b"secret").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(scratch.dir()), mode(&file)), (0o700, 0o600));
        assert!(scratch.file("a", b"").is_err());
        let dir = scratch.dir().to_owned();
        drop(scratch);
        assert!(!dir.exists());
        // One that is used stays, and one that nobody uses goes.
        let used = Scratch::new().unwrap();
        let left = std::env::temp_dir().join(format!("vmkin-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&left).unwrap();
        Scratch::sweep();
        assert!(used.dir().exists() && !left.exists());
    }
}
