//! Directories that things are mounted on, as the kernel tells, and users of what
//! is mounted there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::error::{Error, Kind, Result};
use crate::image::{path_word, shown};
use crate::process::Tool;

/// The kind of file system that a guest is, as the kernel calls it.
const OURS: &str = "fuse.vmkin";

/// How many users of a mount are named.
const MAX_USERS: usize = 5;

/// What is mounted on a directory, the uppermost if there are several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mounted {
    pub(super) dir: PathBuf,
    kind: String,
}

impl Mounted {
    /// Whether it is a guest.
    pub(super) fn is_ours(&self) -> bool {
        self.kind == OURS
    }
}

/// What is mounted, in the order in which it was.
pub(super) fn all() -> Result<Vec<Mounted>> {
    const TABLE: &str = "/proc/self/mountinfo";
    let cannot = |error| Error::io(format!("cannot read {TABLE}"), error);
    let text = std::fs::read(TABLE).map_err(cannot)?;
    Ok(text
        .split(|&byte| byte == b'\n')
        .filter_map(parsed)
        .collect())
}

/// What is mounted on this directory.
pub(super) fn on(dir: &Path) -> Result<Option<Mounted>> {
    Ok(all()?.into_iter().rev().find(|mounted| mounted.dir == dir))
}

/// A line of the table: see proc_pid_mountinfo(5).
fn parsed(line: &[u8]) -> Option<Mounted> {
    let mut words = line.split(|&byte| byte == b' ');
    let dir = unescaped(words.nth(4)?);
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    Some(Mounted {
        dir: PathBuf::from(OsStr::from_bytes(&dir)),
        kind: String::from_utf8_lossy(kind).into_owned(),
    })
}

/// Blanks, line breaks and backslashes are written as three octal digits there.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

/// A directory by its whole path, free of symbolic links; itself it is not
/// entered, for what is mounted there may be dead.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such place.
pub(super) fn whole(dir: &Path) -> Result<PathBuf> {
    let cannot = |error| Error::io(format!("cannot find {}", shown(dir)), error);
    let absolute = std::path::absolute(dir).map_err(cannot)?;
    if on(&absolute)?.is_some() {
        return Ok(absolute);
    }
    match absolute.canonicalize() {
        Ok(whole) => Ok(whole),
        // Nobody answers there; what is above it is alive.
        Err(error) if error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error()) => {
            let above = absolute.parent().map(Path::canonicalize).transpose();
            let above = above.map_err(cannot)?.unwrap_or_default();
            Ok(above.join(absolute.file_name().unwrap_or_default()))
        }
        Err(error) => Err(cannot(error)),
    }
}

/// Refuses a directory that nothing can be mounted on.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is none or something is in it; [`Kind::Exists`] if
/// something is mounted there.
pub(super) fn must_be_free(dir: &Path) -> Result<()> {
    let all = all()?;
    let at = all.iter().rev().find(|mounted| mounted.dir == dir);
    if let Some(mounted) = at {
        let error = Error::new(
            Kind::Exists,
            format!(
                "something is mounted on {} already ({})",
                shown(dir),
                mounted.kind
            ),
        );
        return Err(match mounted.is_ours() {
            true => error.hint(format!("unmount it: `vmkin umount {}`", path_word(dir))),
            false => error,
        });
    }
    let mut ours = all.iter().filter(|mounted| mounted.is_ours());
    if let Some(above) = ours.find(|mounted| dir.starts_with(&mounted.dir)) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is inside of a guest that is mounted on {}",
                shown(dir),
                shown(&above.dir)
            ),
        )
        .hint("name a directory of this host"));
    }
    let cannot = |error| Error::io(format!("cannot look at {}", shown(dir)), error);
    let meta = std::fs::metadata(dir).map_err(cannot)?;
    let wrong = |what: &str| {
        let what = format!("{} {what}, and must be an empty directory", shown(dir));
        Err(Error::new(Kind::WrongState, what))
    };
    if !meta.is_dir() {
        return wrong("is no directory");
    }
    match std::fs::read_dir(dir).map_err(cannot)?.next() {
        None => Ok(()),
        Some(_) => wrong("is not empty"),
    }
}

