//! Answers what the kernel asks.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo, ReplyDirectory,
    ReplyDirectoryPlus, ReplyStatfs, ReplyXattr,
};

use super::Hooks;
use super::inodes::{Inodes, ROOT};
use super::questions::Question;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, Stat, Time};
use crate::guest::tree::{Place, Tree};

/// How long the kernel may take for true what it was told of a file.
const VALID: Duration = Duration::from_secs(10);

/// In what space is counted, in bytes.
const BLOCK: u32 = 4096;

/// In what the blocks of a file are counted, in bytes.
const SECTOR: u64 = 512;

/// How many different complaints are told.
const MAX_TOLD: usize = 200;

/// A directory that somebody has open: what is in it, behind `.` and `..`.
type Listing = Vec<(Vec<u8>, Place)>;

pub(super) struct Server<'t, 'h> {
    tree: &'t Tree,
    hooks: Hooks<'h>,
    inodes: Inodes,
    open: HashMap<u64, Listing>,
    opened: u64,
    /// Whether the disks are others by now than those that were mounted.
    stale: bool,
    told: HashSet<String>,
}

impl<'t, 'h> Server<'t, 'h> {
    pub(super) fn new(tree: &'t Tree, hooks: Hooks<'h>) -> Result<Self> {
        let root = tree.find(b"/")?;
        Ok(Self {
            inodes: Inodes::new(tree, root),
            tree,
            hooks,
            open: HashMap::new(),
            opened: 0,
            stale: false,
            told: HashSet::new(),
        })
    }

