//! Small files that may be changed more than once in one draft: what is drafted
//! is read again, and so changes combine.

use std::path::{Path, PathBuf};

use super::contents::{MAX_EDIT, cannot_read};
use super::{Draft, exists};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::{FileKind, Stat};
use crate::guest::tree::{Place, must_be_a_file};

/// What will be there when all is done that is drafted so far.
enum Now<'d> {
    /// Nothing.
    Nothing,
    /// What is in the guest.
    Kept(Place),
    /// A file with the contents of a file of the host, or an empty one.
    Drafted(Option<&'d Path>),
}

impl Draft<'_> {
    /// What will be in a file, with what is drafted; `None` if there will be none.
    /// A symbolic link is followed.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is no regular file or longer than 64 MiB.
    pub fn text(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let spot = match self.spot(path, true) {
            Ok((spot, _)) => spot,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.now(path, &spot)? {
            Now::Nothing => Ok(None),
            Now::Kept(place) => self.tree.contents(&place, MAX_EDIT).map(Some),
            Now::Drafted(None) => Ok(Some(Vec::new())),
            Now::Drafted(Some(from)) => std::fs::read(from)
                .map(Some)
                .map_err(|error| cannot_read(from, error)),
        }
    }

    /// A file has this text, whatever was drafted of it before. It is made if it
    /// is not there; `given` is for a new one only. Returns whether anything
    /// changes.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if its directory neither is there nor is to be made;
    /// [`Kind::WrongState`] if it is no regular file.
    pub fn put(&mut self, path: &[u8], text: &[u8], given: Given) -> Result<bool> {
        if self.text(path)?.is_some_and(|now| now == text) {
            return Ok(false);
        }
        let (spot, _) = self.spot(path, true)?;
        let from = self.on_the_way(text)?;
        match self.now(path, &spot)? {
            Now::Kept(place) => self.contents_of(&place, &from)?,
            Now::Nothing => self.changes.push(Change::File {
                at: spot,
                from: Some(from),
                given: Given {
                    mode: given.mode.or(Some(super::FILE_MODE)),
                    ..given
                },
            }),
            Now::Drafted(_) => {
                let drafted = self.changes.iter_mut().rev();
                for change in drafted.filter(|change| change.subject().path == spot.path) {
                    match change {
                        Change::Contents { from: old, .. } => *old = from,
                        Change::File { from: old, .. } => *old = Some(from),
                        _ => continue,
                    }
                    break;
                }
            }
        }
        Ok(true)
    }

    /// A directory is there: it is made if it is not, and then gets what is given.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is nothing to make it in; [`Kind::WrongState`] if
    /// there is something else of that name.
    pub fn need_directory(&mut self, path: &[u8], given: Given) -> Result<()> {
        match self.directory(&self.absolute(path)?) {
            Err(error) if error.kind() == Kind::NotFound => {}
            other => return other.map(drop),
        }
        let (at, there) = self.spot(path, false)?;
        if there.is_some() {
            return Err(exists(path));
        }
        self.make_directory(at, given);
        Ok(())
    }

    /// There is a symbolic link, in the place of what has its name. It gets what is
    /// given if it is made.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is nothing to make it in; [`Kind::Exists`] if a
    /// directory has its name.
    pub fn need_link(&mut self, path: &[u8], target: &[u8], given: Given) -> Result<()> {
        let (at, there) = self.spot(path, false)?;
        let mut drafted = self.changes.iter();
        if drafted.any(|change| matches!(change, Change::Link { at: other, .. } if *other == at)) {
            return Ok(());
        }
        if let Some(there) = there {
            match self.stat_of(&there)?.kind {
                FileKind::Link if self.tree.link(&there)? == target => return Ok(()),
                FileKind::Directory => return Err(exists(path)),
                _ => {}
            }
            self.gone.insert(at.path.clone());
            self.changes.push(Change::Remove {
                at: at.clone(),
                directory: false,
            });
        }
        self.changes.push(Change::Link {
            at,
            target: target.to_vec(),
            given,
        });
        Ok(())
    }

    /// A directory of the host for files on their way into the guest, which nobody
    /// else can enter.
    pub fn scratch_dir(&self) -> &Path {
        self.scratch.dir()
    }

    /// What is known of what is there and will be.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn stat(&self, path: &[u8]) -> Result<Option<Stat>> {
        match self.tree.find_itself(path) {
            Ok(place) if self.is_gone(&place.path) => Ok(None),
            Ok(place) => self.tree.stat(&place).map(Some),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory that will be there of those that are there now;
    /// none if it is no directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn names(&self, dir: &[u8]) -> Result<Vec<Vec<u8>>> {
        let place = match self.tree.find(dir) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        if self.stat_of(&place)?.kind != FileKind::Directory {
            return Ok(Vec::new());
        }
        let entries = self.tree.entries(&place)?.into_iter();
        let kept = entries.filter(|(_, place)| !self.is_gone(&place.path));
        Ok(kept.map(|(name, _)| name).collect())
    }

    /// Where a file is or will be, and what is there now and stays.
    fn spot(&self, path: &[u8], follow: bool) -> Result<(Spot, Option<Place>)> {
        let path = &*self.absolute(path)?;
        match self.tree.end_of(path, follow) {
            Ok(end) => {
                let gone = self.is_gone(&end.dir.path) && !self.made.contains(&end.dir.path);
                if gone {
                    return Err(super::names::no_such(&end.dir.path));
                }
                let spot = Spot::at_end(self.tree, &end);
                let there = end.there.filter(|there| !self.is_gone(&there.path));
                Ok((spot, there))
            }
            Err(error) if error.kind() == Kind::NotFound => {
                let (dir, name) = parent(path).ok_or(error)?;
                Ok((self.directory(dir)?.child(name), None))
            }
            Err(error) => Err(error),
        }
    }

    fn now(&self, path: &[u8], spot: &Spot) -> Result<Now<'_>> {
        let mut drafted = self.changes.iter().rev();
        match drafted.find(|change| !is_minor(change) && change.subject().path == spot.path) {
            Some(Change::Contents { from, .. }) => return Ok(Now::Drafted(Some(from))),
            Some(Change::File { from, .. }) => return Ok(Now::Drafted(from.as_deref())),
            Some(Change::Remove { .. }) => return Ok(Now::Nothing),
            Some(other) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "'{}' cannot be changed after this: {other}",
                        path.escape_ascii()
                    ),
                ));
            }
            None => {}
        }
        let (_, there) = self.spot(path, true)?;
        let Some(place) = there else {
            return Ok(Now::Nothing);
        };
        must_be_a_file(&place, &self.stat_of(&place)?)?;
        Ok(Now::Kept(place))
    }

    /// A file of the host with this text that nobody else may read.
    ///
    /// # Errors
    ///
    /// If it cannot be written there.
    pub fn on_the_way(&self, text: &[u8]) -> Result<PathBuf> {
        let name = format!("text-{}", uuid::Uuid::new_v4().simple());
        self.scratch.file(&name, text)
    }
}

/// Whether the contents stay what they are.
fn is_minor(change: &Change) -> bool {
    matches!(
        change,
        Change::Mode { .. } | Change::Owner { .. } | Change::Touched { .. }
    )
}

/// The directory of an absolute path, and the name in it.
pub(super) fn parent(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().rposition(|&byte| byte != b'/')?;
    let path = path.get(..=end)?;
    let at = path.iter().rposition(|&byte| byte == b'/')?;
    let name = path.get(at + 1..)?;
    let dir = path.get(..at.max(1))?;
    (!matches!(name, b"" | b"." | b"..")).then_some((dir, name))
}
