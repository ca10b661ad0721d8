//! A directory of this host, item by item.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::item::{Item, ItemKind};
use super::source::Visit;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{Time, Xattr};
use crate::image::shown;

/// The most that the names, or a value, of attributes can have in Linux.
const MAX_XATTRS: usize = 64 << 10;

struct Walk<'v, 'f> {
    visit: &'v mut Visit<'f>,
    /// Files with several names, and the first that was met.
    names: HashMap<(u64, u64), Vec<u8>>,
    left_out: Vec<String>,
}

/// Visits what is in a directory, and the directory itself as `/`.
pub(super) fn each(dir: &Path, visit: &mut Visit<'_>) -> Result<Vec<String>> {
    let mut walk = Walk {
        visit,
        names: HashMap::new(),
        left_out: Vec::new(),
    };
    // It may be a link itself.
    let meta = std::fs::metadata(dir).map_err(|error| cannot_read(dir, error))?;
    walk.one(dir, b"", &meta)?;
    Ok(walk.left_out)
}

impl Walk<'_, '_> {
    fn one(&mut self, source: &Path, path: &[u8], meta: &Metadata) -> Result<()> {
        let kind = meta.file_type();
        let shown_path = if path.is_empty() { b"/" } else { path };
        let number = (meta.dev(), meta.ino());
        let known = match meta.nlink() {
            0 | 1 => None,
            _ if kind.is_dir() => None,
            _ => self.names.get(&number).cloned(),
        };
        let device = |of: u64| (rustix::fs::major(of), rustix::fs::minor(of));
        let mut file = None;
        let what = if kind.is_dir() {
            ItemKind::Directory
        } else if let Some(first) = known {
            ItemKind::Name(first)
        } else if kind.is_symlink() {
            let target = std::fs::read_link(source).map_err(|error| cannot_read(source, error))?;
            ItemKind::Link(target.as_os_str().as_bytes().to_vec())
        } else if kind.is_char_device() {
            let (major, minor) = device(meta.rdev());
            ItemKind::Char(major, minor)
        } else if kind.is_block_device() {
            let (major, minor) = device(meta.rdev());
            ItemKind::Block(major, minor)
        } else if kind.is_fifo() {
            ItemKind::Pipe
        } else if kind.is_socket() {
            self.left_out.push(format!("{} is a socket", shown(source)));
            return Ok(());
        } else {
            let opened = open(source)?;
            let now = opened
                .metadata()
                .map_err(|error| cannot_read(source, error))?;
            if (now.dev(), now.ino()) != number {
                return Err(changed(source));
            }
            let size = now.len();
            file = Some(opened);
            ItemKind::File(size)
        };
        if meta.nlink() > 1 && !kind.is_dir() && !matches!(what, ItemKind::Name(_)) {
            self.names.insert(number, path.to_vec());
        }
        let item = Item {
            path: shown_path.to_vec(),
            xattrs: match what {
                ItemKind::Name(_) => Vec::new(),
                _ => xattrs(source, path.is_empty())?,
            },
            kind: what,
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
            modified: Time {
                seconds: meta.mtime(),
                nanoseconds: u32::try_from(meta.mtime_nsec()).unwrap_or(0),
            },
        };
        match &mut file {
            Some(file) => {
                let mut exact = Exact {
                    file,
                    left: item.size(),
                };
                (self.visit)(&item, &mut exact)?;
            }
            None => (self.visit)(&item, &mut std::io::empty())?,
        }
        if !kind.is_dir() {
            return Ok(());
        }
        let mut names = Vec::new();
        let entries = std::fs::read_dir(source).map_err(|error| cannot_read(source, error))?;
        for entry in entries {
            names.push(
                entry
                    .map_err(|error| cannot_read(source, error))?
                    .file_name(),
            );
        }
        names.sort();
        for name in names {
            let below = source.join(&name);
            let meta =
                std::fs::symlink_metadata(&below).map_err(|error| cannot_read(&below, error))?;
            self.one(&below, &[path, b"/", name.as_bytes()].concat(), &meta)?;
        }
        Ok(())
    }
}

/// A file that has as many bytes as it was said to have.
struct Exact<'f> {
    file: &'f mut File,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buf.len());
        let Some(buf) = buf.get_mut(..most).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        match self.file.read(buf)? {
            0 => Err(std::io::Error::other(
                "the file became shorter while it was read",
            )),
            count => {
                self.left = self.left.saturating_sub(count as u64);
                Ok(count)
            }
        }
    }
}

fn open(source: &Path) -> Result<File> {
    // It may be another one by now: opening a pipe would wait for a writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(flags).open(source);
    opened.map_err(|error| cannot_read(source, error))
}

/// The extended attributes of a file itself, those that this user may see.
fn xattrs(source: &Path, follow: bool) -> Result<Vec<Xattr>> {
    let cannot = |errno: Errno| cannot_read(source, errno.into());
    let mut buffer = vec![0; MAX_XATTRS];
    let listed = match follow {
        true => rustix::fs::listxattr(source, &mut buffer[..]),
        false => rustix::fs::llistxattr(source, &mut buffer[..]),
    };
    let length = match listed {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        Err(errno) => return Err(cannot(errno)),
    };
    buffer.truncate(length);
    let mut found = Vec::new();
    let mut value = vec![0; MAX_XATTRS];
    for name in buffer
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let read = match follow {
            true => rustix::fs::getxattr(source, name, &mut value[..]),
            false => rustix::fs::lgetxattr(source, name, &mut value[..]),
        };
        match read {
            Ok(length) => {
                let value = value.get(..length).unwrap_or_default();
                found.push((name.to_vec(), value.to_vec()));
            }
            // It is gone, or nobody may see it.
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(cannot(errno)),
        }
    }
    found.sort();
    Ok(found)
}

fn cannot_read(source: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot read {}", shown(source)), error)
}

fn changed(source: &Path) -> Error {
    Error::new(
        Kind::Busy,
        format!("{} was changed while it was read", shown(source)),
    )
    .hint("run the same command again when nobody changes it")
}
