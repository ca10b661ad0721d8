//! The host's side: making files where nobody can lead us elsewhere.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::copy::cannot_write;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{Stat, Time, Xattr, name_is_sound};
use crate::image::exclusive::{self, Entry};
use crate::image::shown;

/// A directory of the user's.
pub(super) struct Parent {
    fd: OwnedFd,
    shown: String,
}

/// Opens a directory that the user names; by a symbolic link if need be.
pub(super) fn open(path: &Path) -> Result<Parent> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let shown = shown(path).to_string();
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
        let error = Error::io(format!("cannot open directory {shown}"), errno.into());
        match errno {
            Errno::NOTDIR => error
                .with_kind(Kind::NotFound)
                .hint("name a directory that is there; what is copied keeps its name"),
            Errno::NOENT => error.hint(format!("make it first: `mkdir -p {shown}`")),
            _ => error,
        }
    })?;
    Ok(Parent { fd, shown })
}

impl Parent {
    /// Refuses a name that is taken, by whatever.
    pub(super) fn must_be_free(&self, name: &[u8]) -> Result<()> {
        if !name_is_sound(name) {
            return Err(Error::new(
                Kind::Unsafe,
                format!("'{}' is no name for a file", name.escape_ascii()),
            ));
        }
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Ok(_) => Err(self.taken(name)),
            Err(errno) => Err(cannot_write(&[name.to_vec()], errno)),
        }
    }

    fn taken(&self, name: &[u8]) -> Error {
        Error::new(
            Kind::Exists,
            format!(
                "there is a '{}' in {} already",
                name.escape_ascii(),
                self.shown
            ),
        )
        .hint("copy to another directory, or move it away")
    }

    /// Makes a directory that only this process works in.
    pub(super) fn scratch(&self, name: &str) -> Result<Scratch<'_>> {
        let failed = |errno| cannot_write(&[name.as_bytes().to_vec()], errno);
        rustix::fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(failed)?;
        let fd = open_in(&self.fd, name.as_bytes(), directory()).map_err(failed)?;
        let name = name.to_owned();
        Ok(Scratch {
            parent: self,
            name,
            fd,
        })
    }
}

/// A directory for what is not done yet. What is in it when it is dropped is
/// removed.
pub(super) struct Scratch<'a> {
    parent: &'a Parent,
    name: String,
    fd: OwnedFd,
}

impl Scratch<'_> {
    /// Where files are made.
    pub(super) fn target(&self) -> Target<'_> {
        Target {
            top: &self.fd,
            open: None,
        }
    }

    /// Gives something that is done its place, if nobody has taken it.
    pub(super) fn hand_over(&self, name: &[u8]) -> Result<()> {
        let [from, to] = [&self.fd, &self.parent.fd].map(|dir| Entry { dir, name });
        exclusive::rename(from, to).map_err(|errno| match errno {
            Errno::EXIST => self.parent.taken(name),
            errno => cannot_write(&[name.to_vec()], errno),
        })
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // There is nobody to tell; the name says whose it is.
        remove_all(&self.parent.fd, self.name.as_bytes(), 0).ok();
    }
}

/// Removes a directory and all in it, following nothing.
fn remove_all(parent: &OwnedFd, name: &[u8], depth: usize) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return other,
    }
    // No deeper than a walk goes.
    if depth > 1100 {
        return Err(Errno::LOOP);
    }
    let dir = open_in(parent, name, directory())?;
    rustix::fs::fchmod(&dir, Mode::RWXU)?;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            remove_all(&dir, name, depth + 1)?;
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW
}

/// Opens what is below a directory, and neither through a link nor out of it.
fn open_in(dir: &OwnedFd, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mode = match flags.contains(OFlags::CREATE) {
        true => Mode::RUSR | Mode::WUSR,
        false => Mode::empty(),
    };
    rustix::fs::openat2(dir, path, flags, mode, resolve)
}

/// Where files are made, by their paths from there.
pub(super) struct Target<'a> {
    top: &'a OwnedFd,
    /// The directory that something was made in last.
    open: Option<(Vec<Vec<u8>>, OwnedFd)>,
}

/// A file or directory that was made.
pub(super) struct Made {
    fd: OwnedFd,
    path: Vec<Vec<u8>>,
}

