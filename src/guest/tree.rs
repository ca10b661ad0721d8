//! The file tree of a guest: file systems put together by mounts, and paths
//! walked in it.
//!
//! Paths and symbolic links are resolved here and nowhere else, and never lead
//! out of the guest: `..` of the root is the root, and the target of an absolute
//! link begins at it.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, FileSystem, Health, Node, Stat, Usage, name_is_sound};
use crate::interrupt::Interrupt;

/// How many symbolic links one path may lead through, as in Linux.
const MAX_LINKS: u32 = 40;

/// How deep a walk goes, and how many files it meets, before it gives up: in a
/// damaged file system a directory can be in itself.
const MAX_DEPTH: usize = 1000;

/// See [`MAX_DEPTH`].
const MAX_FILES: u64 = 20_000_000;

/// How long a path may be.
const MAX_PATH: usize = 64 << 10;

/// Where a file is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct At {
    fs: usize,
    node: Node,
}

/// A file that a path led to.
#[derive(Clone, Debug)]
pub struct Place {
    at: At,
    /// Its path from the root of the guest, free of symbolic links.
    pub path: Vec<u8>,
}

/// Where a path ends, whether there is something or not.
#[derive(Clone, Debug)]
pub struct End {
    /// The directory.
    pub dir: Place,
    /// The name in it.
    pub name: Vec<u8>,
    /// What has that name.
    pub there: Option<Place>,
}

/// A mounted file system.
#[derive(Clone)]
pub struct Mounted {
    /// Where: an absolute path.
    pub at: Vec<u8>,
    /// What it is mounted from, such as `/dev/sda1`.
    pub device: String,
    /// The file system.
    pub fs: Rc<dyn FileSystem>,
    /// What a kernel has to be told to mount the same of it: a subvolume.
    pub options: String,
    root: At,
}

impl Mounted {
    /// The directory of the file system that is seen there.
    pub fn root(&self) -> Node {
        self.root.node
    }
}

/// The file tree of a guest.
#[derive(Clone, Default)]
pub struct Tree {
    mounts: Vec<Mounted>,
    by_path: HashMap<Vec<u8>, At>,
    /// Where paths begin that are not absolute: the root, unless somebody has
    /// gone elsewhere.
    current: Option<Vec<u8>>,
    interrupt: Interrupt,
}

impl Tree {
    /// A guest whose root is this file system.
    pub fn new(device: String, fs: Rc<dyn FileSystem>, root: Node) -> Self {
        let mut tree = Self::default();
        tree.push(b"/".to_vec(), device, fs, root);
        tree
    }

    /// Mounts a file system over a directory that is there.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::find`]; [`Kind::WrongState`] if it is no directory.
    pub fn mount(
        &mut self,
        path: &[u8],
        device: String,
        fs: Rc<dyn FileSystem>,
        root: Node,
    ) -> Result<()> {
        let place = self.find(path)?;
        if self.stat(&place)?.kind != FileKind::Directory {
            return Err(not_a_directory(&place.path));
        }
        self.push(place.path, device, fs, root);
        Ok(())
    }

    /// The same file systems without those that are mounted at a path and below.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if nothing is mounted there.
    pub fn without(&self, path: &[u8]) -> Result<Self> {
        let below = joined(path, b"");
        let is_below = |at: &[u8]| at == path || at.starts_with(&below);
        if !self.mounts.iter().any(|mount| mount.at == path) {
            return Err(Error::new(
                Kind::NotFound,
                format!("nothing is mounted on '{}'", path.escape_ascii()),
            )
            .hint("see what is mounted: `mount`"));
        }
        let left = self.mounts.iter().filter(|mount| !is_below(&mount.at));
        Ok(self.with(left.map(|mount| (mount, Rc::clone(&mount.fs), mount.root.node))))
    }

    /// The same mounts, of the file systems that `fs` has for them by their
    /// numbers.
    ///
    /// # Errors
    ///
    /// Those of `fs`.
    pub fn read_by(
        &self,
        mut fs: impl FnMut(usize, &Mounted) -> Result<(Rc<dyn FileSystem>, Node)>,
    ) -> Result<Self> {
        let mounts = self.mounts.iter().enumerate();
        let read =
            mounts.map(|(number, mount)| fs(number, mount).map(|(fs, root)| (mount, fs, root)));
        Ok(self.with(read.collect::<Result<Vec<_>>>()?.into_iter()))
    }