    pub(super) fn answer(&mut self, question: Question) {
        match question {
            Question::Lookup { dir, name, reply } => match self.lookup(dir, &name) {
                Ok(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
                Err(errno) => reply.error(errno),
            },
            Question::Forget { inode, times } => self.inodes.forget(inode, times),
            Question::Attributes { inode, reply } => match self.attributes(inode) {
                Ok(attributes) => reply.attr(&VALID, &attributes),
                Err(errno) => reply.error(errno),
            },
            Question::Target { inode, reply } => {
                match self.read(inode, |tree, place| tree.link(place)) {
                    Ok(target) => reply.data(&target),
                    Err(errno) => reply.error(errno),
                }
            }
            Question::Read {
                inode,
                offset,
                size,
                reply,
            } => match self.read(inode, |tree, place| piece(tree, place, offset, size)) {
                Ok(bytes) => reply.data(&bytes),
                Err(errno) => reply.error(errno),
            },
            Question::OpenDirectory { inode, reply } => {
                match self.read(inode, |tree, place| tree.entries(place)) {
                    Ok(entries) => {
                        self.opened = self.opened.wrapping_add(1);
                        self.open.insert(self.opened, entries);
                        reply.opened(FileHandle(self.opened), FopenFlags::FOPEN_CACHE_DIR);
                    }
                    Err(errno) => reply.error(errno),
                }
            }
            Question::List {
                inode,
                open,
                offset,
                reply,
            } => self.list(inode, open, offset, reply),
            Question::ListWithAttributes {
                inode,
                open,
                offset,
                reply,
            } => self.list_with_attributes(inode, open, offset, reply),
            Question::CloseDirectory { open, reply } => {
                self.open.remove(&open);
                reply.ok();
            }
            Question::Space { inode, reply } => self.space(inode, reply),
            Question::Xattr {
                inode,
                name,
                size,
                reply,
            } => {
                let found = self.read(inode, |tree, place| tree.xattrs(place));
                let found = found.map(|all| {
                    let mut all = all.unwrap_or_default().into_iter();
                    all.find(|(other, _)| other == name.as_bytes())
                });
                match found {
                    Ok(Some((_, value))) => sized(reply, size, &value),
                    Ok(None) => reply.error(Errno::NO_XATTR),
                    Err(errno) => reply.error(errno),
                }
            }
            Question::Xattrs { inode, size, reply } => {
                match self.read(inode, |tree, place| tree.xattrs(place)) {
                    Ok(all) => sized(reply, size, &names(all.unwrap_or_default())),
                    Err(errno) => reply.error(errno),
                }
            }
        }
    }

    /// Reads something of a file, and looks whether the disks are still those.
    fn read<T>(
        &mut self,
        inode: u64,
        read: impl FnOnce(&Tree, &Place) -> Result<T>,
    ) -> std::result::Result<T, Errno> {
        if self.stale {
            return Err(Errno::EIO);
        }
        let tree = self.tree;
        let place = self.inodes.place(inode);
        let found = place.and_then(|place| {
            let found = read(tree, &place);
            found.map_err(|error| match error.kind() {
                Kind::NotFound => error,
                _ => error.context(format!("'{}' cannot be read", place.path.escape_ascii())),
            })
        });
        // Before what was found, which may be wrong because of it.
        self.check()?;
        found.map_err(|error| self.errno(&error))
    }

    /// Looks whether the disks are still those that were mounted.
    fn check(&mut self) -> std::result::Result<(), Errno> {
        let Err(error) = (self.hooks.check)() else {
            return Ok(());
        };
        self.stale = true;
        self.tell(&format!(
            "{error}: everything that is read from now on is an error. Unmount and mount again."
        ));
        Err(Errno::EIO)
    }

    fn errno(&mut self, error: &Error) -> Errno {
        if error.kind() == Kind::NotFound {
            return Errno::ENOENT;
        }
        self.tell(&format!("{error}."));
        Errno::EIO
    }

    fn tell(&mut self, what: &str) {
        if self.told.len() < MAX_TOLD && self.told.insert(what.to_owned()) {
            (self.hooks.tell)(what);
        }
    }

    fn lookup(&mut self, dir: u64, name: &OsStr) -> std::result::Result<FileAttr, Errno> {
        let (place, stat) = self.read(dir, |tree, dir| {
            let found = tree.child(dir, name.as_bytes())?;
            let place = found.ok_or_else(|| Error::new(Kind::NotFound, "no such file"))?;
            let stat = tree.stat(&place)?;
            Ok((place, stat))
        })?;
        let number = self.inodes.tell(self.tree, place);
        Ok(attributes(number, &stat))
    }

    fn attributes(&mut self, inode: u64) -> std::result::Result<FileAttr, Errno> {
        let stat = self.read(inode, |tree, place| tree.stat(place))?;
        Ok(attributes(inode, &stat))
    }

    /// What a directory has at a place in its listing: `.` and `..` first.
    fn entry(&self, inode: u64, open: u64, at: u64) -> Option<Named> {
        let dots = |name: &'static [u8], number| {
            Some(Named {
                name: name.to_vec(),
                place: None,
                number,
            })
        };
        match at {
            0 => dots(b".", inode),
            // The kernel knows better, and gives no other out.
            1 => dots(b"..", ROOT),
            at => {
                let at = usize::try_from(at.checked_sub(2)?).ok()?;
                let (name, place) = self.open.get(&open)?.get(at)?;
                Some(Named {
                    name: name.clone(),
                    place: Some(place.clone()),
                    number: 0,
                })
            }
        }
    }

    /// What is known of an entry; made up, where it cannot be read: it is there
    /// all the same, and an error to whoever asks for it.
    fn known(&mut self, entry: &Named) -> (u64, Stat, bool) {
        let Some(place) = &entry.place else {
            return (entry.number, unknown(FileKind::Directory), true);
        };
        let number = self.inodes.number(self.tree, place);
        match self.tree.stat(place) {
            Ok(stat) => (number, stat, true),
            Err(_) => (number, unknown(FileKind::File), false),
        }
    }

