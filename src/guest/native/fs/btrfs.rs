//! btrfs, read by `rust-fs-btrfs`, with subvolumes shown where the kernel shows
//! them.
//!
//! The library refuses a file system with a log tree, which holds what was
//! synced last and is not in the other trees yet. It refuses compressed extents
//! that end within a page, too, which every log file has that was synced while it
//! grew; those files are read by `lambutter`, which knows paths and no inodes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use fs_btrfs::subvol::{EMPTY_SUBVOL_DIR_OBJECTID, FS_TREE_OBJECTID, Subvolume};
use fs_btrfs::{Error as BtrfsError, Filesystem};

use super::checked::damaged;
use super::rust_fs::{Device, unknown, unreadable};
use super::{
    Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Opened, Stat, Time, Usage, Xattr,
};
use crate::error::{Error, Kind, Result};
use crate::guest::native::Blocks;

/// A node is the place of its subvolume in the table of those that are open,
/// and below that its inode number.
const INODE_BITS: u32 = 48;

/// How many subvolumes are open at once.
const MAX_TREES: usize = 1024;

/// The directory of each subvolume.
const TOP: u64 = fs_btrfs::inode::FIRST_FREE_OBJECTID;

/// Where the root tree says which subvolume a mount shows: an entry `default`
/// in the directory with this number (`BTRFS_ROOT_TREE_DIR_OBJECTID`).
const ROOT_TREE_DIR: u64 = 6;

/// `BTRFS_DIR_ITEM_KEY`.
const DIR_ITEM: u8 = 84;

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let device = Device::over(Arc::clone(&blocks));
    let opened = super::guarded::guarded(|| {
        let base = match Filesystem::mount(device) {
            Ok(base) => base,
            Err(error) => return refused(error),
        };
        let subvolumes = base.subvolumes().map_err(explain)?;
        let default = default_subvolume(&base)?;
        let subvolumes = subvolumes.into_iter().map(|one| (one.id, one)).collect();
        let fs = Btrfs {
            base,
            subvolumes,
            trees: RefCell::default(),
            names: RefCell::default(),
            second: RefCell::new(None),
            blocks,
            root: Node(0),
        };
        let root = fs.top_of(default)?;
        Ok(Opened::Ready(Box::new(Btrfs { root, ..fs })))
    })?;
    Ok(opened)
}

fn refused(error: BtrfsError) -> Result<Opened> {
    let what = error.to_string();
    match error {
        BtrfsError::UnsupportedFeature(_)
        | BtrfsError::UnsupportedProfile(_)
        | BtrfsError::UnsupportedChecksum(_)
        | BtrfsError::DirtyLog => Ok(Opened::NeedsKernel(what)),
        other => Err(explain(other)),
    }
}

/// The subvolume that a mount without options shows.
fn default_subvolume(base: &Filesystem) -> Result<u64> {
    for (owner, kind, _, data) in base.root_tree_items().map_err(explain)? {
        if owner == ROOT_TREE_DIR && kind == DIR_ITEM {
            for entry in fs_btrfs::dir::parse_dir_items(&data).map_err(explain)? {
                if entry.name == b"default" {
                    return Ok(entry.ino);
                }
            }
        }
    }
    Ok(FS_TREE_OBJECTID)
}

/// A subvolume that is open.
struct Tree {
    id: u64,
    fs: Filesystem,
}

/// A directory, and a name in it.
type Name = (Node, Box<[u8]>);

/// How many names are remembered for the second reader.
const MAX_NAMES: usize = 4_000_000;

struct Btrfs {
    base: Filesystem,
    blocks: Arc<dyn Blocks>,
    /// Where each file was come by: the directory, and the name in it.
    names: RefCell<HashMap<Node, Name>>,
    /// The file that the second reader has read last.
    second: RefCell<Option<Second>>,
    subvolumes: HashMap<u64, Subvolume>,
    trees: RefCell<Vec<Rc<Tree>>>,
    root: Node,
}

impl Btrfs {
    /// The uppermost directory of a subvolume.
    fn top_of(&self, id: u64) -> Result<Node> {
        let known = self.trees.borrow().iter().position(|tree| tree.id == id);
        let index = match known {
            Some(index) => index,
            None => {
                let subvolume = self
                    .subvolumes
                    .get(&id)
                    .ok_or_else(|| damaged("an entry leads to a subvolume that is not there"))?;
                let fs = self.base.open_subvolume_at(subvolume.bytenr);
                let fs = fs.map_err(explain)?;
                let mut trees = self.trees.borrow_mut();
                if trees.len() >= MAX_TREES {
                    return Err(unknown("it has more than a thousand subvolumes"));
                }
                trees.push(Rc::new(Tree { id, fs }));
                trees.len().saturating_sub(1)
            }
        };
        node(index, TOP)
    }

