//! Files and trees of a guest as a tar archive. What unpacks it takes its own
//! care of names and links; here they are only written down.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::copy::named;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, Stat};
use crate::guest::tree::{Place, Tree};
use crate::interrupt::Interrupt;

/// Writes files and trees as a tar archive: with owners, modes, times and links,
/// and without devices, pipes and sockets. Holes are written as zeros.
///
/// # Errors
///
/// Those of reading; [`Kind::Environment`] if it cannot be written.
pub fn write(
    tree: &Tree,
    paths: &[String],
    out: &mut dyn Write,
    interrupt: &Interrupt,
) -> Result<()> {
    // All of them are there, or nothing is written.
    let starts = paths.iter().map(|path| tree.find(path.as_bytes()));
    let starts = starts.collect::<Result<Vec<Place>>>()?;
    let mut builder = Builder::new(out);
    let mut names = HashMap::new();
    for (path, start) in paths.iter().zip(starts) {
        let own = named(path, &start).unwrap_or_else(|| b".".to_vec());
        tree.visit(&start, &mut |place, stat, _| {
            interrupt.check()?;
            let rest = place.path.strip_prefix(start.path.as_slice());
            let rest = rest.unwrap_or_default();
            let mut name = own.clone();
            if !rest.is_empty() && !rest.starts_with(b"/") {
                name.push(b'/');
            }
            name.extend_from_slice(rest);
            append(tree, place, stat, &name, &mut builder, &mut names)?;
            Ok(true)
        })?;
    }
    builder.into_inner().map(drop).map_err(unwritten)
}

fn append(
    tree: &Tree,
    place: &Place,
    stat: &Stat,
    name: &[u8],
    builder: &mut Builder<&mut dyn Write>,
    names: &mut HashMap<(usize, u64), Vec<u8>>,
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(stat.mode.into());
    header.set_uid(stat.uid.into());
    header.set_gid(stat.gid.into());
    header.set_mtime(u64::try_from(stat.modified.seconds).unwrap_or(0));
    header.set_size(0);
    let path = Path::new(OsStr::from_bytes(name));
    match stat.kind {
        FileKind::Directory => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, path, io::empty())
        }
        FileKind::Link => {
            header.set_entry_type(EntryType::Symlink);
            let target = tree.link(place)?;
            builder.append_link(&mut header, path, OsStr::from_bytes(&target))
        }
        FileKind::File => {
            let identity = tree.identity(place)?;
            let several = identity.filter(|(_, _, count)| *count > 1);
            let several = several.map(|(fs, inode, _)| (fs, inode));
            if let Some(first) = several.and_then(|file| names.get(&file)) {
                header.set_entry_type(EntryType::Link);
                return builder
                    .append_link(&mut header, path, OsStr::from_bytes(first))
                    .map_err(unwritten);
            }
            if let Some(file) = several {
                names.insert(file, name.to_vec());
            }
            header.set_entry_type(EntryType::Regular);
            header.set_size(stat.size);
            let mut failed = None;
            let contents = Contents {
                tree,
                place,
                offset: 0,
                left: stat.size,
                failed: &mut failed,
            };
            let written = builder.append_data(&mut header, path, contents);
            if let Some(error) = failed {
                return Err(error);
            }
            written
        }
        _ => Ok(()),
    }
    .map_err(unwritten)
}

fn unwritten(error: io::Error) -> Error {
    Error::io("cannot write the archive", error).with_kind(Kind::Environment)
}

/// A file as something to be read from, of the very length that was said.
struct Contents<'a> {
    tree: &'a Tree,
    place: &'a Place,
    offset: u64,
    left: u64,
    failed: &'a mut Option<Error>,
}

impl Read for Contents<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let Some(buf) = buf.get_mut(..most).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        let count = match self.tree.read(self.place, self.offset, buf) {
            // It is shorter than its inode says: the rest is zeros.
            Ok(0) => {
                buf.fill(0);
                buf.len()
            }
            Ok(count) => count,
            Err(error) => {
                *self.failed = Some(error);
                return Err(io::Error::other("the guest cannot be read"));
            }
        };
        self.offset = self.offset.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