    fn with<'m>(
        &self,
        mounts: impl Iterator<Item = (&'m Mounted, Rc<dyn FileSystem>, Node)>,
    ) -> Self {
        let mut tree = Self {
            current: self.current.clone(),
            interrupt: self.interrupt.clone(),
            ..Self::default()
        };
        for (mount, fs, root) in mounts {
            tree.push(mount.at.clone(), mount.device.clone(), fs, root);
            tree.mounted_with(&mount.options);
        }
        tree
    }

    /// Has all that reads this tree stop when the user wants to.
    pub fn stopped_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// Goes to a directory: paths that are not absolute begin there.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::find`]; [`Kind::WrongState`] if it is no directory.
    pub fn go_to(&mut self, path: &[u8]) -> Result<()> {
        let place = self.find(path)?;
        if self.stat(&place)?.kind != FileKind::Directory {
            return Err(not_a_directory(&place.path));
        }
        self.current = Some(place.path);
        Ok(())
    }

    /// The directory that [`Tree::go_to`] went to.
    pub fn current(&self) -> Option<&[u8]> {
        self.current.as_deref()
    }

    fn push(&mut self, path: Vec<u8>, device: String, fs: Rc<dyn FileSystem>, root: Node) {
        let fs_index = self.mounts.len();
        let root = At {
            fs: fs_index,
            node: root,
        };
        self.by_path.insert(path.clone(), root);
        self.mounts.push(Mounted {
            at: path,
            device,
            fs,
            options: String::new(),
            root,
        });
    }

    /// Says what a kernel has to be told to mount what was mounted last.
    pub fn mounted_with(&mut self, options: &str) {
        if let Some(last) = self.mounts.last_mut() {
            options.clone_into(&mut last.options);
        }
    }

    /// What is mounted, the root first.
    pub fn mounts(&self) -> &[Mounted] {
        &self.mounts
    }

    /// Whether one of the file systems was not closed well.
    pub fn is_replayed(&self) -> bool {
        let mut mounts = self.mounts.iter();
        mounts.any(|mount| mount.fs.health() == Health::Replayed)
    }

    /// Finds a file by its path. A symbolic link at its end is followed.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is no such file; [`Kind::Unsafe`] if links
    /// lead in a circle; and those of [`FileSystem`].
    pub fn find(&self, path: &[u8]) -> Result<Place> {
        self.walk(path, true)
    }

    /// Finds a file by its path. A symbolic link at its end is what is found.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::find`].
    pub fn find_itself(&self, path: &[u8]) -> Result<Place> {
        self.walk(path, false)
    }

