//! Modes and owners: what `chmod` and `chown` do.

use std::fmt;
use std::str::FromStr;

use super::Draft;
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Mountable, Spot};
use crate::guest::native::fs::{FileKind, Stat};
use crate::model::ModeChange;

/// How much of the guest's lists of users and groups is read.
const MAX_LIST: u64 = 4 << 20;

/// Who files are to belong to: names of the guest, or numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnerChange {
    user: Option<String>,
    group: Option<String>,
}

/// A text names no owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OwnerError;

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be USER, USER:GROUP or :GROUP, by names of the guest or numbers")
    }
}

impl std::error::Error for OwnerError {}

impl FromStr for OwnerChange {
    type Err = OwnerError;

    fn from_str(text: &str) -> std::result::Result<Self, OwnerError> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let some = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        if text.matches(':').count() > 1 || (user.is_empty() && group.is_empty()) {
            return Err(OwnerError);
        }
        Ok(Self {
            user: some(user),
            group: some(group),
        })
    }
}

impl Draft<'_> {
    /// A file gets another mode; with `recursive` also all that is in it, but for
    /// symbolic links, which have none.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is not there; [`Kind::WrongState`] if its file system
    /// has no modes.
    pub fn chmod(&mut self, path: &[u8], change: &ModeChange, recursive: bool) -> Result<()> {
        self.each(path, recursive, |stat, at| {
            let link = stat.kind == FileKind::Link;
            let old = u32::from(stat.mode);
            let mode = change.apply(old, stat.kind == FileKind::Directory);
            (mode != old && !link).then_some(Change::Mode { at, mode })
        })
    }

    /// A file gets another owner; with `recursive` also all that is in it.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is not there, or the guest has no such user or
    /// group; [`Kind::WrongState`] if its file system has no owners.
    pub fn chown(&mut self, path: &[u8], change: &OwnerChange, recursive: bool) -> Result<()> {
        let user = self.number(change.user.as_deref(), "/etc/passwd", "user")?;
        let group = self.number(change.group.as_deref(), "/etc/group", "group")?;
        self.each(path, recursive, |stat, at| {
            let owner = (user.unwrap_or(stat.uid), group.unwrap_or(stat.gid));
            let mode = (stat.kind != FileKind::Link).then_some(u32::from(stat.mode));
            (owner != (stat.uid, stat.gid)).then_some(Change::Owner { at, owner, mode })
        })
    }

    fn each(
        &mut self,
        path: &[u8],
        recursive: bool,
        change: impl Fn(&Stat, Spot) -> Option<Change>,
    ) -> Result<()> {
        let start = self.tree.find(&self.absolute(path)?)?;
        let (tree, interrupt) = (self.tree, self.interrupt);
        let mounts = Mountable::all_of(tree);
        let mut found = Vec::new();
        tree.visit(&start, &mut |place, stat, _| {
            interrupt.check()?;
            let spot = Spot::of(tree, place);
            let mount = mounts.get(spot.fs);
            if let Some(change) = change(stat, spot) {
                if !mount.is_some_and(Mountable::has_owners) {
                    let at = change.subject();
                    return Err(Error::new(
                        Kind::WrongState,
                        format!("'{at}' is on a file system that has no owners and modes"),
                    ));
                }
                found.push(change);
            }
            Ok(recursive)
        })?;
        self.changes.extend(found);
        Ok(())
    }

    /// The number of a user or group of the guest.
    fn number(&self, name: Option<&str>, list: &str, what: &str) -> Result<Option<u32>> {
        let Some(name) = name else { return Ok(None) };
        match name.parse() {
            // For a kernel it means that nothing is to be changed.
            Ok(u32::MAX) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("no {what} has the number {name}"),
                ));
            }
            Ok(number) => return Ok(Some(number)),
            Err(_) => {}
        }
        let found = match self.tree.look(list)? {
            Some(place) => {
                let text = self.tree.contents(&place, MAX_LIST)?;
                number_in(&String::from_utf8_lossy(&text), name)
            }
            None => None,
        };
        found.map(Some).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the guest has no {what} '{name}'"))
                .hint(format!("see which it has in {list}; or give a number"))
        })
    }
}

/// `name:x:NUMBER:…`, in both lists.
fn number_in(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let number = (fields.next()? == name).then(|| fields.nth(1));
        number??.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{OwnerChange, number_in};

    #[test]
    fn owners_are_names_or_numbers() {
        for good in ["root", "root:", ":wheel", "0:0", "ann:users"] {
            assert!(good.parse::<OwnerChange>().is_ok(), "{good}");
        }
        for bad in ["", ":", "a:b:c"] {
            assert!(bad.parse::<OwnerChange>().is_err(), "{bad}");
        }
        let list = "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(number_in(list, "ann"), Some(1000));
        assert_eq!(number_in(list, "broken"), None);
        assert_eq!(number_in(list, "bob"), None);
    }
}
