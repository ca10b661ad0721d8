//! XFS, version 4 and 5, read by `rust-fs-xfs`.
//!
//! A log that was not written back is replayed in memory by the library; the
//! disk stays as it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use fs_xfs::inode::{Format, Inode};
use fs_xfs::{Error as XfsError, Filesystem};

use super::checked::damaged;
use super::rust_fs::{Device, unknown, unreadable};
use super::{
    Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Opened, Stat, Time, Usage, Xattr,
};
use crate::error::{Error, Kind, Result};
use crate::guest::native::Blocks;

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let device = Device::over(Arc::clone(&blocks));
    let mounted = super::guarded::guarded(|| Ok(Filesystem::mount(device)))?;
    match mounted {
        Ok(fs) => Ok(Opened::Ready(Box::new(Xfs {
            fs,
            blocks,
            last: RefCell::new(None),
        }))),
        Err(XfsError::UnsupportedFeature(why)) => Ok(Opened::NeedsKernel(why)),
        Err(XfsError::DirtyLog) => Ok(Opened::NeedsKernel(
            "it holds files that were deleted while they were open".to_owned(),
        )),
        Err(other) => Err(explain(other)),
    }
}

/// An inode, as it is on disk too, and where its data is.
struct Loaded {
    inode: Inode,
    raw: Vec<u8>,
    /// Runs of a file: offset, where on the device, length, all in bytes; and
    /// whether anything was written there.
    runs: Vec<Run>,
}

struct Run {
    start: u64,
    at: u64,
    len: u64,
    written: bool,
}

struct Xfs {
    fs: Filesystem,
    blocks: Arc<dyn Blocks>,
    /// What was asked about last: a file is read in many pieces.
    last: RefCell<Option<Rc<Loaded>>>,
}

impl Xfs {
    fn load(&self, node: Node) -> Result<Rc<Loaded>> {
        if let Some(last) = self.last.borrow().as_ref() {
            if last.inode.ino == node.0 {
                return Ok(Rc::clone(last));
            }
        }
        let (inode, raw) = self.fs.read_inode_raw(node.0).map_err(explain)?;
        let runs = self.runs(&inode, &raw)?;
        let loaded = Rc::new(Loaded { inode, raw, runs });
        *self.last.borrow_mut() = Some(Rc::clone(&loaded));
        Ok(loaded)
    }

    /// Where the data of a plain file is, so that it can be read in one go
    /// and not a block at a time. Empty if the library has to read it: a replayed
    /// log may have changed what is on the device.
    fn runs(&self, inode: &Inode, raw: &[u8]) -> Result<Vec<Run>> {
        let plain = inode.is_regular_file() && !inode.is_realtime();
        if !plain || inode.format == Format::Local || self.fs.was_replayed() {
            return Ok(Vec::new());
        }
        let sb = self.fs.superblock();
        let (block, per_group) = (u64::from(sb.blocksize), u64::from(sb.agblocks));
        let extents = self.fs.data_extents(inode, raw).map_err(explain)?;
        let runs = extents.iter().map(|extent| {
            // A block number is the number of a group, and a block in it.
            let group = extent.startblock.checked_shr(sb.agblklog.into())?;
            let within =
                extent.startblock & 1_u64.checked_shl(sb.agblklog.into())?.checked_sub(1)?;
            let at = group.checked_mul(per_group)?.checked_add(within)?;
            Some(Run {
                start: extent.startoff.checked_mul(block)?,
                at: at.checked_mul(block)?,
                len: extent.blockcount.checked_mul(block)?,
                written: !extent.is_unwritten(),
            })
        });
        let runs: Option<Vec<Run>> = runs.collect();
        runs.ok_or_else(|| damaged("a file has blocks beyond all that can be"))
    }
}

impl FileSystem for Xfs {
    fn kind(&self) -> FsKind {
        FsKind::Xfs
    }

    fn uuid(&self) -> Option<String> {
        let uuid = uuid::Uuid::from_bytes(self.fs.superblock().uuid);
        Some(uuid.to_string())
    }

    fn label(&self) -> Option<Vec<u8>> {
        let label = self.fs.superblock().fname.trim_end_matches('\0');
        Some(label.as_bytes().to_vec())
    }

