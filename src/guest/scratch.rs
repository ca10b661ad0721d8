//! A place on the host for what is on its way into a guest.

use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::image::NewFile;

/// A directory that nobody else can enter. It goes, with everything in it, when
/// this is dropped.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes one where temporary files go.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be made.
    pub fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("vmkin-{}", Uuid::new_v4()));
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|error| {
            Error::io("cannot make a directory for temporary files", error)
                .with_kind(Kind::Environment)
        })?;
        Ok(Self { dir })
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
        let new = NewFile::create(&self.dir.join(name))?;
        let written = new.file().write_all(bytes);
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
    }
}