    /// The same as [`Tree::find`], but `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::find`], but for [`Kind::NotFound`].
    pub fn look(&self, path: &str) -> Result<Option<Place>> {
        match self.find(path.as_bytes()) {
            Ok(place) => Ok(Some(place)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds where a path leads that may lead to nothing yet: its directory has
    /// to be there. A symbolic link at its end is followed if `follow` is true,
    /// also one that leads to nothing.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it does not end with a name; those of [`Tree::find`],
    /// of the directory.
    pub fn end_of(&self, path: &[u8], follow: bool) -> Result<End> {
        let mut path = path.to_vec();
        for _ in 0..=MAX_LINKS {
            let (dir, name) = split(&path)?;
            let dir = self.find(dir)?;
            if self.stat(&dir)?.kind != FileKind::Directory {
                return Err(not_a_directory(&dir.path).with_kind(Kind::NotFound));
            }
            let there = self.child(&dir, name)?;
            let name = name.to_vec();
            if let Some(link) = there.as_ref().filter(|_| follow) {
                if self.stat(link)?.kind == FileKind::Link {
                    path = joined(&dir.path, &self.link(link)?);
                    continue;
                }
            }
            return Ok(End { dir, name, there });
        }
        Err(Error::new(
            Kind::Unsafe,
            format!("'{}': too many symbolic links", path.escape_ascii()),
        ))
    }

    /// The number of the file system that a file is on, in [`Tree::mounts`], and
    /// its path in that.
    pub fn spot(&self, place: &Place) -> (usize, Vec<u8>) {
        let mount = self.mounts.get(place.at.fs);
        let above = mount.map_or(&b""[..], |mount| &mount.at);
        let above = above.strip_suffix(b"/").unwrap_or(above);
        let path = place.path.strip_prefix(above).unwrap_or(&place.path);
        (place.at.fs, path.to_vec())
    }

    /// Whether something is mounted on a directory, or below it.
    pub fn holds_mounts(&self, place: &Place) -> bool {
        let below = joined(&place.path, b"");
        let mut mounts = self.mounts.iter();
        mounts.any(|mount| mount.at == place.path || mount.at.starts_with(&below))
    }

    fn walk(&self, path: &[u8], follow: bool) -> Result<Place> {
        let mut stack = vec![self.root()?];
        let mut todo: VecDeque<Vec<u8>> = components(path);
        if let Some(current) = self.current().filter(|_| !path.starts_with(b"/")) {
            for name in components(current).into_iter().rev() {
                todo.push_front(name);
            }
        }
        let mut links = 0;
        // A slash at the end asks for a directory.
        let follow = follow || path.ends_with(b"/");
        while let Some(name) = todo.pop_front() {
            let Some(here) = stack.last() else {
                break;
            };
            if name == b".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            if self.stat(here)?.kind != FileKind::Directory {
                return Err(not_a_directory(&here.path).with_kind(Kind::NotFound));
            }
            let next = self.child(here, &name)?.ok_or_else(|| no_such(path))?;
            let is_link = self.stat(&next)?.kind == FileKind::Link;
            if !is_link || (todo.is_empty() && !follow) {
                stack.push(next);
                continue;
            }
            links += 1;
            let target = self.link(&next)?;
            let length = todo.iter().map(Vec::len).sum::<usize>() + target.len();
            if links > MAX_LINKS || length > MAX_PATH {
                return Err(Error::new(
                    Kind::Unsafe,
                    format!("'{}': too many symbolic links", path.escape_ascii()),
                ));
            }
            if target.starts_with(b"/") {
                stack.truncate(1);
            }
            for name in components(&target).into_iter().rev() {
                todo.push_front(name);
            }
        }
        stack.pop().ok_or_else(|| no_such(path))
    }

    fn root(&self) -> Result<Place> {
        let root = self.mounts.first().map(|mount| Place {
            at: self.by_path.get(&b"/"[..]).copied().unwrap_or(mount.root),
            path: b"/".to_vec(),
        });
        root.ok_or_else(|| Error::new(Kind::NotFound, "there is no file system"))
    }

    /// A name in a directory.
    pub(super) fn child(&self, dir: &Place, name: &[u8]) -> Result<Option<Place>> {
        let path = joined(&dir.path, name);
        if let Some(at) = self.by_path.get(&path) {
            return Ok(Some(Place { at: *at, path }));
        }
        let found = self.fs(dir.at)?.lookup(dir.at.node, name)?;
        Ok(found.map(|node| Place {
            at: At {
                fs: dir.at.fs,
                node,
            },
            path,
        }))
    }

    fn fs(&self, at: At) -> Result<&dyn FileSystem> {
        self.interrupt.check()?;
        let mount = self.mounts.get(at.fs);
        mount
            .map(|mount| mount.fs.as_ref())
            .ok_or_else(|| Error::new(Kind::NotFound, "there is no such file system"))
    }

    /// What is in a directory, by name.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn entries(&self, dir: &Place) -> Result<Vec<(Vec<u8>, Place)>> {
        let entries = self.fs(dir.at)?.entries(dir.at.node)?;
        // It would lead elsewhere, on this host too.
        if let Some(evil) = entries.iter().find(|entry| !name_is_sound(&entry.name)) {
            return Err(Error::new(
                Kind::Unsafe,
                format!(
                    "the file system is damaged: in '{}' there is an entry named '{}'",
                    dir.path.escape_ascii(),
                    evil.name.escape_ascii()
                ),
            ));
        }
        let mut entries: Vec<(Vec<u8>, Place)> = entries
            .into_iter()
            .map(|entry| {
                let path = joined(&dir.path, &entry.name);
                let below = At {
                    fs: dir.at.fs,
                    node: entry.node,
                };
                let at = self.by_path.get(&path).copied().unwrap_or(below);
                (entry.name, Place { at, path })
            })
            .collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    }

    /// What is known of a file.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn stat(&self, place: &Place) -> Result<Stat> {
        self.fs(place.at)?.stat(place.at.node)
    }

