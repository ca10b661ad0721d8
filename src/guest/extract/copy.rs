//! Copying into a directory.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use super::dir::{self, Made, Target};
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, Stat};
use crate::guest::tree::{Place, Tree};
use crate::image::shown;
use crate::interrupt::Interrupt;

/// What is kept of a file besides its contents, mode and times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Owner and group, and with them the bits that make a program run as
    /// another user: only for root.
    pub owners: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// What was copied.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Copied {
    /// What it is on the host.
    pub path: PathBuf,
    /// Regular files, each name of them.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// The length of the files, holes and all.
    pub bytes: u64,
    /// Devices, pipes and sockets that were left out.
    pub left_out: u64,
}

/// How long the files are, in bytes, that a copy of this path would have.
///
/// # Errors
///
/// Those of [`Tree::visit`].
pub fn measure(tree: &Tree, path: &str, interrupt: &Interrupt) -> Result<u64> {
    let start = tree.find(path.as_bytes())?;
    let mut bytes = 0_u64;
    tree.visit(&start, &mut |_, stat, _| {
        interrupt.check()?;
        if stat.kind == FileKind::File {
            bytes = bytes.saturating_add(stat.size);
        }
        Ok(true)
    })?;
    Ok(bytes)
}

/// Copies files and trees into a directory of the host, under their own names; of
/// the root directory, all that is in it. `progress` is told how many bytes more
/// are done, holes among them.
///
/// # Errors
///
/// [`Kind::Exists`] if something has such a name there; [`Kind::NotFound`] if
/// there is no such directory, or no such file in the guest; [`Kind::WrongState`]
/// if one is a device, a pipe or a socket; [`Kind::Usage`] if two have one name;
/// [`Kind::Storage`] if it cannot be written; [`Kind::Unsafe`] if the guest's file
/// system is damaged. Then nothing is left of any.
pub fn copy(
    tree: &Tree,
    paths: &[String],
    to: &Path,
    keep: Keep,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
) -> Result<Vec<Copied>> {
    let mut starts = Vec::new();
    for path in paths {
        let place = tree.find(path.as_bytes())?;
        match named(path, &place) {
            Some(name) => {
                must_be_copied(&place, &tree.stat(&place)?)?;
                starts.push((name, place));
            }
            None => starts.extend(tree.entries(&place)?),
        }
    }
    let parent = dir::open(to)?;
    let mut names = HashSet::new();
    for (name, _) in &starts {
        parent.must_be_free(name)?;
        if !names.insert(name) {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "two of them would be '{}' in {}",
                    name.escape_ascii(),
                    shown(to)
                ),
            )
            .hint("copy them one by one, to different directories"));
        }
    }
    let scratch = format!(".vmkin-{}-copy.tmp", Uuid::new_v4().simple());
    let scratch = parent.scratch(&scratch)?;
    let mut copied = Vec::new();
    for (name, place) in &starts {
        let mut one = Extraction {
            tree,
            keep,
            interrupt,
            progress,
            target: scratch.target(),
            copied: Copied::default(),
            links: Vec::new(),
            directories: Vec::new(),
            names: HashMap::new(),
        };
        one.run(name, place)?;
        one.copied.path = to.join(std::ffi::OsStr::from_bytes(name));
        copied.push(one.copied);
    }
    for ((name, _), one) in starts.iter().zip(&copied) {
        // A device in the root directory is left out.
        if one.files + one.directories + one.links > 0 {
            scratch.hand_over(name)?;
        }
    }
    Ok(copied)
}

/// Refuses what is not copied, where it is asked for by its name.
fn must_be_copied(place: &Place, stat: &Stat) -> Result<()> {
    if matches!(
        stat.kind,
        FileKind::File | FileKind::Directory | FileKind::Link
    ) {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "'{}' is {}, and devices, pipes and sockets are not copied",
            place.path.escape_ascii(),
            stat.kind.described()
        ),
    ))
}

/// The name that a path gets on the host: the last one in it, or what it leads
/// to. The root has none.
pub(super) fn named(path: &str, place: &Place) -> Option<Vec<u8>> {
    let last = |path: &[u8]| {
        let mut names = path.rsplit(|&byte| byte == b'/');
        names.find(|name| !name.is_empty()).map(<[u8]>::to_vec)
    };
    match last(path.as_bytes()) {
        Some(name) if name != b"." && name != b".." => Some(name),
        _ => last(&place.path),
    }
}

