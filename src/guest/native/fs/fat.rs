//! FAT12, FAT16 and FAT32, read by `fatfs`.
//!
//! The library reads the boot sector and the directories, and nothing else: it
//! seeks in a file by walking its chain from the start, so that a file read in
//! pieces would cost the square of its length. Which cluster a file begins in it
//! does not say, but shows, by where it reads; the chain from there on is walked
//! here, once, and the data then read in long runs.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use fatfs::{FatType, FsOptions};

use self::device::{Device, Probe};
use self::table::{Run, Table};
use super::checked::damaged;
use super::guarded::guarded;
use super::listed::{LastListed, Listed};
use super::{Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Opened, Stat, Time, Usage};
use super::{MAX_ENTRIES, Xattr, name_is_sound, needs_kernel};
use crate::error::{Error, Kind, Result};
use crate::guest::native::{Blocks, bytes};

mod code_page;
mod device;
mod table;
#[cfg(test)]
mod tests;

/// How many files are remembered. A directory can be in itself, so that there
/// may be no end to them.
const MAX_FILES: usize = 500_000;

/// The number of the root directory, among the files that are remembered.
const ROOT: usize = 0;

/// A directory has no more than 65,536 entries of 32 bytes. The library reads
/// them in small pieces, and a cluster's number in the table for each cluster.
const MAX_DIRECTORY: u64 = 8 << 20;

type Library = fatfs::FileSystem<Device>;

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let Some(boot) = bytes::read(blocks.as_ref(), 0, 512)? else {
        return Err(damaged("it is shorter than its first sector"));
    };
    let probe = Rc::new(Probe::default());
    let device = Device::new(Arc::clone(&blocks), Rc::clone(&probe));
    let options = FsOptions::new()
        .update_accessed_date(false)
        .oem_cp_converter(&code_page::CP437);
    probe.allow(MAX_DIRECTORY);
    let opened = guarded(|| Ok(Library::new(device, options)))?;
    // Its idea of what can be is narrower than that of Linux.
    let volume = match opened {
        Ok(volume) => volume,
        Err(error) => {
            probe.failed()?;
            return Ok(Opened::NeedsKernel(error.to_string()));
        }
    };
    let table = Table::new(blocks, &boot, volume.fat_type())?;
    probe.data_from(table.data_at());
    let mut fat = Fat {
        files: RefCell::new(vec![File::root()]),
        label: None,
        dirty: match volume.fat_type() {
            FatType::Fat32 => boot.get(0x41),
            _ => boot.get(0x25),
        }
        .is_some_and(|flags| flags & 1 != 0),
        last: RefCell::new(None),
        listed: LastListed::default(),
        volume,
        probe,
        table,
    };
    fat.label = guarded(|| fat.read_label())?;
    Ok(Opened::Ready(Box::new(fat)))
}

/// What is remembered of a file.
#[derive(Clone, Copy)]
struct File {
    /// The directory it is in, and which entry of that it is.
    parent: u32,
    index: u32,
    /// Where it begins; 0 if it has no data.
    cluster: u32,
    size: u32,
    is_dir: bool,
    read_only: bool,
    accessed: Time,
    modified: Time,
    /// For a directory: the first of its files, and how many there are.
    children: Option<(u32, u32)>,
}

impl File {
    fn root() -> Self {
        Self {
            parent: 0,
            index: 0,
            cluster: 0,
            size: 0,
            is_dir: true,
            read_only: false,
            accessed: Time::default(),
            modified: Time::default(),
            children: None,
        }
    }
}

struct Fat {
    volume: Library,
    probe: Rc<Probe>,
    table: Table,
    files: RefCell<Vec<File>>,
    label: Option<Vec<u8>>,
    dirty: bool,
    /// Where the data of the file is that was read last.
    last: RefCell<Option<(Node, Rc<Vec<Run>>)>>,
    /// The directory that was listed last.
    listed: LastListed,
}

impl Fat {
    fn read_label(&self) -> Result<Option<Vec<u8>>> {
        self.probe.allow(MAX_DIRECTORY);
        let label = self.volume.read_volume_label_from_root_dir();
        let label = self.explain(label)?;
        let label = label.filter(|label| label != "NO NAME");
        Ok(label.map(String::into_bytes))
    }

