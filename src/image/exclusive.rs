//! Giving a file a name only if that is free.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, RenameFlags, Stat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<D, N> {
    /// The directory; of an absolute name it is not looked at.
    pub(crate) dir: D,
    /// The name.
    pub(crate) name: N,
}

impl<D: AsFd + Copy, N: Arg + Copy> Entry<D, N> {
    fn stat(self) -> Result<Stat> {
        rustix::fs::statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn unlink(self) -> Result<()> {
        rustix::fs::unlinkat(self.dir, self.name, AtFlags::empty())
    }
}

/// Renames like `rename(2)`, but never in the place of another.
///
/// NFS and most file systems of FUSE cannot do that in one step (`RENAME_NOREPLACE` is
/// `EINVAL` there, Linux `fs/nfs/dir.c`). A second name is given only if it is free, by all
/// that have any; the first goes after it. What was killed in between is finished by doing
/// it again.
///
/// # Errors
///
/// [`Errno::EXIST`] if something of that name is there; [`Errno::OPNOTSUPP`] if the file
/// system cannot do it in either way.
pub(crate) fn rename<D, N, E, M>(from: Entry<D, N>, to: Entry<E, M>) -> Result<()>
where
    D: AsFd + Copy,
    N: Arg + Copy,
    E: AsFd + Copy,
    M: Arg + Copy,
{
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(from.dir, from.name, to.dir, to.name, flags) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => in_two_steps(from, to),
        Err(Errno::EXIST) if is_same(from, to) => from.unlink(),
        other => other,
    }
}

fn in_two_steps<D, N, E, M>(from: Entry<D, N>, to: Entry<E, M>) -> Result<()>
where
    D: AsFd + Copy,
    N: Arg + Copy,
    E: AsFd + Copy,
    M: Arg + Copy,
{
    // A directory takes no other's place than an empty directory's.
    if FileType::from_raw_mode(from.stat()?.st_mode) == FileType::Directory {
        return match to.stat() {
            Err(Errno::NOENT) => rustix::fs::renameat(from.dir, from.name, to.dir, to.name),
            Ok(_) => Err(Errno::EXIST),
            Err(errno) => Err(errno),
        };
    }
    match rustix::fs::linkat(from.dir, from.name, to.dir, to.name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::EXIST) if is_same(from, to) => {}
        Err(Errno::PERM | Errno::NOSYS | Errno::INVAL) => return Err(Errno::OPNOTSUPP),
        Err(errno) => return Err(errno),
    }
    from.unlink().inspect_err(|_| {
        // As it was, if that can be had.
        to.unlink().ok();
    })
}

/// Whether both are names of one file: then it has got the second, and is to lose the first.
fn is_same<D, N, E, M>(from: Entry<D, N>, to: Entry<E, M>) -> bool
where
    D: AsFd + Copy,
    N: Arg + Copy,
    E: AsFd + Copy,
    M: Arg + Copy,
{
    match (from.stat(), to.stat()) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rustix::fs::CWD;

    use super::*;

    fn at(name: &Path) -> Entry<rustix::fd::BorrowedFd<'static>, &Path> {
        Entry { dir: CWD, name }
    }

    const WAYS: [fn(&Path, &Path) -> Result<()>; 2] = [
        |from, to| rename(at(from), at(to)),
        |from, to| in_two_steps(at(from), at(to)),
    ];

    #[test]
    fn neither_way_takes_the_place_of_another() {
        for way in WAYS {
            let dir = tempfile::tempdir().unwrap();
            let name = |name: &str| dir.path().join(name);
            fs::write(name("new"), "new").unwrap();
            fs::write(name("taken"), "mine").unwrap();
            std::os::unix::fs::symlink("nowhere", name("link")).unwrap();
            fs::create_dir(name("empty")).unwrap();
            for taken in ["taken", "link", "empty"] {
                let error = way(&name("new"), &name(taken)).unwrap_err();
                assert_eq!(error, Errno::EXIST, "{taken}");
            }
            way(&name("new"), &name("free")).unwrap();
            assert_eq!(fs::read(name("free")).unwrap(), b"new");
            assert!(!name("new").exists());
            // A link goes as what it is, and a directory with what is in it.
            way(&name("link"), &name("moved")).unwrap();
            assert!(name("moved").is_symlink());
            fs::write(name("empty").join("file"), "").unwrap();
            fs::create_dir(name("other")).unwrap();
            let error = way(&name("empty"), &name("other")).unwrap_err();
            assert_eq!(error, Errno::EXIST);
            way(&name("empty"), &name("full")).unwrap();
            assert!(name("full").join("file").exists());
            assert_eq!(fs::read(name("taken")).unwrap(), b"mine");
        }
    }

    #[test]
    fn what_was_killed_between_both_steps_is_finished() {
        for way in WAYS {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            fs::write(&from, "both").unwrap();
            fs::hard_link(&from, &to).unwrap();
            way(&from, &to).unwrap();
            assert!(!from.exists());
            assert_eq!(fs::read(&to).unwrap(), b"both");
        }
    }
}
