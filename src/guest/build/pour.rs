//! All of a source as one archive, through a pipe.
//!
//! It is never whole anywhere: whoever reads the pipe unpacks it as it comes. What
//! went through is remembered, to compare what arrives with.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::item::{Item, ItemKind, Owners};
use super::pax;
use super::source::Source;
use super::wanted::Wanted;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::Xattr;
use crate::guest::scratch::Scratch;
use crate::image::ShownBytes;
use crate::interrupt::Interrupt;

/// How long is waited before it is looked again whether there is a reader.
const TICK: Duration = Duration::from_millis(10);

/// How much is written at once.
const PIECE: usize = 1 << 20;

/// How many bytes a name in a header has, before it takes one of its own.
const NAME: usize = 100;

/// A named pipe that nobody else can open.
pub struct Pipe {
    path: PathBuf,
}

/// What went through a pipe.
pub struct Poured {
    /// What must be there now.
    pub wanted: Wanted,
    /// What could not go through, a clause each.
    pub left_out: Vec<String>,
}

impl Pipe {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] or [`Kind::Storage`] if it cannot be made.
    pub fn make(scratch: &Scratch) -> Result<Self> {
        let path = scratch.dir().join("archive");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, mode, 0)
            .map_err(|errno| Error::io("cannot make a pipe", errno.into()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends all of a source to whoever opens the pipe, until `stop` says that
    /// nobody will. `progress` is told how many bytes of files have gone through.
    ///
    /// # Errors
    ///
    /// Those of [`Source::each`]; [`Kind::Storage`] if nobody reads any more.
    pub fn pour(
        &self,
        source: &Source,
        owners: Owners,
        stop: &AtomicBool,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Poured> {
        let file = self.open(stop, interrupt)?;
        let mut builder = Builder::new(BufWriter::with_capacity(PIECE, file));
        let mut wanted = Wanted::default();
        let mut done = 0_u64;
        let left_out = source.each(owners, interrupt, &mut |item, contents| {
            let mut hashing = Hashing::new(contents);
            append(&mut builder, item, &mut hashing).map_err(|error| cannot_copy(item, error))?;
            done = done.saturating_add(hashing.count);
            progress(done);
            wanted.add(item, hashing.finish());
            Ok(())
        })?;
        let ended = builder.into_inner().and_then(|mut writer| writer.flush());
        ended.map_err(|error| Error::io("cannot write the end of the archive", error))?;
        Ok(Poured { wanted, left_out })
    }

    fn open(&self, stop: &AtomicBool, interrupt: &Interrupt) -> Result<File> {
        let cannot = |errno: Errno| Error::io("cannot open a pipe", errno.into());
        loop {
            interrupt.check()?;
            // It fails until somebody reads; waiting for that in the kernel could
            // not be ended.
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::open(&self.path, flags, Mode::empty()) {
                Ok(fd) => {
                    rustix::fs::fcntl_setfl(&fd, OFlags::empty()).map_err(cannot)?;
                    return Ok(File::from(fd));
                }
                Err(Errno::NXIO) if !stop.load(Ordering::Relaxed) => std::thread::sleep(TICK),
                Err(errno) => return Err(cannot(errno)),
            }
        }
    }
}

/// The error for what did not go through: of the pipe, or of the source.
fn cannot_copy(item: &Item, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::BrokenPipe => Kind::Storage,
        std::io::ErrorKind::Other => Kind::Busy,
        _ => Kind::Storage,
    };
    Error::wrap(
        kind,
        format!("cannot copy '{}'", ShownBytes(&item.path)),
        error,
    )
}

/// Counts and hashes what is read.
pub struct Hashing<'r> {
    from: &'r mut dyn Read,
    hash: Sha256,
    count: u64,
}

impl<'r> Hashing<'r> {
    /// Begins.
    pub fn new(from: &'r mut dyn Read) -> Self {
        Self {
            from,
            hash: Sha256::new(),
            count: 0,
        }
    }