    /// Where a symbolic link leads.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn link(&self, place: &Place) -> Result<Vec<u8>> {
        self.fs(place.at)?.link(place.at.node)
    }

    /// Its extended attributes; `None` if they cannot be read.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn xattrs(&self, place: &Place) -> Result<Option<Vec<crate::guest::native::fs::Xattr>>> {
        self.fs(place.at)?.xattrs(place.at.node)
    }

    /// Which file it is, where that can be known: two names of one file are the
    /// same.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn identity(&self, place: &Place) -> Result<Option<(usize, u64, u32)>> {
        let links = self.stat(place)?.links;
        Ok(links.map(|links| (place.at.fs, links.inode, links.count)))
    }

    /// The number of the file system that a file is on, and that of the file in it.
    pub(super) fn key(&self, place: &Place) -> (usize, u64) {
        (place.at.fs, place.at.node.0)
    }

    /// Space and inodes of the file system that a file is on.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub(super) fn usage(&self, place: &Place) -> Result<Usage> {
        self.fs(place.at)?.usage()
    }

    /// Whether two files are on one file system.
    pub fn same_fs(&self, one: &Place, other: &Place) -> bool {
        one.at.fs == other.at.fs
    }

    /// Reads of a regular file; 0 at its end.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem`].
    pub fn read(&self, place: &Place, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.fs(place.at)?.read(place.at.node, offset, buf)
    }

    /// All of a small file.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is no regular file or longer than `most`
    /// bytes, and those of [`FileSystem`].
    pub fn contents(&self, place: &Place, most: u64) -> Result<Vec<u8>> {
        let stat = self.stat(place)?;
        must_be_a_file(place, &stat)?;
        if stat.size > most {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "'{}' is too long to be read at once",
                    place.path.escape_ascii()
                ),
            ));
        }
        let mut bytes = vec![0; usize::try_from(stat.size).unwrap_or(0)];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read(place, done as u64, rest)? {
                0 => break,
                count => done = done.saturating_add(count),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// Visits a file and, if it is a directory, everything below it: a directory
    /// before what is in it, names in the order of their bytes. `visit` is told
    /// how deep below the first the file is, and answers whether to go into a
    /// directory.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if there is no end to it; those of `visit` and of
    /// [`FileSystem`].
    pub fn visit(
        &self,
        start: &Place,
        visit: &mut dyn FnMut(&Place, &Stat, usize) -> Result<bool>,
    ) -> Result<()> {
        let mut above = Vec::new();
        let mut left = MAX_FILES;
        self.visit_one(start, &mut above, &mut left, visit)
    }

    fn visit_one(
        &self,
        place: &Place,
        above: &mut Vec<(usize, u64)>,
        left: &mut u64,
        visit: &mut dyn FnMut(&Place, &Stat, usize) -> Result<bool>,
    ) -> Result<()> {
        let stat = self.stat(place)?;
        *left = left.saturating_sub(1);
        let own = stat.links.map(|links| (place.at.fs, links.inode));
        let is_dir = stat.kind == FileKind::Directory;
        let circle = is_dir && own.is_some_and(|own| above.contains(&own));
        if *left == 0 || above.len() > MAX_DEPTH || circle {
            return Err(Error::new(
                Kind::Unsafe,
                format!(
                    "the file system is damaged: below '{}' there is no end",
                    place.path.escape_ascii()
                ),
            ));
        }
        if !visit(place, &stat, above.len())? || !is_dir {
            return Ok(());
        }
        above.push(own.unwrap_or((usize::MAX, 0)));
        for (_, child) in self.entries(place)? {
            self.visit_one(&child, above, left, visit)?;
        }
        above.pop();
        Ok(())
    }
}

/// Refuses what has no contents to read.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is no regular file.
pub fn must_be_a_file(place: &Place, stat: &Stat) -> Result<()> {
    if stat.kind == FileKind::File {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "'{}' is {}, and must be a regular file",
            place.path.escape_ascii(),
            stat.kind.described()
        ),
    ))
}

fn no_such(path: &[u8]) -> Error {
    Error::new(
        Kind::NotFound,
        format!("there is no '{}' in the guest", path.escape_ascii()),
    )
}

fn not_a_directory(path: &[u8]) -> Error {
    Error::new(
        Kind::WrongState,
        format!("'{}' is no directory", path.escape_ascii()),
    )
}

/// The directory of a path, and the name at its end.
fn split(path: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut bare = path;
    while let Some(shorter) = bare.strip_suffix(b"/") {
        bare = shorter;
    }
    let at = bare.iter().rposition(|&byte| byte == b'/');
    let (dir, name) = bare.split_at(at.map_or(0, |at| at + 1));
    if matches!(name, b"" | b"." | b"..") {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "'{}' must end with the name of a file or directory",
                path.escape_ascii()
            ),
        ));
    }
    Ok((dir, name))
}

/// A name in a directory, as a path; what is an absolute path is one already.
fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if name.starts_with(b"/") {
        return name.to_vec();
    }
    let mut path = dir.to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The names in a path, without those that lead nowhere.
fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
