//! Having an overlay name another file as its backing file, in place.
//!
//! `qemu-img rebase -u` does that too, and writes the whole first cluster anew.
//! Here nothing changes but the name and its length, and what was there before
//! can be kept, so that a write that was torn can be told and done again.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::file::{ImageFile, be32, be64, shown};
use super::identity::hexadecimal;
use super::lock::Lease;
use super::overlay::cannot_write;
use super::qcow2::{Header, MAX_BACKING_NAME};
use crate::error::{Error, Kind, Result};

/// Where a header has the length of the name of the backing file.
const NAME_LENGTH: usize = 16;

/// A change of the beginning of an overlay, so that it names another file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Renaming {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What the beginning of an overlay is, seen from a [`Renaming`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderState {
    /// What it was.
    Before,
    /// What it is to be.
    After,
    /// A mix of both: a write was cut off.
    Torn,
    /// Something else: somebody has written to it since.
    Other,
}

impl Renaming {
    /// Works out what is to be written. The format of the backing file stays.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the header is damaged, [`Kind::WrongState`] if it has
    /// no backing file or no room for the name, [`Kind::Usage`] if the name is not
    /// an absolute path or too long; [`Kind::Storage`] if it cannot be read.
    pub fn plan(image: &ImageFile, to: &Path) -> Result<Self> {
        let header = Header::read(image)?;
        if header.backing_name.is_none() {
            return Err(Error::new(
                Kind::WrongState,
                format_args!("{} is no overlay", shown(image.path())),
            ));
        }
        let cluster = 1_usize << header.cluster_bits;
        let head = image.read_at(0, cluster)?;
        Self::of_head(&head, to).map_err(|error| {
            error.context(format!(
                "{} cannot name another backing file",
                shown(image.path())
            ))
        })
    }

    /// The same from what the beginning of the overlay was, as
    /// [`Renaming::before`] had it.
    ///
    /// # Errors
    ///
    /// Those of [`Renaming::plan`]; [`Kind::Unsafe`] for what is not in hexadecimal.
    pub fn again(before: &str, to: &Path) -> Result<Self> {
        let head = bytes_of(before).ok_or_else(|| {
            Error::new(Kind::Unsafe, "the record of a header is not in hexadecimal")
        })?;
        Self::of_head(&head, to)
    }

    fn of_head(head: &[u8], to: &Path) -> Result<Self> {
        let name = to.as_os_str().as_bytes();
        if !to.is_absolute() || name.len() > MAX_BACKING_NAME {
            return Err(Error::new(
                Kind::Usage,
                format_args!(
                    "{} cannot be named in an image: the path must be absolute, and have \
                     {MAX_BACKING_NAME} bytes at most",
                    shown(to)
                ),
            ));
        }
        let no_room = || Error::new(Kind::WrongState, "its header has no room for a longer name");
        let as_usize = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        let start = as_usize(be64(head, 8)).ok_or_else(no_room)?;
        let old = as_usize(be32(head, NAME_LENGTH).map(u64::from)).ok_or_else(no_room)?;
        let length = old.max(name.len());
        let end = start.checked_add(length).ok_or_else(no_room)?;
        let before = head.get(..end).ok_or_else(no_room)?.to_vec();
        // QEMU has the name at the end of the header; others may have put
        // something behind it.
        let behind = before.get(start.saturating_add(old)..).unwrap_or_default();
        if behind.iter().any(|byte| *byte != 0) {
            return Err(no_room());
        }
        let mut after = before.clone();
        let number = u32::try_from(name.len()).map_err(|_| no_room())?;
        let field = after.get_mut(NAME_LENGTH..NAME_LENGTH + 4);
        field
            .ok_or_else(no_room)?
            .copy_from_slice(&number.to_be_bytes());
        let place = after.get_mut(start..).ok_or_else(no_room)?;
        place.fill(0);
        let place = place.get_mut(..name.len()).ok_or_else(no_room)?;
        place.copy_from_slice(name);
        Ok(Self { before, after })
    }

    /// What was there before, in hexadecimal.
    pub fn before(&self) -> String {
        hexadecimal(&self.before)
    }

