//! NTFS, read by `rust-fs-ntfs`.
//!
//! The library reads records, directories and what is compressed; it is made
//! for volumes that are written too, and to what it writes nothing leads here.
//! What it does with paths and whole files is done here with records: see
//! [`contents`] and [`record`].

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use fs_ntfs::attr_io::{AttrType, find_attribute};
use fs_ntfs::block_io::BlockIo as _;
use fs_ntfs::fsck::logfile_state_io;
use fs_ntfs::index_io::{self, IH_FLAG_HAS_SUBNODES};
use fs_ntfs::mft_io::{BootParams, NTFS_OEM_ID, apply_fixup_on_read_magic, read_boot_params_io};
use fs_ntfs::read::{self, FIRST_LISTED_RECORD, ROOT_RECORD_NUMBER, VOLUME_IS_DIRTY, nt_to_unix};
use fs_ntfs::{idx_block, upcase::UpcaseTable};

use self::contents::{Contents, Runs};
use self::device::Device;
use self::record::Record;
use self::reparse::Reparse;
use super::checked::damaged;
use super::guarded::guarded;
use super::listed::{LastListed, Listed};
use super::{Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Opened, Stat, Time, Usage};
use super::{MAX_ENTRIES, Xattr, needs_kernel};
use crate::error::{Error, Kind, Result};
use crate::guest::native::Blocks;
use crate::image::{le32, le64};

mod contents;
mod device;
mod record;
mod reparse;

/// How much may be read to answer one question, beside the contents of a file.
const ENOUGH: u64 = 256 << 20;

/// The records of the table of files itself, of the journal, of what is known of
/// the volume, of which clusters are in use, and of letters (`$MFT`, `$LogFile`,
/// `$Volume`, `$Bitmap`, `$UpCase`).
const MFT: u64 = 0;
const JOURNAL: u64 = 2;
const VOLUME: u64 = 3;
const BITMAP: u64 = 6;
const LETTERS: u64 = 10;

/// How long the table of letters is, in bytes.
const LETTERS_LEN: u64 = 128 << 10;

/// What records are guarded by, whatever the sectors are: the library takes them
/// for the same.
const SECTOR: u16 = 512;

/// A node is the number of a record, and above that how often it was used.
const NUMBER_BITS: u32 = 48;

/// `FILE_ATTRIBUTE_READONLY`, `_SYSTEM` and `_REPARSE_POINT`.
const READ_ONLY: u32 = 0x1;
const SYSTEM: u32 = 0x4;
const REPARSE_POINT: u32 = 0x400;

/// The names of DOS, in the namespaces of names.
const DOS: u8 = 2;

pub(super) fn open(blocks: Arc<dyn Blocks>) -> Result<Opened> {
    guarded(|| {
        let mut device = Device::new(blocks);
        device.allow(ENOUGH);
        let opened = volume(device);
        match opened {
            Ok(ntfs) => Ok(Opened::Ready(Box::new(ntfs))),
            Err(Refused::NeedsKernel(why)) => Ok(Opened::NeedsKernel(why)),
            Err(Refused::Failed(error)) => Err(error),
        }
    })
}

enum Refused {
    NeedsKernel(String),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn volume(mut device: Device) -> std::result::Result<Ntfs, Refused> {
    let params = answered(&mut device, |io| read_boot_params_io(io).map_err(explain))?;
    if params.oem_id != *NTFS_OEM_ID {
        return Err(damaged("its first sector is not that of NTFS").into());
    }
    if params.bytes_per_sector != SECTOR {
        return Err(Refused::NeedsKernel(format!(
            "its sectors are of {} bytes",
            params.bytes_per_sector
        )));
    }
    let table = answered(&mut device, |io| Record::load(io, MFT, 0))?;
    if table.is_listed() {
        return Err(Refused::NeedsKernel(
            "its table of files is torn into many pieces".to_owned(),
        ));
    }
    let about = answered(&mut device, |io| {
        Record::load(io, VOLUME, 0)?;
        read::read_volume_info(io).map_err(explain)
    })?;
    let root = answered(&mut device, |io| Record::load(io, ROOT_RECORD_NUMBER, 0))?;
    if !root.is_directory() {
        return Err(damaged("its root is no directory").into());
    }
    let mut ntfs = Ntfs {
        device: RefCell::new(device),
        params,
        root: node(ROOT_RECORD_NUMBER, root.sequence()),
        label: about.label.trim_end_matches('\0').as_bytes().to_vec(),
        health: Health::Clean,
        letters: OnceCell::new(),
        listed: LastListed::default(),
        last: RefCell::new(None),
        contents: RefCell::new(None),
    };
    ntfs.health = ntfs.find_health(about.flags);
    Ok(ntfs)
}

/// What the device failed with, or else what the question did.
fn answered<T>(device: &mut Device, question: impl FnOnce(&mut Device) -> Result<T>) -> Result<T> {
    device.allow(ENOUGH);
    let answer = question(device);
    answer.map_err(|error| device.failed().unwrap_or(error))
}

/// What is remembered of a file.
struct File {
    node: Node,
    record: Record,
    stat: Stat,
    /// Where it leads, if it is a link.
    link: Option<Vec<u8>>,
    /// Why its contents cannot be had.
    elsewhere: Option<String>,
}

struct Ntfs {
    device: RefCell<Device>,
    params: BootParams,
    root: Node,
    label: Vec<u8>,
    health: Health,
    /// Which letters are the same, but for their case.
    letters: OnceCell<UpcaseTable>,
    /// The directory that was listed last, the file that was asked about last,
    /// and the one that was read last.
    listed: LastListed,
    last: RefCell<Option<Rc<File>>>,
    contents: RefCell<Option<(Node, Rc<Contents>)>>,
}

impl Ntfs {
    fn ask<T>(&self, question: impl FnOnce(&mut Device) -> Result<T>) -> Result<T> {
        answered(&mut self.device.borrow_mut(), question)
    }

