//! A source as a directory, for programs that take no archive.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid};

use super::item::{Item, ItemKind, Owners};
use super::source::Source;
use crate::error::{Error, Kind, Result};
use crate::image::{NewFile, ShownBytes};
use crate::interrupt::Interrupt;

/// Puts a source into an empty directory that nobody else can enter.
pub(super) struct Stage<'d> {
    dir: &'d Path,
    /// The directories that were made: nothing is put anywhere else.
    made: HashSet<Vec<u8>>,
    /// What directories are given when everything is in them.
    later: Vec<Item>,
    /// Whether this user may give files away.
    root: bool,
}

impl Source {
    /// Puts all of it into an empty directory that nobody else can enter, with
    /// modes, times and owners. Extended attributes are left out.
    ///
    /// # Errors
    ///
    /// Those of [`Source::each`]; [`Kind::Unsafe`] if something in it would be put
    /// elsewhere; [`Kind::Environment`] if this user may not give files away;
    /// [`Kind::Storage`] if something cannot be written.
    pub fn stage(&self, dir: &Path, owners: Owners, interrupt: &Interrupt) -> Result<Vec<String>> {
        let root = rustix::process::geteuid().is_root();
        if owners == Owners::Kept && !root {
            return Err(Error::new(
                Kind::Environment,
                "only root can keep the owners of what is in an archive on a CD",
            )
            .hint("give everything to root: `--owner root`"));
        }
        let mut stage = Stage {
            dir,
            made: HashSet::from([b"/".to_vec(), Vec::new()]),
            later: Vec::new(),
            root,
        };
        let left_out = self.each(owners, interrupt, &mut |item, contents| {
            stage.put(item, contents)
        })?;
        for item in std::mem::take(&mut stage.later).iter().rev() {
            stage.dress(item).map_err(|error| cannot(item, error))?;
        }
        Ok(left_out)
    }
}

impl Stage<'_> {
    fn put(&mut self, item: &Item, contents: &mut dyn Read) -> Result<()> {
        let end = item
            .path
            .iter()
            .rposition(|&byte| byte == b'/')
            .unwrap_or(0);
        let above = item.path.get(..end).unwrap_or_default();
        if !self.made.contains(above) {
            return Err(Error::new(
                Kind::Unsafe,
                format!("'{}' is in what is no directory", ShownBytes(&item.path)),
            ));
        }
        if item.kind == ItemKind::Directory {
            if self.made.insert(item.path.clone()) {
                std::fs::create_dir(self.at(&item.path)).map_err(|error| cannot(item, error))?;
            }
            self.later.push(item.clone());
            return Ok(());
        }
        // A later one of the same name takes the place of an earlier one.
        drop(std::fs::remove_file(self.at(&item.path)));
        let path = self.at(&item.path);
        let made = match &item.kind {
            ItemKind::File(_) => {
                let new = NewFile::create(&path)?;
                std::io::copy(contents, &mut new.file()).map(drop)
            }
            ItemKind::Link(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), &path),
            ItemKind::Name(of) => {
                let linked = std::fs::hard_link(self.at(of), &path);
                return linked.map_err(|error| cannot(item, error));
            }
            ItemKind::Char(major, minor) => {
                let device = rustix::fs::makedev(*major, *minor);
                node(&path, FileType::CharacterDevice, device)
            }
            ItemKind::Block(major, minor) => {
                let device = rustix::fs::makedev(*major, *minor);
                node(&path, FileType::BlockDevice, device)
            }
            ItemKind::Pipe => node(&path, FileType::Fifo, 0),
            ItemKind::Directory => Ok(()),
        };
        made.and_then(|()| self.dress(item))
            .map_err(|error| cannot(item, error))
    }

    fn at(&self, path: &[u8]) -> std::path::PathBuf {
        let below = path.strip_prefix(b"/").unwrap_or(path);
        self.dir.join(OsStr::from_bytes(below))
    }

    /// Gives something its owner, mode and time, in this order.
    fn dress(&self, item: &Item) -> std::io::Result<()> {
        let path = self.at(&item.path);
        if self.root {
            let (user, group) = item.owner;
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            rustix::fs::chownat(
                CWD,
                &path,
                Some(user),
                Some(group),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        if !matches!(item.kind, ItemKind::Link(_)) {
            std::fs::set_permissions(&path, Permissions::from_mode(item.mode))?;
        }
        let time = Timespec {
            tv_sec: item.modified.seconds,
            tv_nsec: item.modified.nanoseconds.into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }
}

fn node(path: &Path, kind: FileType, device: rustix::fs::Dev) -> std::io::Result<()> {
    rustix::fs::mknodat(CWD, path, kind, Mode::empty(), device)?;
    Ok(())
}

fn cannot(item: &Item, error: std::io::Error) -> Error {
    Error::io(format!("cannot unpack '{}'", ShownBytes(&item.path)), error)
}