    /// What is there now.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot be read.
    pub fn state(&self, image: &ImageFile) -> Result<HeaderState> {
        let now = image.read_at(0, self.before.len())?;
        Ok(if now == self.after {
            HeaderState::After
        } else if now == self.before {
            HeaderState::Before
        } else {
            let mut all = now.iter().zip(self.before.iter().zip(&self.after));
            let mixed = now.len() == self.before.len()
                && all.all(|(now, (before, after))| now == before || now == after);
            if mixed {
                HeaderState::Torn
            } else {
                HeaderState::Other
            }
        })
    }

    /// Writes it, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] or [`Kind::Environment`] if it cannot be written.
    pub fn apply(&self, lease: &Lease) -> Result<()> {
        write(lease, &self.after)
    }

    /// Writes what was there before, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Those of [`Renaming::apply`].
    pub fn take_back(&self, lease: &Lease) -> Result<()> {
        write(lease, &self.before)
    }
}

fn write(lease: &Lease, head: &[u8]) -> Result<()> {
    lease
        .overwrite(head, 0)
        .map_err(|error| cannot_write(lease.image().path(), error))
}

fn bytes_of(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits = hexadecimal.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::image::{Overlay, write as make};
    use crate::model::ImageFormat;

    fn overlay(dir: &Path) -> PathBuf {
        let path = dir.join("overlay");
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing: &dir.join("base"),
            backing_format: ImageFormat::Raw,
        };
        drop(make(&path, &spec).unwrap());
        path
    }

    fn name_of(path: &Path) -> Vec<u8> {
        let header = Header::read(&ImageFile::open(path).unwrap()).unwrap();
        header.backing_name.unwrap()
    }

    #[test]
    fn an_overlay_names_another_file_and_nothing_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = overlay(dir.path());
        for to in [
            "/a/much/longer/path/than/that/of/a/directory/for/tests/base",
            "/b",
        ] {
            let before = std::fs::read(&path).unwrap();
            let lease = Lease::exclusive(&path).unwrap();
            let renaming = Renaming::plan(lease.image(), Path::new(to)).unwrap();
            assert_eq!(renaming.state(lease.image()).unwrap(), HeaderState::Before);
            renaming.apply(&lease).unwrap();
            assert_eq!(renaming.state(lease.image()).unwrap(), HeaderState::After);
            assert_eq!(name_of(&path), to.as_bytes());
            let after = std::fs::read(&path).unwrap();
            assert_eq!(
                after[renaming.before.len()..],
                before[renaming.before.len()..]
            );
            let back = Renaming::again(&renaming.before(), Path::new(to)).unwrap();
            assert_eq!(back, renaming);
            back.take_back(&lease).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), before);
            renaming.apply(&lease).unwrap();
        }
    }

    #[test]
    fn a_write_that_was_cut_off_is_told_from_one_of_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = overlay(dir.path());
        let lease = Lease::exclusive(&path).unwrap();
        let renaming = Renaming::plan(lease.image(), Path::new("/b")).unwrap();
        lease.overwrite(&renaming.after[..20], 0).unwrap();
        assert_eq!(renaming.state(lease.image()).unwrap(), HeaderState::Torn);
        renaming.apply(&lease).unwrap();
        lease.overwrite(&[7], 60).unwrap();
        assert_eq!(renaming.state(lease.image()).unwrap(), HeaderState::Other);
    }

    #[test]
    fn what_is_behind_the_name_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = overlay(dir.path());
        let lease = Lease::exclusive(&path).unwrap();
        let renaming = Renaming::plan(lease.image(), Path::new("/b")).unwrap();
        lease.overwrite(b"x", renaming.before.len() as u64).unwrap();
        let long = PathBuf::from(format!("/{}", "x".repeat(500)));
        let error = Renaming::plan(lease.image(), &long).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState, "{error}");
        assert!(Renaming::plan(lease.image(), Path::new("/c")).is_ok());
        assert!(Renaming::plan(lease.image(), Path::new("relative")).is_err());
    }
}