    fn find(&self, at: Node) -> Result<(Rc<Tree>, usize, u64)> {
        let index = usize::try_from(at.0 >> INODE_BITS).unwrap_or(usize::MAX);
        let tree = self.trees.borrow().get(index).map(Rc::clone);
        let tree = tree.ok_or_else(|| damaged("a name leads nowhere"))?;
        Ok((tree, index, at.0 & ((1 << INODE_BITS) - 1)))
    }

    /// Remembers where a file was come by.
    fn remember(&self, dir: Node, name: &[u8], node: Node) -> Result<()> {
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_NAMES {
            return Err(damaged("it has more names than can be"));
        }
        names.insert(node, (dir, name.into()));
        Ok(())
    }

    /// Reads a file by its path in the subvolume that it is in.
    fn read_again(&self, at: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut second = self.second.borrow_mut();
        let second = match second.as_mut() {
            Some(second) if second.at == at => second,
            _ => second.insert(self.second_of(at)?),
        };
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let from = offset.saturating_add(done as u64);
            let read = second.fs.read_file_at(&second.inode, from, rest);
            match read.map_err(|error| damaged(&error.to_string()))? {
                0 => break,
                count => done = done.saturating_add(count),
            }
        }
        Ok(done)
    }

    fn second_of(&self, at: Node) -> Result<Second> {
        let (tree, index, _) = self.find(at)?;
        let top = node(index, TOP)?;
        let names = self.names.borrow();
        let mut path = Vec::new();
        let mut here = at;
        while here != top {
            let (dir, name) = names
                .get(&here)
                .ok_or_else(|| damaged("a name leads nowhere"))?;
            path.push(name.as_ref());
            // A directory that is in itself.
            if path.len() > 4096 {
                return Err(damaged("a path has no end"));
            }
            here = *dir;
        }
        path.push(b"");
        path.reverse();
        let path = path.join(&b'/');
        let path = lambutter::Path::new(&path).ok_or_else(|| damaged("a path is no path"))?;
        let reader = Reader(Arc::clone(&self.blocks));
        let opened = lambutter::Btrfs::open_subvol_id(reader, self.blocks.len(), tree.id);
        // It knows fewer checksums than the first.
        let explain = |error: lambutter::Error| unknown(&error.to_string());
        let mut fs = opened.map_err(explain)?;
        let inode = fs.resolve(path).map_err(explain)?;
        Ok(Second { at, fs, inode })
    }

    /// What an entry in a directory of `tree` leads to.
    fn target(&self, tree: &Tree, index: usize, entry: &fs_btrfs::dir::DirEntry) -> Result<Node> {
        if entry.is_inode() {
            return node(index, entry.ino);
        }
        // A snapshot has the entries of the subvolumes in what it was made
        // of, and not the subvolumes: the kernel shows empty directories.
        match self.subvolumes.get(&entry.ino) {
            Some(subvolume) if subvolume.parent == tree.id => self.top_of(entry.ino),
            _ => node(index, EMPTY_SUBVOL_DIR_OBJECTID),
        }
    }
}

/// A file as the second reader has it.
struct Second {
    at: Node,
    fs: lambutter::Btrfs<Reader>,
    inode: lambutter::Inode,
}

/// Our blocks as those of the second reader.
struct Reader(Arc<dyn Blocks>);

struct Unreadable;

impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk cannot be read")
    }
}

impl lambutter::BlockRead for Reader {
    type Error = Unreadable;

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> std::result::Result<(), Unreadable> {
        self.0.read_at(offset, buf).map_err(|_| Unreadable)
    }
}

fn node(tree: usize, inode: u64) -> Result<Node> {
    if inode >> INODE_BITS != 0 {
        return Err(unknown("it has inodes with uncommonly large numbers"));
    }
    Ok(Node((tree as u64) << INODE_BITS | inode))
}

fn is_empty_place(inode: u64) -> bool {
    inode == EMPTY_SUBVOL_DIR_OBJECTID
}

impl FileSystem for Btrfs {
    fn kind(&self) -> FsKind {
        FsKind::Btrfs
    }

    fn uuid(&self) -> Option<String> {
        let uuid = uuid::Uuid::from_bytes(self.base.superblock().fsid);
        Some(uuid.to_string())
    }

    fn label(&self) -> Option<Vec<u8>> {
        let label = self.base.superblock().label.trim_end_matches('\0');
        Some(label.as_bytes().to_vec())
    }

    fn health(&self) -> Health {
        Health::Clean
    }

    fn root(&self) -> Node {
        self.root
    }