impl Target<'_> {
    /// The directory that `path` is in, and the name it has there.
    fn parent<'p>(&mut self, path: &'p [Vec<u8>]) -> Result<(&OwnedFd, &'p [u8])> {
        let Some((name, dirs)) = path.split_last().filter(|(name, _)| name_is_sound(name)) else {
            return Err(Error::new(Kind::Unsafe, "a file has no name"));
        };
        if dirs.is_empty() {
            return Ok((self.top, name));
        }
        if self.open.as_ref().is_none_or(|(open, _)| open != dirs) {
            let fd = self.walk(dirs).map_err(|errno| cannot_write(path, errno))?;
            self.open = Some((dirs.to_vec(), fd));
        }
        match &self.open {
            Some((_, fd)) => Ok((fd, name)),
            None => Ok((self.top, name)),
        }
    }

    /// Step by step: a deep path is longer than a call takes.
    fn walk(&self, dirs: &[Vec<u8>]) -> rustix::io::Result<OwnedFd> {
        let mut here = self.top.try_clone().map_err(|_| Errno::MFILE)?;
        for name in dirs {
            here = open_in(&here, name, directory())?;
        }
        Ok(here)
    }

    pub(super) fn directory(&mut self, path: &[Vec<u8>]) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(|errno| cannot_write(path, errno))
    }

    pub(super) fn file(&mut self, path: &[Vec<u8>]) -> Result<Made> {
        let (parent, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = open_in(parent, name, flags).map_err(|errno| cannot_write(path, errno))?;
        let path = path.to_vec();
        Ok(Made { fd, path })
    }

    /// Opens a directory that was made.
    pub(super) fn reopen(&mut self, path: &[Vec<u8>]) -> Result<Made> {
        let (parent, name) = self.parent(path)?;
        let fd = open_in(parent, name, directory()).map_err(|errno| cannot_write(path, errno))?;
        let path = path.to_vec();
        Ok(Made { fd, path })
    }

    /// Gives a file one name more.
    pub(super) fn second_name(&mut self, first: &[Vec<u8>], path: &[Vec<u8>]) -> Result<()> {
        let failed = |errno| cannot_write(path, errno);
        let (from, old) = self.parent(first)?;
        let from = from.try_clone().map_err(|_| failed(Errno::MFILE))?;
        let (parent, name) = self.parent(path)?;
        rustix::fs::linkat(&from, old, parent, name, AtFlags::empty()).map_err(failed)
    }

    pub(super) fn link(&mut self, path: &[Vec<u8>], target: &[u8]) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, parent, name).map_err(|errno| cannot_write(path, errno))
    }

    pub(super) fn finish_link(
        &mut self,
        path: &[Vec<u8>],
        stat: &Stat,
        owners: bool,
    ) -> Result<()> {
        let failed = |errno| cannot_write(path, errno);
        let (parent, name) = self.parent(path)?;
        if owners {
            let (uid, gid) = ids(stat);
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(parent, name, uid, gid, flags).map_err(failed)?;
        }
        rustix::fs::utimensat(parent, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }
}

impl Made {
    pub(super) fn write(&self, offset: u64, mut bytes: &[u8]) -> Result<()> {
        let mut at = offset;
        while !bytes.is_empty() {
            match rustix::io::pwrite(&self.fd, bytes, at) {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    at = at.saturating_add(count as u64);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(cannot_write(&self.path, errno)),
            }
        }
        Ok(())
    }

    pub(super) fn set_len(&self, size: u64) -> Result<()> {
        rustix::fs::ftruncate(&self.fd, size).map_err(|errno| cannot_write(&self.path, errno))
    }

    fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
        let set = rustix::fs::fsetxattr(&self.fd, name, value, XattrFlags::empty());
        set.map_err(|errno| {
            let name = name.escape_ascii();
            cannot_write(&self.path, errno)
                .context(format!("extended attribute {name} cannot be kept"))
        })
    }

    /// Owner, attributes, mode and times, in the order in which one does not undo
    /// another: a change of owner takes capabilities and set-id bits off, and to a
    /// file that is read-only its user cannot give attributes.
    pub(super) fn finish(&self, stat: &Stat, owners: bool, xattrs: &[Xattr]) -> Result<()> {
        let failed = |errno| cannot_write(&self.path, errno);
        let mut mode = stat.mode & 0o1777;
        if owners {
            let (uid, gid) = ids(stat);
            rustix::fs::fchown(&self.fd, uid, gid).map_err(failed)?;
            mode = stat.mode;
        }
        for (name, value) in xattrs {
            self.set_xattr(name, value)?;
        }
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode.into())).map_err(failed)?;
        rustix::fs::futimens(self.fd.as_fd(), &times(stat)).map_err(failed)
    }
}

fn ids(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.uid)), Some(Gid::from_raw(stat.gid)))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |time: Time| Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.min(999_999_999).into(),
    };
    Timestamps {
        last_access: time(stat.accessed),
        last_modification: time(stat.modified),
    }
}