    fn file(&self, node: Node) -> Result<File> {
        let at = usize::try_from(node.0).unwrap_or(usize::MAX);
        let file = self.files.borrow().get(at).copied();
        file.ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))
    }

    /// What the library failed with: the disk, or what is on it.
    fn explain<T>(&self, outcome: io::Result<T>) -> Result<T> {
        outcome.or_else(|error| {
            self.probe.failed()?;
            Err(damaged(&error.to_string()))
        })
    }

    /// A directory, as the library has it.
    fn dir(&self, node: Node) -> Result<fatfs::Dir<'_, Device>> {
        let mut way = Vec::new();
        let mut at = node;
        while at.0 != ROOT as u64 {
            let file = self.file(at)?;
            way.push(file.index);
            at = Node(file.parent.into());
        }
        let mut dir = self.volume.root_dir();
        for index in way.into_iter().rev() {
            self.probe.allow(MAX_DIRECTORY);
            let entry = dir.iter().nth(usize::try_from(index).unwrap_or(usize::MAX));
            let entry = entry.ok_or_else(|| damaged("a directory has become shorter"))?;
            let entry = self.explain(entry)?;
            if !entry.is_dir() {
                return Err(damaged("a directory has become a file"));
            }
            dir = entry.to_dir();
        }
        Ok(dir)
    }

    fn list(&self, node: Node) -> Result<Rc<Listed>> {
        self.listed.of(node, || self.names(node))
    }

    fn names(&self, node: Node) -> Result<Vec<Entry>> {
        let file = self.file(node)?;
        if !file.is_dir {
            return Err(Error::new(Kind::WrongState, "it is no directory"));
        }
        let dir = self.dir(node)?;
        self.probe.allow(MAX_DIRECTORY);
        let mut found = Vec::new();
        let parent = u32::try_from(node.0).unwrap_or(u32::MAX);
        for (index, entry) in (0..).zip(dir.iter()) {
            let entry = self.explain(entry)?;
            if matches!(entry.short_file_name_as_bytes(), b"." | b"..") {
                continue;
            }
            found.push((name_of(&entry), self.remembered(&entry, parent, index)?));
            if found.len() > MAX_ENTRIES {
                return Err(damaged("a directory has millions of entries"));
            }
        }
        let first = self.place(node, file, &found)?;
        let entries = (first..).zip(found).map(|(at, (name, _))| Entry {
            name,
            node: Node(at),
        });
        Ok(entries.collect())
    }

    fn remembered(
        &self,
        entry: &fatfs::DirEntry<'_, Device>,
        parent: u32,
        index: u32,
    ) -> Result<File> {
        let is_dir = entry.is_dir();
        // Where it would begin to read.
        let at = self.probe.first_read(|| {
            if is_dir {
                drop(entry.to_dir().iter().next());
                return Ok(0);
            }
            io::Read::read(&mut entry.to_file(), &mut [0])
        });
        let modified = entry.modified();
        Ok(File {
            parent,
            index,
            cluster: at.map_or(Ok(0), |at| self.table.cluster_at(at))?,
            size: u32::try_from(entry.len()).unwrap_or(u32::MAX),
            is_dir,
            read_only: entry
                .attributes()
                .contains(fatfs::FileAttributes::READ_ONLY),
            accessed: moment(entry.accessed(), None),
            modified: moment(modified.date, Some(modified.time)),
            children: None,
        })
    }

    /// Remembers the files of a directory, unless they are; the number of the
    /// first.
    fn place(&self, node: Node, dir: File, found: &[(Vec<u8>, File)]) -> Result<u64> {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        if let Some((first, _)) = dir.children.filter(|children| children.1 == count) {
            return Ok(first.into());
        }
        let mut files = self.files.borrow_mut();
        if files.len().saturating_add(found.len()) > MAX_FILES {
            return Err(needs_kernel(&format!("it has more than {MAX_FILES} files")));
        }
        let first = u32::try_from(files.len()).unwrap_or(u32::MAX);
        files.extend(found.iter().map(|(_, file)| *file));
        let at = usize::try_from(node.0).unwrap_or(usize::MAX);
        if let Some(file) = files.get_mut(at) {
            file.children = Some((first, count));
        }
        Ok(first.into())
    }

    fn runs(&self, node: Node, file: &File) -> Result<Rc<Vec<Run>>> {
        if let Some((last, runs)) = self.last.borrow().as_ref() {
            if *last == node {
                return Ok(Rc::clone(runs));
            }
        }
        let runs = Rc::new(self.table.runs(file.cluster, file.size.into())?);
        *self.last.borrow_mut() = Some((node, Rc::clone(&runs)));
        Ok(runs)
    }
}

