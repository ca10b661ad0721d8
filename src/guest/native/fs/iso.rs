//! ISO 9660 with Rock Ridge or Joliet, read by `hadris-iso`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use hadris_fs::sync::FileSystem as _;
use hadris_fs::{DirCursor, ErrorKind, FileType, Metadata, MountOptions, NodeId};
use hadris_io::ErrorType;
use hadris_iso::Namespace;
use hadris_iso::sync::IsoFs;
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};

use super::checked::damaged;
use super::guarded::guarded;
use super::listed::{LastListed, Listed};
use super::pages::Pages;
use super::{Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Opened, Stat, Time, Usage};
use super::{MAX_ENTRIES, Xattr, needs_kernel};
use crate::error::{Error, Kind, Result};
use crate::guest::native::{Blocks, bytes};

/// How much may be read to answer one question. Names of one file are looked
/// for in all directories, so that a few bytes can ask for much.
const ENOUGH: u64 = 1 << 30;

/// In sectors: what is smaller does not come from a file.
const SECTOR: u32 = 512;

/// The first volume descriptor is there, and in it two moments.
const DESCRIPTOR: u64 = 0x8000;
const CREATED: usize = 813;
const CHANGED: usize = 830;

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let descriptor = bytes::read(blocks.as_ref(), DESCRIPTOR, 2048)?;
    let descriptor = descriptor.ok_or_else(|| damaged("it ends in its first descriptor"))?;
    let shared = Rc::new(Shared::default());
    let sector = BlockSize::new(SECTOR);
    let device = Device {
        sector: sector.ok_or_else(|| damaged("its sectors are of no size"))?,
        pages: Pages::of(blocks),
        shared: Rc::clone(&shared),
    };
    shared.left.set(ENOUGH);
    let mut volume = match guarded(|| Ok(IsoFs::mount(device, MountOptions::new())))? {
        Ok(volume) => volume,
        Err(error) => {
            let error = error.into_error();
            return match error.kind() {
                ErrorKind::Unsupported => Ok(Opened::NeedsKernel(error.to_string())),
                kind => Err(explain(&shared, kind, &error.to_string())),
            };
        }
    };
    let label = guarded(|| {
        let mut buf = [0; 256];
        // A name that is none is no reason not to read the rest.
        let label = volume.label(&mut buf).ok().flatten();
        Ok(label.map(|label| label.trim_end().as_bytes().to_vec()))
    })?;
    Ok(Opened::Ready(Box::new(Iso {
        uuid: moment_of(&descriptor, CHANGED).or_else(|| moment_of(&descriptor, CREATED)),
        label,
        // Modes and owners are part of Rock Ridge alone.
        has_modes: volume.namespace() == Namespace::RockRidge,
        is_plain: volume.namespace() == Namespace::Primary,
        root: Node(volume.root().get()),
        volume: RefCell::new(volume),
        listed: LastListed::default(),
        shared,
    })))
}

/// What the device and its user both know.
#[derive(Default)]
struct Shared {
    /// How many more bytes may be read.
    left: Cell<u64>,
    /// Why the disk could not be read.
    error: RefCell<Option<Error>>,
}

/// Our blocks as theirs.
struct Device {
    pages: Pages,
    sector: BlockSize,
    shared: Rc<Shared>,
}

/// The device has failed; why is in [`Shared`].
#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk cannot be read")
    }
}

impl std::error::Error for Failed {}

impl ErrorType for Device {
    type Error = Failed;
}

impl Device {
    fn read(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<()> {
        let left = self.shared.left.get().checked_sub(buf.len() as u64);
        let left = left.ok_or_else(|| damaged("there is no end to what it lists"))?;
        self.shared.left.set(left);
        let offset = first.get().checked_mul(SECTOR.into());
        let offset = offset.ok_or_else(|| damaged("it goes on beyond all that can be"))?;
        self.pages.read(offset, buf)
    }
}

impl BlockDevice for Device {
    fn block_size(&self) -> BlockSize {
        self.sector
    }

    fn block_count(&self) -> u64 {
        self.pages.len() / u64::from(SECTOR)
    }

    fn read_blocks(
        &mut self,
        first: BlockIndex,
        buf: &mut [u8],
    ) -> std::result::Result<(), hadris_io::Error<Failed>> {
        self.read(first, buf).map_err(|error| {
            *self.shared.error.borrow_mut() = Some(error);
            hadris_io::Error::device(Failed, "the disk cannot be read")
        })
    }
}

struct Iso {
    volume: RefCell<IsoFs<Device>>,
    shared: Rc<Shared>,
    /// The directory that was listed last.
    listed: LastListed,
    uuid: Option<String>,
    label: Option<Vec<u8>>,
    has_modes: bool,
    is_plain: bool,
    root: Node,
}

impl Iso {
    fn list(&self, dir: Node) -> Result<Rc<Listed>> {
        self.listed.of(dir, || self.names(dir))
    }

