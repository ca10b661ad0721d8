//! Directories, names and links: what `mkdir`, `rm`, `mv` and `ln` do.

use super::{DIRECTORY_MODE, Draft, exists, not};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Mountable, Spot};
use crate::guest::native::fs::{FileKind, FsKind};
use crate::guest::tree::Place;

impl Draft<'_> {
    /// A directory is made; with `parents` those above it too, and it may be
    /// there.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if there is something of that name; [`Kind::NotFound`] if
    /// there is nothing to make it in.
    pub fn mkdir(&mut self, path: &[u8], parents: bool, mode: Option<u32>) -> Result<()> {
        let given = |mode: Option<u32>| Given {
            mode: mode.or(Some(DIRECTORY_MODE)),
            ..Given::default()
        };
        if !parents {
            let path = &*self.absolute(path)?;
            let end = self.end(path, false)?;
            if end.there.is_some() {
                return Err(exists(path));
            }
            let at = Spot::at_end(self.tree, &end);
            if self.made.contains(&at.path) {
                return Err(exists(path));
            }
            self.make_directory(at, given(mode));
            return Ok(());
        }
        let path = &*self.absolute(path)?;
        let names: Vec<&[u8]> = path
            .split(|&byte| byte == b'/')
            .filter(|name| !matches!(*name, b"" | b"."))
            .collect();
        // As far as it is there already.
        let mut known = names.len();
        let (mut at, first) = loop {
            let path = names.get(..known).unwrap_or_default().join(&b'/');
            match self.directory(&[&b"/"[..], &path].concat()) {
                Ok(spot) => break (spot, known),
                Err(error) if error.kind() == Kind::NotFound && known > 0 => known -= 1,
                Err(error) => return Err(error),
            }
        };
        for (number, name) in names.iter().enumerate().skip(first) {
            if *name == b".." {
                return Err(Error::new(
                    Kind::NotFound,
                    format!(
                        "'{}' leads back out of what is not there yet",
                        path.escape_ascii()
                    ),
                ));
            }
            at = at.child(name);
            if !self.made.contains(&at.path) {
                let last = number + 1 == names.len();
                self.make_directory(at.clone(), given(mode.filter(|_| last)));
            }
        }
        Ok(())
    }

    /// A file is removed; with `recursive` a directory too, and all that is in it.
    /// With `force` it need not be there.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is not there; [`Kind::WrongState`] if it is a
    /// directory, or file systems are mounted on it or in it.
    pub fn rm(&mut self, path: &[u8], recursive: bool, force: bool) -> Result<()> {
        let end = match self.end(path, false) {
            Err(error) if error.kind() == Kind::NotFound && force => return Ok(()),
            other => other?,
        };
        let there = end.there.filter(|there| !self.is_gone(&there.path));
        let Some(there) = &there else {
            return match force {
                true => Ok(()),
                false => Err(no_such(path)),
            };
        };
        let directory = self.stat_of(there)?.kind == FileKind::Directory;
        if directory && !recursive {
            return Err(not(&there.path, FileKind::Directory, "no directory")
                .hint("to remove it with all that is in it: `-r`"));
        }
        self.must_hold_no_mounts(there)?;
        self.gone.insert(there.path.clone());
        let at = Spot::of(self.tree, there);
        self.changes.push(Change::Remove { at, directory });
        Ok(())
    }

    /// Refuses a path that leads to no directory.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] or [`Kind::WrongState`].
    pub fn must_be_directory(&self, path: &[u8]) -> Result<()> {
        self.directory(&self.absolute(path)?).map(drop)
    }

    /// Files get another place: into a directory that is there, or one of them
    /// under another name.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if one is not there; [`Kind::Exists`] if it would take
    /// the place of a directory; [`Kind::WrongState`] if it would be in itself, or
    /// both are names of one file; [`Kind::Usage`] if another was moved there.
    pub fn mv(&mut self, path: &[u8], to: &[u8]) -> Result<()> {
        let end = self.end(path, false)?;
        let there = end.there.filter(|there| !self.is_gone(&there.path));
        let there = there.ok_or_else(|| no_such(path))?;
        let directory = self.stat_of(&there)?.kind == FileKind::Directory;
        self.must_hold_no_mounts(&there)?;
        let target = self.target(to, &end.name)?;
        let (from, to) = (Spot::of(self.tree, &there), target.spot);
        not_in_itself(&from, &to, "moved")?;
        if let Some(place) = &target.there {
            let kind = self.stat_of(place)?.kind;
            if kind == FileKind::Directory {
                return Err(exists(&place.path));
            }
            if directory {
                return Err(not(
                    &place.path,
                    kind,
                    "a directory for one to take its place",
                ));
            }
            // A kernel does nothing then, and says that all is well.
            if self.is_one_file(&there, place)? {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("'{from}' and '{to}' are names of the same file"),
                )
                .hint("to have one name less: `vmkin rm`"));
            }
        }
        self.place(&to)?;
        self.gone.insert(from.path.clone());
        self.changes.push(Change::Move { from, to });
        Ok(())
    }

    /// A file or a directory is copied, with all that it has: into a directory that
    /// is there, or under another name. Symbolic links are copied as links.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is not there; [`Kind::Exists`] if a directory has the
    /// name; [`Kind::WrongState`] if it would be in itself, holds what is mounted, or
    /// would lose its owner.
    pub fn cp(&mut self, path: &[u8], to: &[u8]) -> Result<()> {
        let end = self.end(path, false)?;
        let there = end.there.ok_or_else(|| no_such(path))?;
        self.must_hold_no_mounts(&there)?;
        let target = self.target(to, &end.name)?;
        let (from, to) = (Spot::of(self.tree, &there), target.spot);
        not_in_itself(&from, &to, "copied")?;
        let mounts = Mountable::all_of(self.tree);
        let keeps = |spot: &Spot| mounts.get(spot.fs).is_some_and(Mountable::has_owners);
        if keeps(&from) && !keeps(&to) {
            return Err(Error::new(
                Kind::WrongState,
                format!("'{to}' is on a file system that has no owners and modes to copy"),
            )
            .hint("copy it to the host and from there: `copy-out`, then `copy-in`"));
        }
        self.place(&to)?;
        if let Some(place) = &target.there {
            let kind = self.stat_of(place)?.kind;
            if kind == FileKind::Directory || self.stat_of(&there)?.kind == FileKind::Directory {
                return Err(exists(&place.path));
            }
            // A link there would be followed, and another name of it changed.
            self.changes.push(Change::Remove {
                at: to.clone(),
                directory: false,
            });
        }
        self.changes.push(Change::Copy { from, to });
        Ok(())
    }

    /// A file gets another name, or there is a symbolic link to `of`, which need
    /// not be there. With `force` it takes the place of what has the name.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if the name is taken; [`Kind::WrongState`] for another name
    /// of a directory, or on another file system, or on one that has no links.
    pub fn ln(&mut self, of: &[u8], path: &[u8], symbolic: bool, force: bool) -> Result<()> {
        let own = of
            .rsplit(|&byte| byte == b'/')
            .find(|name| !name.is_empty());
        let target = self.target(path, own.unwrap_or_default())?;
        if let Some(there) = &target.there {
            if !force || self.stat_of(there)?.kind == FileKind::Directory {
                return Err(exists(&there.path));
            }
        }
        let at = target.spot;
        let mounts = Mountable::all_of(self.tree);
        let fs = mounts.get(at.fs).map(|mount| mount.kind);
        if matches!(fs, Some(FsKind::Fat | FsKind::ExFat)) {
            return Err(Error::new(
                Kind::WrongState,
                format!("'{at}' is on a file system that has no links"),
            ));
        }
        let change = if symbolic {
            Change::Link {
                at: at.clone(),
                target: of.to_vec(),
                given: Given::default(),
            }
        } else {
            let place = self.tree.find_itself(&self.absolute(of)?)?;
            let kind = self.stat_of(&place)?.kind;
            let of = Spot::of(self.tree, &place);
            if kind == FileKind::Directory {
                return Err(not(&place.path, kind, "a file to have another name")
                    .hint("make a symbolic link: `-s`"));
            }
            if of.fs != at.fs {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("'{of}' and '{at}' are on two file systems"),
                )
                .hint("make a symbolic link: `-s`"));
            }
            if of.path == at.path {
                return Err(exists(&at.path));
            }
            Change::Name { at: at.clone(), of }
        };
        if target.there.is_some() {
            self.changes.push(Change::Remove {
                at,
                directory: false,
            });
        }
        self.changes.push(change);
        Ok(())
    }

    /// Where something goes: into a directory that is there, under its own name,
    /// or to that very path.
    fn target(&self, to: &[u8], own: &[u8]) -> Result<Target> {
        let path = &*self.absolute(to)?;
        let dir = match self.tree.find(path) {
            Ok(place) if self.stat_of(&place)?.kind == FileKind::Directory => Some(place),
            Ok(_) => None,
            Err(error) if error.kind() == Kind::NotFound && !path.ends_with(b"/") => None,
            Err(error) => return Err(error),
        };
        let end = match dir {
            Some(dir) => self
                .tree
                .end_of(&[&dir.path[..], b"/", own].concat(), false)?,
            None => self.end(path, false)?,
        };
        Ok(Target {
            spot: Spot::at_end(self.tree, &end),
            there: end.there.filter(|there| !self.is_gone(&there.path)),
        })
    }

    /// Whether both are names of one file, as far as that can be known.
    fn is_one_file(&self, one: &Place, other: &Place) -> Result<bool> {
        let one = self.tree.identity(one)?;
        let several = one.is_some_and(|(_, _, names)| names > 1);
        Ok(several && one == self.tree.identity(other)?)
    }

    fn must_hold_no_mounts(&self, place: &Place) -> Result<()> {
        if !self.tree.holds_mounts(place) {
            return Ok(());
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "a file system is mounted on '{}', or on something in it",
                place.path.escape_ascii()
            ),
        ))
    }
}

struct Target {
    spot: Spot,
    there: Option<Place>,
}

/// Refuses to put something into itself.
fn not_in_itself(from: &Spot, to: &Spot, how: &str) -> Result<()> {
    let below = [&from.path[..], b"/"].concat();
    if to.path != from.path && !to.path.starts_with(&below) {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!("'{from}' cannot be {how} to '{to}', which is the same or in it"),
    ))
}

pub(super) fn no_such(path: &[u8]) -> Error {
    Error::new(
        Kind::NotFound,
        format!("there is no '{}' in the guest", path.escape_ascii()),
    )
}
