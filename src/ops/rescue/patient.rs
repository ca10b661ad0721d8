//! The guest, and looking at its files.

use super::report::Check;
use crate::error::{Kind, Result};
use crate::guest::native::fs::{FileKind, Stat};
use crate::guest::tree::{Place, Tree};
use crate::image::shell_word;
use crate::ops::guest::Guest;
use crate::xml::domain::DomainFacts;

/// How much of a file of settings is read.
const MAX_TEXT: u64 = 4 << 20;

/// The guest.
pub(super) struct Patient<'g> {
    pub(super) guest: &'g Guest,
    /// How the user names it in a command.
    pub(super) named: String,
    /// What libvirt says of it.
    pub(super) facts: Option<&'g DomainFacts>,
}

/// Its files.
pub(super) struct InTree<'p> {
    pub(super) patient: &'p Patient<'p>,
    pub(super) tree: &'p Tree,
}

/// A check of its files.
pub(super) type Look = fn(&InTree<'_>, &mut Check) -> Result<()>;

impl Patient<'_> {
    /// A command of vmkin's about this guest, to be typed.
    pub(super) fn command(&self, verb: &str, rest: &str) -> Option<String> {
        let space = if rest.is_empty() { "" } else { " " };
        Some(format!("`vmkin {verb} {}{space}{rest}`", self.named))
    }
}

impl InTree<'_> {
    /// Editing a file.
    pub(super) fn edit(&self, path: &str) -> Option<String> {
        self.patient.command("edit", &shell_word(path.as_bytes()))
    }

    /// A command about this guest.
    pub(super) fn command(&self, verb: &str, rest: &str) -> Option<String> {
        self.patient.command(verb, rest)
    }

    pub(super) fn is_windows(&self) -> bool {
        matches!(self.tree.look("/Windows/System32"), Ok(Some(_)))
            && matches!(self.tree.look("/etc/fstab"), Ok(None))
    }

    /// The text of a file; `None` if there is none.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(place) = self.look(path)? else {
            return Ok(None);
        };
        let bytes = self.tree.contents(&place, MAX_TEXT)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What a path leads to; `None` if nowhere. A directory that is a file, or
    /// links that lead in a circle, lead nowhere.
    pub(super) fn look(&self, path: &str) -> Result<Option<Place>> {
        match self.tree.look(path) {
            Err(error) if error.kind() == Kind::WrongState => Ok(None),
            other => other,
        }
    }

    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>> {
        let place = self.look(path)?;
        place.map(|place| self.tree.stat(&place)).transpose()
    }

    pub(super) fn is_there(&self, path: &str) -> Result<bool> {
        self.look(path).map(|place| place.is_some())
    }

    /// The names in a directory and what they are; none, if there is no such
    /// directory.
    pub(super) fn entries(&self, dir: &str) -> Result<Vec<(String, Place)>> {
        let Some(place) = self.look(dir)? else {
            return Ok(Vec::new());
        };
        if self.tree.stat(&place)?.kind != FileKind::Directory {
            return Ok(Vec::new());
        }
        let entries = self.tree.entries(&place)?.into_iter();
        Ok(entries
            .map(|(name, place)| (String::from_utf8_lossy(&name).into_owned(), place))
            .collect())
    }

    pub(super) fn names(&self, dir: &str) -> Result<Vec<String>> {
        let entries = self.entries(dir)?.into_iter();
        Ok(entries.map(|(name, _)| name).collect())
    }
}
