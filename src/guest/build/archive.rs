//! A tar archive, item by item.
//!
//! The extended headers are read here: the crate splits them at the ends of
//! lines, of which the value of an attribute may have any.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use tar::{Archive, EntryType, Header};

use super::header;
use super::item::{Item, ItemKind};
use super::pax::{self, Records};
use super::source::Visit;
use crate::error::{Error, Kind, Result};
use crate::guest::archived::names_in;
use crate::guest::native::fs::{Time, Xattr};
use crate::image::{ShownBytes, shown};

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// The most that a header which says more about a file can have, in bytes.
const MAX_HEADER: u64 = 16 << 20;

/// What attributes are called in archives.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What was said about the next file.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
}

impl Said {
    fn of(&self, key: &[u8]) -> Option<&[u8]> {
        let mut found = self.records.iter().rev();
        found
            .find(|(own, _)| own == key)
            .map(|(_, value)| value.as_slice())
    }
}

/// Visits what is in an archive. A directory that is in it more than once, or not
/// at all, is visited once, before what is in it.
pub(super) fn each(path: &Path, visit: &mut Visit<'_>) -> Result<Vec<String>> {
    let reader = open(path)?;
    let bad = |error: std::io::Error| no_archive(path, Some(error));
    let odd = || no_archive(path, None);
    let mut archive = Archive::new(reader);
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut left_out = Vec::new();
    let mut said = Said::default();
    let mut any = false;
    for entry in archive.entries().map_err(bad)?.raw(true) {
        let mut entry = entry.map_err(bad)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => continue,
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink => {
                let mut text = Vec::new();
                let read = (&mut entry).take(MAX_HEADER).read_to_end(&mut text);
                read.map_err(bad)?;
                match kind {
                    EntryType::XHeader => said.records = pax::records(&text).ok_or_else(odd)?,
                    EntryType::GNULongName => said.path = Some(until_nul(&text)),
                    _ => said.link = Some(until_nul(&text)),
                }
                continue;
            }
            _ => {}
        }
        any = true;
        let said = std::mem::take(&mut said);
        let header = entry.header().clone();
        if kind == EntryType::GNUSparse
            || said
                .records
                .iter()
                .any(|(key, _)| header::is_of_sparse_file(key))
        {
            return Err(header::has_sparse_files(path));
        }
        let name = said.of(b"path").map(<[u8]>::to_vec).or(said.path.clone());
        let name = name.unwrap_or_else(|| entry.path_bytes().into_owned());
        let at = inside(&name)?;
        let link = said
            .of(b"linkpath")
            .map(<[u8]>::to_vec)
            .or(said.link.clone());
        let link = link
            .or_else(|| entry.link_name_bytes().map(|name| name.into_owned()))
            .unwrap_or_default();
        let device = || -> Result<(u32, u32)> {
            let major = header.device_major().map_err(bad)?.unwrap_or(0);
            Ok((major, header.device_minor().map_err(bad)?.unwrap_or(0)))
        };
        let what = match kind {
            // What old archives have for a directory is a file that ends with a slash.
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => {
                ItemKind::Directory
            }
            EntryType::Regular | EntryType::Continuous => {
                let size = header.entry_size().map_err(bad)?;
                let told = said
                    .of(b"size")
                    .and_then(|text| std::str::from_utf8(text).ok());
                if told.is_some_and(|told| told.parse() != Ok(size)) {
                    return Err(Error::new(
                        Kind::WrongState,
                        format!(
                            "'{}' in {} is too long for its header",
                            ShownBytes(&name),
                            shown(path)
                        ),
                    )
                    .hint("make the archive with `--format=gnu`"));
                }
                ItemKind::File(size)
            }
            EntryType::Directory => ItemKind::Directory,
            EntryType::Symlink => ItemKind::Link(link),
            EntryType::Link => ItemKind::Name(inside(&link)?),
            EntryType::Char => device().map(|(major, minor)| ItemKind::Char(major, minor))?,
            EntryType::Block => device().map(|(major, minor)| ItemKind::Block(major, minor))?,
            EntryType::Fifo => ItemKind::Pipe,
            _ => {
                left_out.push(format!(
                    "'{}' is of a kind that is not known",
                    ShownBytes(&name)
                ));
                continue;
            }
        };
        above(&at, &mut seen, visit)?;
        if let ItemKind::Name(of) = &what {
            if !seen.contains(of) {
                return Err(Error::new(
                    Kind::NotFound,
                    format!(
                        "'{}' is another name of '{}', which is not in the archive",
                        ShownBytes(&name),
                        ShownBytes(of)
                    ),
                ));
            }
        }
        seen.insert(at.clone());
        let item = item(at, what, &header, &said).map_err(bad)?;
        visit(&item, &mut entry)?;
    }
    if !any && left_out.is_empty() {
        // An archive of nothing is two blocks of zeros; a file of nothing is none.
        let length = std::fs::metadata(path).map(|meta| meta.len());
        if length.unwrap_or(0) == 0 {
            return Err(odd());
        }
    }
    Ok(left_out)
}