    /// Whether it was closed well. What cannot be read was not.
    fn find_health(&self, flags: u16) -> Health {
        if self.is_hibernated().unwrap_or(false) {
            return Health::Hibernated;
        }
        let closed = flags & VOLUME_IS_DIRTY == 0 && self.is_journal_done().unwrap_or(false);
        match closed {
            true => Health::Clean,
            false => Health::Unclean,
        }
    }

    /// Windows that sleeps, or was shut down to be started fast, has written its
    /// memory to this file, and says so at its beginning.
    fn is_hibernated(&self) -> Result<bool> {
        let Some(found) = self.lookup(self.root, b"hiberfil.sys")? else {
            return Ok(false);
        };
        let mut mark = [0; 4];
        let count = self.read(found, 0, &mut mark)?;
        Ok(count == mark.len() && matches!(&mark, b"hibr" | b"HIBR"))
    }

    fn is_journal_done(&self) -> Result<bool> {
        self.ask(|io| {
            let record = Record::load(io, JOURNAL, 0)?;
            let journal = Contents::of(&record, self.params.cluster_size)?;
            // One that was never used is full of these, which takes a while to
            // see.
            let mut first = [0; 8];
            journal.read(io, 0, &mut first)?;
            if first == [0xff; 8] {
                return Ok(true);
            }
            let state = logfile_state_io(io).map_err(explain)?;
            Ok(!state.needs_replay())
        })
    }

    fn file(&self, node: Node) -> Result<Rc<File>> {
        if let Some(last) = self.last.borrow().as_ref() {
            if last.node == node {
                return Ok(Rc::clone(last));
            }
        }
        let number = node.0 & ((1 << NUMBER_BITS) - 1);
        let sequence = u16::try_from(node.0 >> NUMBER_BITS).unwrap_or(0);
        let file = self.ask(|io| {
            let record = Record::load(io, number, sequence)?;
            file_of(io, node, record, &self.params)
        })?;
        let file = Rc::new(file);
        *self.last.borrow_mut() = Some(Rc::clone(&file));
        Ok(file)
    }

    fn contents(&self, node: Node) -> Result<Rc<Contents>> {
        if let Some((last, contents)) = self.contents.borrow().as_ref() {
            if *last == node {
                return Ok(Rc::clone(contents));
            }
        }
        let file = self.file(node)?;
        if let Some(why) = &file.elsewhere {
            return Err(Error::new(Kind::WrongState, why));
        }
        let contents = Rc::new(Contents::of(&file.record, self.params.cluster_size)?);
        *self.contents.borrow_mut() = Some((node, Rc::clone(&contents)));
        Ok(contents)
    }

    fn list(&self, dir: Node) -> Result<Rc<Listed>> {
        self.listed.of(dir, || {
            let file = self.file(dir)?;
            if file.stat.kind != FileKind::Directory {
                return Err(Error::new(Kind::WrongState, "it is no directory"));
            }
            self.ask(|io| names(io, &file.record))
        })
    }

    fn letters(&self) -> Result<&UpcaseTable> {
        if let Some(letters) = self.letters.get() {
            return Ok(letters);
        }
        let letters = self.ask(|io| {
            let record = Record::load(io, LETTERS, 0)?;
            let data = record.find(AttrType::Data, None);
            if data.is_none_or(|data| data.len() != LETTERS_LEN) {
                return Err(damaged("its table of letters is not as long as it must be"));
            }
            UpcaseTable::load_io(io).map_err(explain)
        })?;
        Ok(self.letters.get_or_init(|| letters))
    }
}

fn node(number: u64, sequence: u16) -> Node {
    Node(u64::from(sequence) << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1))
}