    fn names(&self, dir: Node) -> Result<Vec<Entry>> {
        let dir = node(dir)?;
        let mut entries = Vec::new();
        self.ask(|fs| {
            let mut cursor = DirCursor::START;
            while let Some(entry) = fs.readdir(dir, cursor)? {
                cursor = entry.next_cursor();
                let name = entry.name().as_bytes();
                entries.push(Entry {
                    name: match self.is_plain {
                        true => plain(name),
                        false => name.to_vec(),
                    },
                    node: Node(entry.node().get()),
                });
                if entries.len() > MAX_ENTRIES {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(entries)
    }

    /// Asks the library something.
    fn ask<T>(
        &self,
        question: impl FnOnce(&mut IsoFs<Device>) -> std::result::Result<T, hadris_io::Error<Failed>>,
    ) -> Result<T> {
        self.shared.left.set(ENOUGH);
        let answer = question(&mut self.volume.borrow_mut());
        answer.map_err(|error| explain(&self.shared, error.kind(), &error.to_string()))
    }
}

/// What the library fails with.
fn explain(shared: &Shared, kind: ErrorKind, what: &str) -> Error {
    if let Some(error) = shared.error.borrow_mut().take() {
        return error;
    }
    match kind {
        ErrorKind::NotFound => Error::new(Kind::NotFound, "there is no such file"),
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::Symlink => {
            Error::new(Kind::WrongState, what.to_owned())
        }
        ErrorKind::Unsupported => needs_kernel(what),
        _ => damaged(what),
    }
}

fn node(node: Node) -> Result<NodeId> {
    NodeId::new(node.0).ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))
}

impl FileSystem for Iso {
    fn kind(&self) -> FsKind {
        FsKind::Iso9660
    }

    fn uuid(&self) -> Option<String> {
        self.uuid.clone()
    }

    fn label(&self) -> Option<Vec<u8>> {
        self.label.clone()
    }

    fn health(&self) -> Health {
        Health::Clean
    }

    fn root(&self) -> Node {
        self.root
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let listed = self.list(dir)?;
        // In a plain image all names are in lower case here, and in upper case
        // there.
        let name = match self.is_plain {
            true => &name.to_ascii_lowercase(),
            false => name,
        };
        Ok(listed.find(name))
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        Ok(self.list(dir)?.entries.clone())
    }

    fn stat(&self, at: Node) -> Result<Stat> {
        let id = node(at)?;
        let known: Metadata = self.ask(|fs| fs.stat(id))?;
        let time = |time: Option<hadris_fs::DateTime>| {
            time.map(|time| Time {
                seconds: time.unix_seconds(),
                nanoseconds: time.nanoseconds(),
            })
        };
        let modified = time(known.modified()).unwrap_or_default();
        let owner = known.owner().filter(|_| self.has_modes);
        Ok(Stat {
            kind: match known.file_type() {
                FileType::File => FileKind::File,
                FileType::Dir => FileKind::Directory,
                FileType::Symlink => FileKind::Link,
                FileType::CharDevice => FileKind::CharDevice,
                FileType::BlockDevice => FileKind::BlockDevice,
                FileType::Fifo => FileKind::Pipe,
                FileType::Socket => FileKind::Socket,
                _ => return Err(damaged("a file is of no kind")),
            },
            // As Linux shows those that nobody wrote down.
            mode: match self.has_modes {
                true => u16::try_from(known.permissions().bits() & 0o7777).unwrap_or(0),
                false => 0o555,
            },
            uid: owner.map_or(0, |owner| owner.uid()),
            gid: owner.map_or(0, |owner| owner.gid()),
            size: known.len(),
            links: Some(Links {
                inode: at.0,
                count: u32::try_from(known.nlink()).unwrap_or(u32::MAX).max(1),
            }),
            accessed: time(known.accessed()).unwrap_or(modified),
            modified,
            changed: time(known.changed()),
        })
    }

    fn read(&self, at: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let id = node(at)?;
        self.ask(|fs| {
            let mut done = 0;
            // A file may be in more than one piece.
            while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match fs.read(id, offset.saturating_add(done as u64), rest)? {
                    0 => break,
                    count => done = done.saturating_add(count),
                }
            }
            Ok(done)
        })
    }

    fn link(&self, at: Node) -> Result<Vec<u8>> {
        let id = node(at)?;
        let mut buf = [0; 4096];
        self.ask(|fs| fs.readlink(id, &mut buf).map(<[u8]>::to_vec))
    }

    fn xattrs(&self, _: Node) -> Result<Option<Vec<Xattr>>> {
        Ok(Some(Vec::new()))
    }

    fn usage(&self) -> Result<Usage> {
        let volume = self.volume.borrow();
        let info = volume.info();
        let size = u64::from(info.volume_space_size()).saturating_mul(info.block_size().into());
        Ok(Usage {
            size,
            used: size,
            available: 0,
            inodes: None,
            inodes_used: None,
        })
    }
}

/// A name where there is neither Rock Ridge nor Joliet, as Linux shows it: in
/// lower case, and without the dot behind which there is nothing.
fn plain(name: &[u8]) -> Vec<u8> {
    let short = name.strip_suffix(b".").filter(|short| !short.is_empty());
    short.unwrap_or(name).to_ascii_lowercase()
}

/// A moment as `blkid` writes it, which serves as the UUID of a volume; `None`
/// if it was never set.
fn moment_of(descriptor: &[u8], at: usize) -> Option<String> {
    let digits = descriptor.get(at..)?.get(..16)?;
    let text = std::str::from_utf8(digits).ok()?;
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return None;
    }
    let mut parts = vec![text.get(..4)?];
    for from in (4..16).step_by(2) {
        parts.push(text.get(from..from + 2)?);
    }
    Some(parts.join("-"))
}