/// One file or tree on its way.
struct Extraction<'a> {
    tree: &'a Tree,
    keep: Keep,
    interrupt: &'a Interrupt,
    progress: &'a dyn Fn(u64),
    target: Target<'a>,
    copied: Copied,
    /// Symbolic links, which are made last.
    links: Vec<(Vec<Vec<u8>>, Place, Stat)>,
    /// Directories, whose modes and times are set when all is in them.
    directories: Vec<(Vec<Vec<u8>>, Place, Stat)>,
    /// Files with several names, by what they are in the guest.
    names: HashMap<(usize, u64), Vec<Vec<u8>>>,
}

impl Extraction<'_> {
    fn run(&mut self, name: &[u8], start: &Place) -> Result<()> {
        let tree = self.tree;
        let mut path: Vec<Vec<u8>> = Vec::new();
        tree.visit(start, &mut |place, stat, depth| {
            self.interrupt.check()?;
            path.truncate(depth);
            let own = match depth {
                0 => name,
                _ => place
                    .path
                    .rsplit(|&byte| byte == b'/')
                    .next()
                    .unwrap_or_default(),
            };
            path.push(own.to_vec());
            self.one(&path, place, stat)?;
            Ok(true)
        })?;
        for (path, place, stat) in std::mem::take(&mut self.links) {
            self.target.link(&path, &self.tree.link(&place)?)?;
            self.target.finish_link(&path, &stat, self.keep.owners)?;
        }
        // What is in a directory is done before the directory is.
        for (path, place, stat) in std::mem::take(&mut self.directories).into_iter().rev() {
            let made = self.target.reopen(&path)?;
            self.finish(&made, &place, &stat)?;
        }
        Ok(())
    }

    fn one(&mut self, path: &[Vec<u8>], place: &Place, stat: &Stat) -> Result<()> {
        let copied = &mut self.copied;
        match stat.kind {
            FileKind::Directory => {
                copied.directories += 1;
                self.target.directory(path)?;
                self.directories.push((path.to_vec(), place.clone(), *stat));
            }
            FileKind::Link => {
                copied.links += 1;
                self.links.push((path.to_vec(), place.clone(), *stat));
            }
            FileKind::File => {
                copied.files += 1;
                copied.bytes = copied.bytes.saturating_add(stat.size);
                self.file(path, place, stat)?;
            }
            _ => copied.left_out += 1,
        }
        Ok(())
    }

    fn file(&mut self, path: &[Vec<u8>], place: &Place, stat: &Stat) -> Result<()> {
        let identity = self.tree.identity(place)?;
        let several = identity.filter(|(_, _, count)| *count > 1);
        let several = several.map(|(fs, inode, _)| (fs, inode));
        if let Some(first) = several.and_then(|file| self.names.get(&file)) {
            (self.progress)(stat.size);
            return self.target.second_name(first, path);
        }
        let made = self.target.file(path)?;
        self.contents(&made, place, stat.size)?;
        self.finish(&made, place, stat)?;
        if let Some(file) = several {
            self.names.insert(file, path.to_vec());
        }
        Ok(())
    }

    /// Writes what is not zeros, so that holes stay holes.
    fn contents(&self, made: &Made, place: &Place, size: u64) -> Result<()> {
        let mut buf = vec![0; 1 << 20];
        let mut offset = 0_u64;
        loop {
            self.interrupt.check()?;
            let count = self.tree.read(place, offset, &mut buf)?;
            let bytes = buf.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            let mut at = offset;
            for piece in bytes.chunks(PIECE) {
                if piece.iter().any(|&byte| byte != 0) {
                    made.write(at, piece)?;
                }
                at = at.saturating_add(piece.len() as u64);
            }
            offset = at;
            (self.progress)(bytes.len() as u64);
        }
        made.set_len(size)
    }

    fn finish(&self, made: &Made, place: &Place, stat: &Stat) -> Result<()> {
        let mut xattrs = Vec::new();
        if self.keep.xattrs {
            xattrs = self.tree.xattrs(place)?.ok_or_else(|| {
                Error::new(
                    Kind::WrongState,
                    format!(
                        "the extended attributes of '{}' cannot be read",
                        place.path.escape_ascii()
                    ),
                )
            })?;
        }
        made.finish(stat, self.keep.owners, &xattrs)
    }
}

/// How much must be zeros to become a hole.
const PIECE: usize = 64 << 10;

/// The error for what could not be written.
pub(super) fn cannot_write(path: &[Vec<u8>], errno: rustix::io::Errno) -> Error {
    let path = path.join(&b'/');
    let path = Path::new(std::ffi::OsStr::from_bytes(&path));
    Error::io(format!("cannot write {}", shown(path)), errno.into())
}