fn file_of(io: &mut Device, node: Node, record: Record, params: &BootParams) -> Result<File> {
    let about = record
        .find(AttrType::StandardInformation, None)
        .and_then(|about| about.value());
    let about = about.ok_or_else(|| damaged("a file has no times"))?;
    let time = |offset| le64(about, offset).map(moment);
    let (Some(modified), Some(changed), Some(accessed), Some(attributes)) =
        (time(0x08), time(0x10), time(0x18), le32(about, 0x20))
    else {
        return Err(damaged("a file has no times"));
    };
    let is_dir = record.is_directory();
    let size = record.data()?.first().map_or(0, |(_, data)| data.len());
    let mut link = None;
    let mut elsewhere = None;
    if attributes & REPARSE_POINT != 0 {
        let value = read::read_attribute_value(io, record.number, AttrType::ReparsePoint, None);
        match reparse::read(&value.map_err(explain)?) {
            Some(Reparse::Link(target)) => link = Some(target),
            Some(Reparse::Elsewhere(why)) => elsewhere = Some(why),
            None => return Err(damaged("a reparse point makes no sense")),
        }
    } else if attributes & SYSTEM != 0 && !is_dir && reparse::may_be_interix(size) {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        // What cannot be read is no link, and told when it is read.
        if let Ok(contents) = Contents::of(&record, params.cluster_size) {
            contents.read(io, 0, &mut bytes)?;
        }
        link = reparse::interix(&bytes);
    }
    let kind = match &link {
        Some(_) => FileKind::Link,
        None if is_dir => FileKind::Directory,
        None => FileKind::File,
    };
    let stat = Stat {
        kind,
        mode: match kind {
            FileKind::File if attributes & READ_ONLY != 0 => 0o555,
            FileKind::Link => 0o777,
            _ => 0o755,
        },
        uid: 0,
        gid: 0,
        size: match &link {
            Some(target) => target.len() as u64,
            None if is_dir => 0,
            None => size,
        },
        links: Some(Links {
            inode: record.number,
            count: record.names(),
        }),
        accessed,
        modified,
        changed: Some(changed),
    };
    Ok(File {
        node,
        record,
        stat,
        link,
        elsewhere,
    })
}

/// A name, the number of the file's record, how often that was used, and the
/// namespace of the name.
type Name = (String, u64, u16, u8);

/// The names in a directory: neither those of DOS, where there are others, nor
/// those of what NTFS keeps for itself.
fn names(io: &mut Device, dir: &Record) -> Result<Vec<Entry>> {
    let all = index(io, dir)?;
    let (short, long): (Vec<_>, Vec<_>) = all.iter().partition(|name| name.3 == DOS);
    let short: HashMap<u64, &str> = short
        .into_iter()
        .map(|(name, number, ..)| (*number, name.as_str()))
        .collect();
    let mut entries = Vec::new();
    for (name, number, sequence, _) in long {
        if *number < FIRST_LISTED_RECORD {
            continue;
        }
        // Names here are counted in bytes, and there in units of UTF-16.
        let mut name = name.as_str();
        if name.len() > 255 {
            let short = short.get(number).copied();
            name = short.ok_or_else(|| needs_kernel("a name is longer than 255 bytes"))?;
        }
        entries.push(Entry {
            name: name.as_bytes().to_vec(),
            node: node(*number, *sequence),
        });
        if entries.len() > MAX_ENTRIES {
            return Err(damaged("a directory has millions of entries"));
        }
    }
    Ok(entries)
}

fn index(io: &mut Device, dir: &Record) -> Result<Vec<Name>> {
    let is_root = |record: &&Vec<u8>| {
        let root = find_attribute(record, AttrType::IndexRoot, Some("$I30"));
        root.is_some()
    };
    let root = dir.records().find(is_root);
    let root = root.ok_or_else(|| damaged("a directory has no entries, not even an empty list"))?;
    let mut raw = Vec::new();
    index_io::collect_index_root_entries(root, &mut raw).map_err(explain)?;
    let flags = index_io::index_root_flags(root).unwrap_or(0);
    if flags & IH_FLAG_HAS_SUBNODES != 0 {
        let index = idx_block::load_for_directory_io(io, dir.number).map_err(explain)?;
        let params = &index.params;
        let runs = Runs::of(&index.runs, params.cluster_size, index.data_length)?;
        let mut block = vec![0; usize::try_from(index.block_size).unwrap_or(0)];
        for number in (0..)
            .zip(&index.bitmap)
            .flat_map(|(at, byte)| used(at, *byte))
        {
            // The library counts blocks in clusters, and takes them for one where
            // they are smaller than that.
            let offset = index.block_size.saturating_mul(number);
            runs.plain(io, offset, &mut block)?;
            apply_fixup_on_read_magic(&mut block, params.bytes_per_sector, b"INDX")
                .map_err(explain)?;
            index_io::collect_indx_block_entries(&block, &mut raw).map_err(explain)?;
        }
    }
    let names = raw.into_iter();
    let names = names.map(|one| {
        (
            one.name,
            one.file_record_number,
            one.sequence,
            one.namespace,
        )
    });
    Ok(names.collect())
}