    fn list(&mut self, inode: u64, open: u64, offset: u64, mut reply: ReplyDirectory) {
        if self.stale {
            return reply.error(Errno::EIO);
        }
        for at in offset.. {
            let Some(entry) = self.entry(inode, open, at) else {
                break;
            };
            let (number, stat, _) = self.known(&entry);
            let (next, kind) = (at.saturating_add(1), file_type(stat.kind));
            if reply.add(INodeNo(number), next, kind, OsStr::from_bytes(&entry.name)) {
                break;
            }
        }
        match self.check() {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn list_with_attributes(
        &mut self,
        inode: u64,
        open: u64,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        if self.stale {
            return reply.error(Errno::EIO);
        }
        let mut told = Vec::new();
        for at in offset.. {
            let Some(entry) = self.entry(inode, open, at) else {
                break;
            };
            let (number, stat, is_known) = self.known(&entry);
            let valid = if is_known { VALID } else { Duration::ZERO };
            let full = reply.add(
                INodeNo(number),
                at.saturating_add(1),
                OsStr::from_bytes(&entry.name),
                &valid,
                &attributes(number, &stat),
                Generation(0),
            );
            if full {
                break;
            }
            // The kernel counts all but `.` and `..` as told.
            if let Some(place) = entry.place {
                told.push(self.inodes.tell(self.tree, place));
            }
        }
        match self.check() {
            Ok(()) => reply.ok(),
            Err(errno) => {
                told.into_iter()
                    .for_each(|number| self.inodes.forget(number, 1));
                reply.error(errno);
            }
        }
    }

    fn space(&mut self, inode: u64, reply: ReplyStatfs) {
        let usage = self.read(inode, |tree, place| tree.usage(place));
        let usage = match usage {
            Ok(usage) => usage,
            Err(errno) => return reply.error(errno),
        };
        let blocks = |bytes: u64| bytes / u64::from(BLOCK);
        let inodes = usage.inodes.unwrap_or(0);
        reply.statfs(
            blocks(usage.size),
            blocks(usage.size.saturating_sub(usage.used)),
            blocks(usage.available),
            inodes,
            inodes.saturating_sub(usage.inodes_used.unwrap_or(0)),
            BLOCK,
            255,
            BLOCK,
        );
    }
}

/// An entry of a directory: a file, or a directory by its number.
struct Named {
    name: Vec<u8>,
    place: Option<Place>,
    number: u64,
}

fn piece(tree: &Tree, place: &Place, offset: u64, size: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let mut done = 0;
    // Less than was asked for is the end of the file to the kernel.
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match tree.read(place, offset.saturating_add(done as u64), rest)? {
            0 => break,
            count => done = done.saturating_add(count),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn names(all: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, _) in all {
        names.extend(name);
        names.push(0);
    }
    names
}

/// Answers with a value, or with its length if no room is given.
fn sized(reply: ReplyXattr, room: u32, value: &[u8]) {
    match u32::try_from(value.len()) {
        Ok(length) if room == 0 => reply.size(length),
        Ok(length) if length <= room => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

fn unknown(kind: FileKind) -> Stat {
    Stat {
        kind,
        mode: 0,
        uid: 0,
        gid: 0,
        size: 0,
        links: None,
        accessed: Time::default(),
        modified: Time::default(),
        changed: None,
    }
}

fn attributes(number: u64, stat: &Stat) -> FileAttr {
    let kind = file_type(stat.kind);
    FileAttr {
        ino: INodeNo(number),
        size: stat.size,
        blocks: stat.size.div_ceil(SECTOR),
        atime: moment(stat.accessed),
        mtime: moment(stat.modified),
        ctime: moment(stat.changed.unwrap_or(stat.modified)),
        crtime: UNIX_EPOCH,
        kind,
        perm: stat.mode,
        nlink: stat.links.map_or(1, |links| links.count),
        uid: stat.uid,
        gid: stat.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::File => FileType::RegularFile,
        FileKind::Directory => FileType::Directory,
        FileKind::Link => FileType::Symlink,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
        FileKind::Pipe => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
    }
}

fn moment(time: Time) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let second = match time.seconds < 0 {
        true => UNIX_EPOCH.checked_sub(whole),
        false => UNIX_EPOCH.checked_add(whole),
    };
    let part = Duration::from_nanos(time.nanoseconds.into());
    let moment = second.and_then(|second| second.checked_add(part));
    moment.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_times() {
        let time = |seconds| Time {
            seconds,
            nanoseconds: 5,
        };
        let after = UNIX_EPOCH + Duration::new(7, 5);
        assert_eq!(moment(time(7)), after);
        let before = UNIX_EPOCH - Duration::from_secs(7) + Duration::from_nanos(5);
        assert_eq!(moment(time(-7)), before);
        // As far back as a time can be.
        assert!(moment(time(i64::MIN)) <= before);
    }

    #[test]
    fn names_of_attributes_end_with_nul() {
        let all = vec![
            (b"user.a".to_vec(), b"1".to_vec()),
            (b"user.b".to_vec(), Vec::new()),
        ];
        assert_eq!(names(all), b"user.a\0user.b\0");
        assert!(names(Vec::new()).is_empty());
    }
}