/// The directories that something is in and that did not come before it.
fn above(at: &[u8], seen: &mut HashSet<Vec<u8>>, visit: &mut Visit<'_>) -> Result<()> {
    let slashes = at.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let ends: Vec<usize> = slashes.map(|(index, _)| index).skip(1).collect();
    for end in ends {
        let dir = at.get(..end).unwrap_or_default();
        if seen.contains(dir) {
            continue;
        }
        seen.insert(dir.to_vec());
        let item = Item {
            path: dir.to_vec(),
            kind: ItemKind::Directory,
            mode: 0o755,
            owner: (0, 0),
            modified: Time::default(),
            xattrs: Vec::new(),
        };
        visit(&item, &mut std::io::empty())?;
    }
    Ok(())
}

fn item(path: Vec<u8>, kind: ItemKind, header: &Header, said: &Said) -> std::io::Result<Item> {
    let number = |key: &[u8], value: std::io::Result<u64>| -> std::io::Result<u32> {
        let told = said
            .of(key)
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let value: u64 = match told {
            Some(told) => told,
            None => value?,
        };
        u32::try_from(value).map_err(|_| std::io::Error::other("an owner has too large a number"))
    };
    let told = said.of(b"mtime").and_then(pax::time);
    let modified = header::modified(header, told)?;
    let xattrs = said.records.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(XATTR)?;
        Some((name.to_vec(), value.clone()))
    });
    let mut xattrs: Vec<Xattr> = xattrs.collect();
    xattrs.sort();
    xattrs.dedup_by(|one, other| one.0 == other.0);
    Ok(Item {
        mode: header.mode()? & 0o7777,
        owner: (number(b"uid", header.uid())?, number(b"gid", header.gid())?),
        modified,
        xattrs,
        path,
        kind,
    })
}

fn until_nul(text: &[u8]) -> Vec<u8> {
    text.split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

/// A name as a path of the source; no name leads out of it.
fn inside(name: &[u8]) -> Result<Vec<u8>> {
    let names = names_in(name).ok_or_else(|| {
        Error::new(
            Kind::Unsafe,
            format!("'{}' in the archive leads out of it", ShownBytes(name)),
        )
    })?;
    Ok([b"/", names.join(&b'/').as_slice()].concat())
}

/// Opens an archive, and what it is compressed with.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let cannot = |error| Error::io(format!("cannot read {}", shown(path)), error);
    let file = File::open(path).map_err(cannot)?;
    let mut magic = [0; 6];
    let count = std::os::unix::fs::FileExt::read_at(&file, &mut magic, 0).map_err(cannot)?;
    let magic = magic.get(..count).unwrap_or_default();
    let reader = BufReader::with_capacity(PIECE, file);
    Ok(if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if magic.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Box::new(lzma_rust2::XzReader::new(reader, true))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let frames = Frames::begin(reader).map_err(|error| no_archive(path, Some(error)))?;
        Box::new(frames)
    } else {
        Box::new(reader)
    })
}

/// What is compressed by zstd: frame after frame, of which the crate reads one.
struct Frames {
    now: Option<Frame>,
}

type Frame = ruzstd::decoding::StreamingDecoder<BufReader<File>, ruzstd::decoding::FrameDecoder>;

impl Frames {
    fn begin(reader: BufReader<File>) -> std::io::Result<Self> {
        let frame = Frame::new(reader).map_err(std::io::Error::other)?;
        Ok(Self { now: Some(frame) })
    }
}

impl Read for Frames {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while let Some(frame) = &mut self.now {
            let count = frame.read(buf)?;
            if count > 0 || buf.is_empty() {
                return Ok(count);
            }
            let Some(frame) = self.now.take() else {
                break;
            };
            let mut reader = frame.into_inner();
            if !reader.fill_buf()?.is_empty() {
                *self = Self::begin(reader)?;
            }
        }
        Ok(0)
    }
}

fn no_archive(path: &Path, error: Option<std::io::Error>) -> Error {
    let what = format!("{} is no tar archive that can be read", shown(path));
    let made = match error {
        Some(error) => Error::wrap(Kind::Usage, what, error),
        None => Error::new(Kind::Usage, what),
    };
    made.hint("it may be plain, or compressed by gzip, xz or zstd")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(String, ItemKind)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        each(&path, &mut |item, _| {
            found.push((
                String::from_utf8_lossy(&item.path).into_owned(),
                item.kind.clone(),
            ));
            Ok(())
        })?;
        Ok(found)
    }

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(1);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_cksum();
            builder.append(&header, &b"x"[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn directories_that_are_missing_come_first() {
        let found = read(&archive(&["./a/b/c", "a/b/d"])).unwrap();
        let names: Vec<&str> = found.iter().map(|one| one.0.as_str()).collect();
        assert_eq!(names, ["/a", "/a/b", "/a/b/c", "/a/b/d"]);
        assert_eq!(found[3].1, ItemKind::File(1));
    }

    #[test]
    fn no_name_leads_out_and_rubbish_is_none() {
        assert_eq!(
            read(&archive(&["a/../../b"])).unwrap_err().kind(),
            Kind::Unsafe
        );
        assert_eq!(read(&[b'x'; 4096]).unwrap_err().kind(), Kind::Usage);
        assert_eq!(read(b"").unwrap_err().kind(), Kind::Usage);
        assert_eq!(read(&[0; 1024]).unwrap(), []);
    }
}