/// Which of the eight blocks are in use that a byte of a bitmap tells of.
fn used(at: u64, byte: u8) -> impl Iterator<Item = u64> {
    let bits = (0..8).filter(move |bit| byte & 1 << bit != 0);
    bits.map(move |bit| at.saturating_mul(8).saturating_add(bit))
}

/// From hundreds of nanoseconds since the beginning of 1601.
fn moment(time: u64) -> Time {
    let part = u32::try_from(time % 10_000_000).unwrap_or(0);
    Time {
        seconds: nt_to_unix(time),
        nanoseconds: part.saturating_mul(100),
    }
}

impl FileSystem for Ntfs {
    fn kind(&self) -> FsKind {
        FsKind::Ntfs
    }

    fn uuid(&self) -> Option<String> {
        Some(format!("{:016X}", self.params.serial_number))
    }

    fn label(&self) -> Option<Vec<u8>> {
        Some(self.label.clone())
    }

    fn health(&self) -> Health {
        self.health
    }

    fn root(&self) -> Node {
        self.root
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
        let letters = self.letters()?;
        let upper = |name: &str| -> Vec<u16> {
            let units = name.encode_utf16();
            units.map(|unit| letters.upcase(unit)).collect()
        };
        let wanted = upper(name);
        let same =
            |entry: &&Entry| std::str::from_utf8(&entry.name).is_ok_and(|own| upper(own) == wanted);
        Ok(listed.entries.iter().find(same).map(|entry| entry.node))
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        Ok(self.list(dir)?.entries.clone())
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        Ok(self.file(node)?.stat)
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.file(node)?.stat.kind != FileKind::File {
            return Ok(0);
        }
        let contents = self.contents(node)?;
        let length = buf.len() as u64;
        self.ask(|io| {
            io.allow(ENOUGH.saturating_add(length));
            contents.read(io, offset, buf)
        })
    }

    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let link = self.file(node)?.link.clone();
        link.ok_or_else(|| Error::new(Kind::WrongState, "it is no symbolic link"))
    }

    fn xattrs(&self, _: Node) -> Result<Option<Vec<Xattr>>> {
        Ok(Some(Vec::new()))
    }

    fn usage(&self) -> Result<Usage> {
        // No more than there is: nothing else bounds what its first sector says.
        let size = self.params.volume_bytes().min(self.device.borrow().size());
        let clusters = size / self.params.cluster_size.max(1);
        let used = self.ask(|io| {
            let record = Record::load(io, BITMAP, 0)?;
            let bitmap = Contents::of(&record, self.params.cluster_size)?;
            let mut buf = vec![0; 64 << 10];
            let (mut used, mut at) = (0_u64, 0_u64);
            // A bit for each cluster; those after the last are of no meaning.
            while at < clusters.div_ceil(8) {
                io.allow(ENOUGH);
                let count = bitmap.read(io, at, &mut buf)?;
                if count == 0 {
                    return Err(damaged("it does not know which of its clusters are in use"));
                }
                for (byte, first) in buf.iter().take(count).zip((at * 8..).step_by(8)) {
                    let there = clusters.saturating_sub(first).min(8);
                    let mask = u8::try_from((1_u16 << there).wrapping_sub(1)).unwrap_or(u8::MAX);
                    used = used.saturating_add((byte & mask).count_ones().into());
                }
                at = at.saturating_add(count as u64);
            }
            Ok(used)
        })?;
        let bytes = |clusters: u64| clusters.saturating_mul(self.params.cluster_size);
        Ok(Usage {
            size: bytes(clusters),
            used: bytes(used),
            available: bytes(clusters.saturating_sub(used)),
            inodes: None,
            inodes_used: None,
        })
    }
}

/// What the library failed with.
fn explain(error: fs_ntfs::error::Error) -> Error {
    // It has no other words for what it does not know.
    match error.message() {
        text if text.contains("not read yet") => needs_kernel(text),
        text => damaged(text),
    }
}