    fn health(&self) -> Health {
        if self.fs.was_replayed() {
            Health::Replayed
        } else {
            Health::Clean
        }
    }

    fn root(&self) -> Node {
        Node(self.fs.superblock().rootino)
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let dir = self.load(dir)?;
        match self.fs.lookup(&dir.inode, &dir.raw, name) {
            Ok(found) => Ok(Some(Node(found.ino))),
            Err(XfsError::NotFound) => Ok(None),
            Err(other) => Err(explain(other)),
        }
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let dir = self.load(dir)?;
        let entries = self.fs.read_dir(&dir.inode, &dir.raw).map_err(explain)?;
        let entries = entries.into_iter().map(|entry| Entry {
            name: entry.name,
            node: Node(entry.ino),
        });
        Ok(entries.collect())
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        let loaded = self.load(node)?;
        let inode = &loaded.inode;
        let kind = FileKind::of_mode(inode.mode.into())
            .ok_or_else(|| damaged("an inode is of no kind"))?;
        let time = |time: fs_xfs::inode::Timestamp| Time {
            seconds: time.sec,
            nanoseconds: time.nsec,
        };
        Ok(Stat {
            kind,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            links: Some(Links {
                inode: inode.ino,
                count: inode.nlink,
            }),
            accessed: time(inode.atime),
            modified: time(inode.mtime),
            changed: Some(time(inode.ctime)),
        })
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let loaded = self.load(node)?;
        if loaded.runs.is_empty() {
            let read = self.fs.read_at(&loaded.inode, &loaded.raw, offset, buf);
            return read.map_err(explain);
        }
        let left = loaded.inode.size.saturating_sub(offset);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..want) else {
            return Ok(0);
        };
        // Holes, and what was reserved and never written, read as zeros.
        buf.fill(0);
        let end = offset.saturating_add(want as u64);
        for run in loaded.runs.iter().filter(|run| run.written) {
            let from = offset.max(run.start);
            let to = end.min(run.start.saturating_add(run.len));
            if from >= to {
                continue;
            }
            let place = usize::try_from(from - offset)
                .ok()
                .zip(usize::try_from(to - offset).ok());
            let Some(part) = place.and_then(|(from, to)| buf.get_mut(from..to)) else {
                continue;
            };
            let at = run.at.checked_add(from - run.start);
            let at = at.ok_or_else(|| damaged("a file has blocks beyond all that can be"))?;
            self.blocks.read_at(at, part)?;
        }
        Ok(want)
    }

    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let loaded = self.load(node)?;
        let target = self.fs.read_link(&loaded.inode, &loaded.raw);
        target.map_err(explain)
    }

    fn xattrs(&self, node: Node) -> Result<Option<Vec<Xattr>>> {
        let loaded = self.load(node)?;
        let xattrs = self.fs.list_xattrs(&loaded.inode, &loaded.raw);
        let xattrs = xattrs.map_err(explain)?.into_iter();
        Ok(Some(xattrs.map(|one| (one.name, one.value)).collect()))
    }

    fn usage(&self) -> Result<Usage> {
        let sb = self.fs.superblock();
        let block = u64::from(sb.blocksize);
        // An internal log is no room for files.
        let log = if sb.logstart == 0 {
            0
        } else {
            sb.logblocks.into()
        };
        let size = sb.dblocks.saturating_sub(log);
        let free = sb.fdblocks.min(size);
        let bytes = |blocks: u64| {
            let bytes = blocks.checked_mul(block);
            bytes.ok_or_else(|| damaged("its superblock counts more than can be"))
        };
        Ok(Usage {
            size: bytes(size)?,
            used: bytes(size.saturating_sub(free))?,
            available: bytes(free)?,
            inodes: None,
            inodes_used: Some(sb.icount.saturating_sub(sb.ifree)),
        })
    }
}

fn explain(error: XfsError) -> Error {
    match error {
        XfsError::Io(why) => unreadable(&why),
        XfsError::UnsupportedFeature(why) => unknown(&why),
        XfsError::RealtimeDeviceAbsent { .. } => unknown("its data is on a realtime device"),
        XfsError::NotFound => Error::new(Kind::NotFound, "there is no such file"),
        other => damaged(&other.to_string()),
    }
}