impl FileSystem for Fat {
    fn kind(&self) -> FsKind {
        FsKind::Fat
    }

    fn uuid(&self) -> Option<String> {
        let id = self.volume.volume_id();
        (id != 0).then(|| format!("{:04X}-{:04X}", id >> 16, id & 0xffff))
    }

    fn label(&self) -> Option<Vec<u8>> {
        self.label.clone()
    }

    fn health(&self) -> Health {
        if self.dirty {
            Health::Unclean
        } else {
            Health::Clean
        }
    }

    fn root(&self) -> Node {
        Node(ROOT as u64)
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let listed = self.list(dir)?;
        if let Some(node) = listed.find(name) {
            return Ok(Some(node));
        }
        // Case does not tell two names apart.
        let Ok(name) = std::str::from_utf8(name) else {
            return Ok(None);
        };
        let lower = name.to_lowercase();
        let same = |entry: &&Entry| {
            std::str::from_utf8(&entry.name).is_ok_and(|own| own.to_lowercase() == lower)
        };
        Ok(listed.entries.iter().find(same).map(|entry| entry.node))
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        Ok(self.list(dir)?.entries.clone())
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        let file = self.file(node)?;
        let mode = if file.read_only && !file.is_dir {
            0o555
        } else {
            0o755
        };
        // What tells a directory from others is where it is, which shows too
        // whether it is in itself.
        let inode = match file.cluster {
            0 => 1,
            cluster => u64::from(cluster).saturating_add(1),
        };
        Ok(Stat {
            kind: match file.is_dir {
                true => FileKind::Directory,
                false => FileKind::File,
            },
            mode,
            uid: 0,
            gid: 0,
            size: match file.is_dir {
                true => self.table.cluster_size(),
                false => file.size.into(),
            },
            links: file.is_dir.then_some(Links { inode, count: 1 }),
            accessed: file.accessed,
            modified: file.modified,
            changed: None,
        })
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let file = self.file(node)?;
        let left = u64::from(file.size).saturating_sub(offset);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..want).filter(|_| !file.is_dir) else {
            return Ok(0);
        };
        let runs = self.runs(node, &file)?;
        self.table.read(&runs, offset, buf)?;
        Ok(want)
    }

    fn link(&self, _: Node) -> Result<Vec<u8>> {
        Err(Error::new(Kind::WrongState, "it is no symbolic link"))
    }

    fn xattrs(&self, _: Node) -> Result<Option<Vec<Xattr>>> {
        Ok(Some(Vec::new()))
    }

    fn usage(&self) -> Result<Usage> {
        let free = self.table.free()?;
        let total = u64::from(self.table.clusters());
        let bytes = |clusters: u64| clusters.saturating_mul(self.table.cluster_size());
        Ok(Usage {
            size: bytes(total),
            used: bytes(total.saturating_sub(free)),
            available: bytes(free),
            inodes: None,
            inodes_used: None,
        })
    }
}

/// The long name; or the short one where the long one cannot be told from
/// others, or is longer than a name can be here.
fn name_of(entry: &fatfs::DirEntry<'_, Device>) -> Vec<u8> {
    let long = entry.file_name();
    if long.len() > 255 || long.contains(char::REPLACEMENT_CHARACTER) {
        let short = entry.short_file_name().into_bytes();
        if name_is_sound(&short) {
            return short;
        }
    }
    long.into_bytes()
}

/// A moment in the time of the guest's place, which is not written down: it is
/// taken for UTC, as Linux does.
fn moment(date: fatfs::Date, time: Option<fatfs::Time>) -> Time {
    let (month, day) = (i64::from(date.month.max(1)), i64::from(date.day.max(1)));
    // Years that begin in March have their odd day at the end.
    let (year, month) = match month > 2 {
        true => (i64::from(date.year), month - 3),
        false => (i64::from(date.year) - 1, month + 9),
    };
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let (seconds, millis) = time.map_or((0, 0), |time| {
        let minutes = i64::from(time.hour) * 60 + i64::from(time.min);
        (minutes * 60 + i64::from(time.sec), u32::from(time.millis))
    });
    Time {
        seconds: days * 86_400 + seconds,
        nanoseconds: millis * 1_000_000,
    }
}