/// Unmounts what is on a directory; if `lazy`, it goes when nobody uses it any
/// more, and is not to be seen from now on.
///
/// # Errors
///
/// [`Kind::Busy`] if somebody uses it, with who.
pub(super) fn unmount(dir: &Path, lazy: bool) -> Result<()> {
    let mut flags = UnmountFlags::NOFOLLOW;
    if lazy {
        flags |= UnmountFlags::DETACH;
    }
    let cannot = || format!("cannot unmount {}", shown(dir));
    match rustix::mount::unmount(dir, flags) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(busy(dir)),
        // For users there is a program that may, of what is theirs.
        Err(Errno::PERM) => {
            let how: &[&str] = if lazy { &["-u", "-z"] } else { &["-u"] };
            let words = how.iter().map(OsStr::new);
            let words = words.chain([OsStr::new("--"), dir.as_os_str()]);
            let run = Tool::find("fusermount3")?.run(words);
            run.map(drop).map_err(|error| match error.to_string() {
                said if said.contains("busy") => busy(dir),
                _ => error.context(cannot()),
            })
        }
        Err(errno) => Err(Error::io(cannot(), errno.into())),
    }
}

fn busy(dir: &Path) -> Error {
    let what = format!("{} is in use", shown(dir));
    let users = users(dir);
    let typed = path_word(dir);
    let error = match users.is_empty() {
        true => Error::new(Kind::Busy, what).hint(format!("see by whom: `fuser -vm {typed}`")),
        false => Error::new(Kind::Busy, format!("{what} by {}", users.join(", "))),
    };
    error.hint(format!(
        "end what uses it; or have it go when nobody does any more: `vmkin umount --lazy {typed}`"
    ))
}

/// The processes that have something open there, or are in it: those that this
/// user may look at.
fn users(dir: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // By name: asking for the file itself could wait for who does not answer.
    let leads = |link: PathBuf| std::fs::read_link(link).is_ok_and(|to| to.starts_with(dir));
    let uses = |pid: &u32| {
        let of = PathBuf::from(format!("/proc/{pid}"));
        let open = std::fs::read_dir(of.join("fd"));
        let mut open = open.into_iter().flatten().flatten();
        ["cwd", "root", "exe"]
            .iter()
            .any(|link| leads(of.join(link)))
            || open.any(|file| leads(file.path()))
    };
    // This process waits to unmount it, wherever it is.
    let own = std::process::id();
    let found = pids.filter(|pid| *pid != own).filter(uses).take(MAX_USERS);
    let named = found.map(|pid| {
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = crate::process::printable(&name);
        format!("{name} (pid {pid})")
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_are_read() {
        let line = b"52 29 0:47 / /mnt/a\\040b\\134 rw,nosuid shared:7 - fuse.vmkin vmkin:web rw,user_id=0";
        let mounted = parsed(line).unwrap();
        assert_eq!(mounted.dir, Path::new("/mnt/a b\\"));
        assert!(mounted.is_ours());
        let none = b"52 29 0:47 / /mnt rw - ext4 /dev/sda1 rw";
        assert!(!parsed(none).unwrap().is_ours());
        assert_eq!(parsed(b""), None);
        assert_eq!(parsed(b"52 29 0:47 / /mnt rw"), None);
        assert_eq!(unescaped(b"\\x\\12"), b"\\x\\12");
    }

    #[test]
    fn only_an_empty_directory_is_mounted_on() {
        let dir = tempfile::tempdir().unwrap();
        let at = whole(dir.path()).unwrap();
        must_be_free(&at).unwrap();
        let file = at.join("file");
        std::fs::write(&file, "x").unwrap();
        for wrong in [&at, &file] {
            let error = must_be_free(wrong).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongState, "{error}");
        }
        let gone = whole(&at.join("none")).unwrap_err();
        assert_eq!(gone.kind(), Kind::NotFound);
        let root = must_be_free(Path::new("/")).unwrap_err();
        assert_eq!(root.kind(), Kind::Exists);
    }
}