    fn root_for(&self, options: &str) -> Result<Option<Node>> {
        let option = |name: &str| {
            let mut all = options.split(',');
            all.find_map(|one| one.trim().strip_prefix(name)?.strip_prefix('='))
        };
        if let Some(id) = option("subvolid") {
            let Some(id) = id.parse().ok() else {
                return Ok(None);
            };
            // 0 is another name for the uppermost one.
            let id = if id == 0 { FS_TREE_OBJECTID } else { id };
            let known = self.subvolumes.contains_key(&id);
            return known.then(|| self.top_of(id)).transpose();
        }
        let Some(path) = option("subvol") else {
            return Ok(Some(self.root));
        };
        let mut at = self.top_of(FS_TREE_OBJECTID)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.lookup(at, name.as_bytes())? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let (tree, index, inode) = self.find(dir)?;
        if is_empty_place(inode) {
            return Ok(None);
        }
        // One look at the hash of the name tells inodes; what else is there
        // has to be looked for among all entries.
        match tree.fs.lookup(inode, name) {
            Ok(found) => {
                let node = node(index, found.ino)?;
                self.remember(dir, name, node)?;
                return Ok(Some(node));
            }
            Err(BtrfsError::NotFound) => return Ok(None),
            Err(BtrfsError::UnsupportedFeature(_)) => {}
            Err(other) => return Err(explain(other)),
        }
        let entries = tree.fs.read_dir(inode).map_err(explain)?;
        let found = entries.iter().find(|entry| entry.name == name);
        found
            .map(|entry| self.target(&tree, index, entry))
            .transpose()
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let (tree, index, inode) = self.find(dir)?;
        if is_empty_place(inode) {
            return Ok(Vec::new());
        }
        let entries = tree.fs.read_dir(inode).map_err(explain)?.into_iter();
        let entries = entries.map(|entry| {
            let node = self.target(&tree, index, &entry)?;
            let name = entry.name;
            if entry.location_type == fs_btrfs::inode::INODE_ITEM_KEY {
                self.remember(dir, &name, node)?;
            }
            Ok(Entry { name, node })
        });
        entries.collect()
    }

    fn stat(&self, at: Node) -> Result<Stat> {
        let (tree, index, number) = self.find(at)?;
        let empty = is_empty_place(number);
        let number = if empty { TOP } else { number };
        let inode = tree.fs.read_inode(number).map_err(explain)?;
        let kind =
            FileKind::of_mode(inode.mode).ok_or_else(|| damaged("an inode is of no kind"))?;
        let time = |time: fs_btrfs::inode::Timestamp| Time {
            seconds: time.sec,
            nanoseconds: time.nsec,
        };
        Ok(Stat {
            kind: if empty { FileKind::Directory } else { kind },
            mode: u16::try_from(inode.mode & 0o7777).unwrap_or(0),
            uid: inode.uid,
            gid: inode.gid,
            size: if empty { 0 } else { inode.size },
            links: Some(Links {
                // The same number in two subvolumes is two files.
                inode: node(index, number)?.0,
                count: inode.nlink,
            }),
            accessed: time(inode.atime),
            modified: time(inode.mtime),
            changed: Some(time(inode.ctime)),
        })
    }

    fn read(&self, at: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (tree, _, inode) = self.find(at)?;
        let is_second = self
            .second
            .borrow()
            .as_ref()
            .is_some_and(|one| one.at == at);
        if !is_second {
            match tree.fs.read_at(inode, offset, buf) {
                // Wrong words for it, and the only ones there are.
                Err(BtrfsError::BadSuperblock(why)) if why.contains("decoded") => {}
                other => return other.map_err(explain),
            }
        }
        self.read_again(at, offset, buf)
    }

    fn link(&self, at: Node) -> Result<Vec<u8>> {
        let (tree, _, inode) = self.find(at)?;
        tree.fs.read_link(inode).map_err(explain)
    }

    fn xattrs(&self, at: Node) -> Result<Option<Vec<Xattr>>> {
        let (tree, _, inode) = self.find(at)?;
        if is_empty_place(inode) {
            return Ok(Some(Vec::new()));
        }
        let xattrs = tree.fs.list_xattrs(inode).map_err(explain)?.into_iter();
        Ok(Some(xattrs.map(|one| (one.name, one.value)).collect()))
    }

    fn usage(&self) -> Result<Usage> {
        let sb = self.base.superblock();
        Ok(Usage {
            size: sb.total_bytes,
            used: sb.bytes_used.min(sb.total_bytes),
            available: sb.total_bytes.saturating_sub(sb.bytes_used),
            inodes: None,
            inodes_used: None,
        })
    }
}

fn explain(error: BtrfsError) -> Error {
    match error {
        BtrfsError::Io(why) => unreadable(&why),
        BtrfsError::UnsupportedFeature(why) | BtrfsError::UnsupportedProfile(why) => unknown(&why),
        BtrfsError::NotFound => Error::new(Kind::NotFound, "there is no such file"),
        other => damaged(&other.to_string()),
    }
}