    /// How many bytes were read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The SHA-256 of what was read.
    pub fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buf)?;
        self.hash.update(buf.get(..count).unwrap_or_default());
        self.count = self.count.saturating_add(count as u64);
        Ok(count)
    }
}

fn append<W: Write>(
    builder: &mut Builder<W>,
    item: &Item,
    contents: &mut Hashing<'_>,
) -> std::io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(item.mode);
    header.set_uid(u64::from(item.owner.0));
    header.set_gid(u64::from(item.owner.1));
    header.set_mtime(u64::try_from(item.modified.seconds).unwrap_or(0));
    header.set_size(0);
    let mut link = None;
    let kind = match &item.kind {
        ItemKind::Directory => EntryType::Directory,
        ItemKind::File(size) => {
            header.set_size(*size);
            EntryType::Regular
        }
        ItemKind::Link(target) => {
            link = Some(target.clone());
            EntryType::Symlink
        }
        ItemKind::Name(of) => {
            link = Some(name_of(of, false));
            EntryType::Link
        }
        ItemKind::Char(major, minor) | ItemKind::Block(major, minor) => {
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            match item.kind {
                ItemKind::Char(..) => EntryType::Char,
                _ => EntryType::Block,
            }
        }
        ItemKind::Pipe => EntryType::Fifo,
    };
    header.set_entry_type(kind);
    extended(builder, item)?;
    let name = name_of(&item.path, item.kind == ItemKind::Directory);
    let fields = header
        .as_gnu_mut()
        .map(|gnu| (&mut gnu.name, &mut gnu.linkname));
    let Some((name_field, link_field)) = fields else {
        return Err(std::io::Error::other("it has no header"));
    };
    // Byte by byte, as they are: the crate would tidy up links on the way.
    let long_link = link.as_deref().is_some_and(|link| !fits(link_field, link));
    let long_name = !fits(name_field, &name);
    if let Some(link) = link.filter(|_| long_link) {
        long(builder, EntryType::GNULongLink, &link)?;
    }
    if long_name {
        long(builder, EntryType::GNULongName, &name)?;
    }
    header.set_cksum();
    builder.append(&header, &mut *contents)?;
    if contents.count != item.size() {
        return Err(std::io::Error::other("its length changed meanwhile"));
    }
    Ok(())
}

/// Puts a name into its field, as much of it as there is room for, and says
/// whether that is all.
fn fits(field: &mut [u8; NAME], name: &[u8]) -> bool {
    for (to, from) in field.iter_mut().zip(name) {
        *to = *from;
    }
    name.len() <= NAME
}

/// A path as it is in the archive.
fn name_of(path: &[u8], directory: bool) -> Vec<u8> {
    let below = path.strip_prefix(b"/").unwrap_or(path);
    let end: &[u8] = if directory { b"/" } else { b"" };
    match below {
        b"" => b"./".to_vec(),
        below => [b"./", below, end].concat(),
    }
}

/// What the header has no room for: times, to the nanosecond; attributes.
fn extended<W: Write>(builder: &mut Builder<W>, item: &Item) -> std::io::Result<()> {
    let time = pax::time_text(item.modified);
    let named = |(name, value): &Xattr| {
        let name = std::str::from_utf8(name).ok()?;
        // Both would end the name there.
        (!name.contains(['=', '\n'])).then(|| (format!("SCHILY.xattr.{name}"), value.clone()))
    };
    let attributes: Option<Vec<_>> = item.xattrs.iter().map(named).collect();
    let attributes = attributes.ok_or_else(|| {
        std::io::Error::other("the name of one of its attributes cannot be in an archive")
    })?;
    let attributes = attributes
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_slice()));
    builder.append_pax_extensions(std::iter::once(("mtime", time.as_bytes())).chain(attributes))
}

fn long<W: Write>(builder: &mut Builder<W>, kind: EntryType, name: &[u8]) -> std::io::Result<()> {
    let mut header = Header::new_gnu();
    if let Some(gnu) = header.as_gnu_mut() {
        fits(&mut gnu.name, b"././@LongLink");
    }
    let text = [name, b"\0"].concat();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    header.set_cksum();
    builder.append(&header, text.as_slice())
}
