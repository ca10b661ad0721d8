//! ext2, ext3 and ext4, read by `rust-fs-ext4`.
//!
//! A journal that was not written back is replayed in memory by the library;
//! one that it cannot replay makes it refuse.

mod acl;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use fs_ext4::block_io::BlockDevice;
use fs_ext4::fs::Filesystem;
use fs_ext4::inode::Inode;
use fs_ext4::{Error as ExtError, dir, xattr};

use super::checked::damaged;
use super::rust_fs::{unknown, unreadable};
use super::{
    Entry, FileKind, FileSystem, FsKind, Health, Links, MAX_ENTRIES, Node, Opened, Stat, Time,
    Usage, Xattr,
};
use crate::error::{Error, Kind, Result};
use crate::guest::native::Blocks;

/// The inode of the root directory.
const ROOT: u64 = 2;

/// Features that a superblock asks for (`s_feature_incompat`).
mod incompat {
    pub(super) const FILETYPE: u32 = 0x2;
    /// Set while it is mounted. "State: clean" stays set beside it.
    pub(super) const RECOVER: u32 = 0x4;
    /// Short files in their inodes: the library cannot read those that have a
    /// hole at their end.
    pub(super) const INLINE_DATA: u32 = 0x8000;
}

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let device: Arc<dyn BlockDevice> = Arc::new(Device(blocks));
    let mounted = super::guarded::guarded(|| Ok(Filesystem::mount(device)))?;
    match mounted {
        Ok(fs) if fs.sb.feature_incompat & incompat::INLINE_DATA != 0 => Ok(Opened::NeedsKernel(
            "it has the feature inline_data".to_owned(),
        )),
        Ok(fs) => Ok(Opened::Ready(Box::new(Ext {
            fs,
            last: RefCell::new(None),
        }))),
        Err(error) if is_unknown(&error) => Ok(Opened::NeedsKernel(error.to_string())),
        Err(error) => Err(explain(error)),
    }
}

/// Our blocks as theirs.
struct Device(Arc<dyn Blocks>);

impl BlockDevice for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::result::Result<(), ExtError> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.0.len()) {
            return Err(ExtError::OutOfBounds);
        }
        let read = self.0.read_at(offset, buf);
        read.map_err(|error| ExtError::Io(std::io::Error::other(error.to_string())))
    }

    fn size_bytes(&self) -> u64 {
        self.0.len()
    }
}

/// An inode, as it is on disk too.
type Loaded = (u32, Inode, Vec<u8>);

struct Ext {
    fs: Filesystem,
    /// What was asked about last: a file is read in many pieces.
    last: RefCell<Option<Rc<Loaded>>>,
}

impl Ext {
    fn load(&self, node: Node) -> Result<Rc<Loaded>> {
        let number = u32::try_from(node.0).map_err(|_| damaged("a name leads nowhere"))?;
        if let Some(last) = self.last.borrow().as_ref().filter(|last| last.0 == number) {
            return Ok(Rc::clone(last));
        }
        // This asks whether the inode is in use, too.
        self.fs.stat_ino(number).map_err(explain)?;
        let (inode, raw) = self.fs.read_inode_verified(number).map_err(explain)?;
        let loaded = Rc::new((number, inode, raw));
        *self.last.borrow_mut() = Some(Rc::clone(&loaded));
        Ok(loaded)
    }

    /// The blocks of a directory whose inode maps them one by one, as those of
    /// ext2 and ext3 do.
    fn mapped_entries(&self, inode: &Inode) -> Result<Vec<dir::DirEntry>> {
        let typed = self.fs.sb.feature_incompat & incompat::FILETYPE != 0;
        let block = u64::from(self.fs.sb.block_size());
        let mut entries = Vec::new();
        // The library has seen that it is not longer than the file system.
        for logical in 0..inode.size.div_ceil(block.max(1)) {
            let mapped = self.fs.map_inode_logical(inode, logical);
            let Some(physical) = mapped.map_err(explain)? else {
                continue;
            };
            let bytes = self.fs.read_block(physical).map_err(explain)?;
            entries.extend(dir::parse_block(&bytes, typed).map_err(explain)?);
            if entries.len() > MAX_ENTRIES {
                break;
            }
        }
        Ok(entries)
    }

    fn raw_entries(&self, node: Node) -> Result<Vec<dir::DirEntry>> {
        let loaded = self.load(node)?;
        let (number, inode, _) = loaded.as_ref();
        if inode.is_dir() && !inode.has_extents() {
            return self.mapped_entries(inode);
        }
        self.fs.read_dir_ino(*number).map_err(explain)
    }
}

impl FileSystem for Ext {
    fn kind(&self) -> FsKind {
        FsKind::Ext
    }

