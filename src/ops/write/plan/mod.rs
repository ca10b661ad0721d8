//! Working out what is to be changed: a file for each kind of work.
//!
//! Paths are resolved in the tree that was read; what is drafted already counts
//! as there. Nothing is changed.

mod contents;
mod copy_in;
mod names;
mod owners;
mod tar_in;
#[cfg(test)]
mod tests;
mod texts;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::{FileKind, Stat};
use crate::guest::scratch::Scratch;
use crate::guest::tree::{End, Place, Tree};
use crate::interrupt::Interrupt;

pub use self::contents::Editable;
pub use self::owners::{OwnerChange, OwnerError};

/// The mode of a new file, and of a new directory.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// What is to be changed, while it is thought through.
pub struct Draft<'t> {
    tree: &'t Tree,
    scratch: &'t Scratch,
    interrupt: &'t Interrupt,
    changes: Vec<Change>,
    /// The directories that are to be made, by their paths.
    made: HashSet<Vec<u8>>,
    /// What is to be removed or moved away.
    gone: HashSet<Vec<u8>>,
    /// The names that something is copied or moved to.
    placed: HashSet<Vec<u8>>,
    /// Devices, pipes and sockets of the host that are not copied.
    left_out: Vec<PathBuf>,
}

impl<'t> Draft<'t> {
    /// Nothing is to be changed yet.
    pub fn new(writing: &'t super::Writing<'_>) -> Self {
        Self::over(writing.tree(), writing.scratch(), writing.host.interrupt)
    }

    /// The same, of files as they are in a tree of a guest.
    pub fn in_tree(held: &'t super::Held<'_>, tree: &'t Tree) -> Self {
        Self::over(tree, held.scratch(), held.host.interrupt)
    }

    /// The same for files that are looked at, with a place for what is on its way.
    pub fn over(tree: &'t Tree, scratch: &'t Scratch, interrupt: &'t Interrupt) -> Self {
        Self {
            tree,
            scratch,
            interrupt,
            changes: Vec::new(),
            made: HashSet::new(),
            gone: HashSet::new(),
            placed: HashSet::new(),
            left_out: Vec::new(),
        }
    }

    /// What is to be changed, and what of the host is not copied.
    pub fn finish(self) -> (Vec<Change>, Vec<PathBuf>) {
        (self.changes, self.left_out)
    }

    /// The files as they are now.
    pub fn tree(&self) -> &Tree {
        self.tree
    }

    /// A directory that is there, or is to be made.
    fn directory(&self, path: &[u8]) -> Result<Spot> {
        let error = match self.tree.find(path) {
            Ok(place) if self.is_gone(&place.path) => match self.made.contains(&place.path) {
                true => return Ok(Spot::of(self.tree, &place)),
                false => names::no_such(path),
            },
            Ok(place) => match self.tree.stat(&place)?.kind {
                FileKind::Directory => return Ok(Spot::of(self.tree, &place)),
                kind => return Err(not(&place.path, kind, "a directory")),
            },
            Err(error) => error,
        };
        if self.made.is_empty() || error.kind() != Kind::NotFound {
            return Err(error);
        }
        // It may be one that is to be made, in one that may be such a one too.
        let Some((dir, name)) = texts::parent(path) else {
            return Err(error);
        };
        let spot = self.directory(dir)?.child(name);
        match self.made.contains(&spot.path) {
            true => Ok(spot),
            false => Err(error),
        }
    }

    /// A path from the root on. Refuses one that depends on where somebody is, if
    /// nobody has gone anywhere.
    fn absolute<'p>(&self, path: &'p [u8]) -> Result<Cow<'p, [u8]>> {
        if path.starts_with(b"/") {
            return Ok(Cow::Borrowed(path));
        }
        let current = self.tree.current().filter(|_| !path.is_empty());
        let joined = current.map(|current| Cow::Owned([current, b"/", path].concat()));
        joined.ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!(
                    "'{}' must be an absolute path in the guest",
                    path.escape_ascii()
                ),
            )
        })
    }

    /// Refuses to make anything in a file system that has no place for it.
    fn end(&self, path: &[u8], follow: bool) -> Result<End> {
        self.tree.end_of(&self.absolute(path)?, follow)
    }

    fn stat_of(&self, place: &Place) -> Result<Stat> {
        self.tree.stat(place)
    }

    /// Whether what is there now is to be gone by then.
    fn is_gone(&self, path: &[u8]) -> bool {
        let above = |at: usize| path.get(..at).unwrap_or_default();
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        !self.gone.is_empty()
            && (self.gone.contains(path)
                || slashes
                    .into_iter()
                    .any(|(at, _)| self.gone.contains(above(at))))
    }

    /// Gives a name to what is copied or moved there. Refuses one that something of
    /// this draft has already: that would be lost.
    fn place(&mut self, at: &Spot) -> Result<()> {
        if !self.made.contains(&at.path) && self.placed.insert(at.path.clone()) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!("two of them would be '{at}', and only the last would be left"),
        )
        .hint("give one of them another name first"))
    }

    fn make_directory(&mut self, at: Spot, given: Given) {
        self.made.insert(at.path.clone());
        self.changes.push(Change::Directory { at, given });
    }
}

fn not(path: &[u8], is: FileKind, must: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "'{}' is {}, and must be {must}",
            path.escape_ascii(),
            is.described()
        ),
    )
}

fn exists(path: &[u8]) -> Error {
    Error::new(
        Kind::Exists,
        format!("'{}' is there already", path.escape_ascii()),
    )
}