    fn uuid(&self) -> Option<String> {
        let uuid = uuid::Uuid::from_bytes(self.fs.sb.uuid);
        Some(uuid.to_string())
    }

    fn label(&self) -> Option<Vec<u8>> {
        let label = self.fs.sb.volume_name.trim_end_matches('\0');
        Some(label.as_bytes().to_vec())
    }

    fn health(&self) -> Health {
        if self.fs.sb.feature_incompat & incompat::RECOVER == 0 {
            Health::Clean
        } else {
            Health::Replayed
        }
    }

    fn root(&self) -> Node {
        Node(ROOT)
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let loaded = self.load(dir)?;
        let (number, inode, _) = loaded.as_ref();
        if inode.has_extents() {
            return match self.fs.lookup_at(*number, name) {
                Ok(found) => Ok(Some(Node(found.into()))),
                Err(ExtError::NotFound) => Ok(None),
                Err(other) => Err(explain(other)),
            };
        }
        let entries = self.raw_entries(dir)?;
        let found = entries.iter().find(|entry| entry.name == name);
        Ok(found.map(|entry| Node(entry.inode.into())))
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let (mut own, mut above) = (0_u32, 0_u32);
        for entry in self.raw_entries(dir)? {
            match entry.name.as_slice() {
                b"." => own = own.saturating_add(1),
                b".." => above = above.saturating_add(1),
                _ => entries.push(Entry {
                    node: Node(entry.inode.into()),
                    name: entry.name,
                }),
            }
        }
        if own > 1 || above > 1 {
            return Err(damaged("a directory has two entries named '..'"));
        }
        Ok(entries)
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        let loaded = self.load(node)?;
        let (number, inode, _) = loaded.as_ref();
        let kind = FileKind::of_mode(inode.mode.into())
            .ok_or_else(|| damaged("an inode is of no kind"))?;
        let time = |seconds, nanoseconds| Time {
            seconds,
            nanoseconds,
        };
        Ok(Stat {
            kind,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            links: Some(Links {
                inode: u64::from(*number),
                count: inode.links_count.into(),
            }),
            accessed: time(inode.atime, inode.atime_nsec),
            modified: time(inode.mtime, inode.mtime_nsec),
            changed: Some(time(inode.ctime, inode.ctime_nsec)),
        })
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let loaded = self.load(node)?;
        let (number, inode, _) = loaded.as_ref();
        if offset >= inode.size {
            return Ok(0);
        }
        self.fs.read_ino(*number, offset, buf).map_err(explain)
    }

    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let loaded = self.load(node)?;
        self.fs.read_link_ino(loaded.0).map_err(explain)
    }

    fn xattrs(&self, node: Node) -> Result<Option<Vec<Xattr>>> {
        let loaded = self.load(node)?;
        let (_, inode, raw) = loaded.as_ref();
        let xattrs = xattr::read_all_resolved(&self.fs, inode, raw).map_err(explain)?;
        let xattrs = xattrs.into_iter().map(|one| {
            let name = one.name.into_bytes();
            let value = acl::as_handed_out(&name, one.value);
            (name, value)
        });
        Ok(Some(xattrs.collect()))
    }

    fn usage(&self) -> Result<Usage> {
        let sb = &self.fs.sb;
        let block = u64::from(sb.block_size());
        // What the file system needs for itself, as mke2fs has counted it
        // (`s_overhead_blocks`).
        let overhead = sb.raw.get(0x248..).and_then(<[u8]>::first_chunk);
        let overhead = overhead.copied().map_or(0, u32::from_le_bytes);
        let size = sb.blocks_count.saturating_sub(overhead.into());
        let free = sb.free_blocks_count;
        let bytes = |blocks: u64| {
            let bytes = blocks.checked_mul(block);
            bytes.ok_or_else(|| damaged("its superblock counts more than can be"))
        };
        Ok(Usage {
            size: bytes(size)?,
            used: bytes(size.saturating_sub(free))?,
            available: bytes(free.saturating_sub(sb.r_blocks_count))?,
            inodes: Some(sb.inodes_count.into()),
            inodes_used: Some(sb.inodes_count.saturating_sub(sb.free_inodes_count).into()),
        })
    }
}

fn is_unknown(error: &ExtError) -> bool {
    matches!(
        error,
        ExtError::UnsupportedIncompat(_)
            | ExtError::UnsupportedRoCompat(_)
            | ExtError::Unsupported(_)
            | ExtError::JournalNotReplayed
    )
}

fn explain(error: ExtError) -> Error {
    let what = error.to_string();
    match error {
        ExtError::Io(why) => unreadable(&why.to_string()),
        ExtError::NotFound => Error::new(Kind::NotFound, "there is no such file"),
        error if is_unknown(&error) => unknown(&what),
        _ => damaged(&what),
    }
}
