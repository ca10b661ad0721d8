//! Archives on their way into a guest.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::contents::cannot_read;
use super::copy_in::New;
use super::{DIRECTORY_MODE, Draft};
use crate::error::{Error, Kind, Result};
use crate::guest::archived::names_in;
use crate::guest::build::{header, pax_time};
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::{FileKind, Time};

/// How much of the archive is read at once.
const PIECE: usize = 1 << 20;

impl Draft<'_> {
    /// What is in a tar archive is put into a directory of the guest, which must be
    /// there, by the rules of [`Draft::copy_in`]; modes, owners, by number, and
    /// times are those in the archive. No name in it leads out of the directory. Of
    /// files of one name the last counts.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it is no archive; [`Kind::Unsafe`] if a name has `..` in
    /// it; [`Kind::WrongState`] if it has sparse files of the POSIX format, or
    /// something else than files under one name; those of [`Draft::copy_in`].
    pub fn tar_in(&mut self, archive: &Path, dir: &[u8]) -> Result<()> {
        let into = self.directory(&self.absolute(dir)?)?;
        let file = File::open(archive).map_err(|error| cannot_read(archive, error))?;
        let mut reader = Archive::new(BufReader::with_capacity(PIECE, file));
        let bad = |error: io::Error| no_archive(archive, error);
        let mut placed = Placed {
            archive,
            files: HashMap::new(),
        };
        let mut times = Vec::new();
        for (number, entry) in reader.entries().map_err(bad)?.enumerate() {
            self.interrupt.check()?;
            let mut entry = entry.map_err(bad)?;
            let told = told(archive, &mut entry)?;
            let name = entry.path_bytes().into_owned();
            let names = names_of(&name)?;
            let kind = entry.header().entry_type();
            let given = given(&entry, told).map_err(bad)?;
            let Some((last, above)) = names.split_last() else {
                // The directory itself.
                continue;
            };
            let key = names.join(&b'/');
            let again = placed.must_be_free(&key, kind)?;
            let mut at = into.clone();
            for name in above {
                at = self.directory_in(&at, name, None)?;
            }
            match kind {
                EntryType::Directory => {
                    let known = self.changes.len();
                    let below = self.directory_in(&at, last, Some(given))?;
                    if self.changes.len() > known {
                        times.push((below, given.modified));
                    }
                }
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    let (spot, there) = self.name_in(&at, last)?;
                    let from = self
                        .scratch
                        .file_from(&format!("tar-{number}"), &mut entry)?;
                    match there {
                        // It is not what the tree has any more.
                        Some(there) if again && self.stat_of(&there)?.kind == FileKind::File => {
                            self.contents_of(&there, &from)?;
                        }
                        there => {
                            self.put_new(spot.clone(), there.as_ref(), New::File(&from), given)?;
                        }
                    }
                    placed.insert(key, spot, kind);
                }
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let (spot, there) = self.name_in(&at, last)?;
                    self.put_new(spot.clone(), there.as_ref(), New::Link(target), given)?;
                    placed.insert(key, spot, kind);
                }
                EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let of = placed.may_be_linked(&name, &target)?;
                    let (spot, there) = self.name_in(&at, last)?;
                    if there.is_some() {
                        self.changes.push(Change::Remove {
                            at: spot.clone(),
                            directory: false,
                        });
                    }
                    placed.insert(key, spot.clone(), kind);
                    self.changes.push(Change::Name { at: spot, of });
                }
                EntryType::Char | EntryType::Block | EntryType::Fifo => {
                    self.left_out
                        .push(archive.join(String::from_utf8_lossy(&name).as_ref()));
                }
                // What is about the others, and has been read with them.
                _ => {}
            }
        }
        let times = times.into_iter().rev();
        self.changes
            .extend(times.map(|(at, time)| Change::Touched { at, time }));
        Ok(())
    }

    /// A directory in another, which is there or is made.
    fn directory_in(&mut self, into: &Spot, name: &[u8], given: Option<Given>) -> Result<Spot> {
        let child = into.child(name);
        if self.made.contains(&child.path) {
            return Ok(child);
        }
        let (at, there) = self.name_in(into, name)?;
        if let Some(there) = there {
            return self.as_directory(&there);
        }
        let plain = Given {
            mode: Some(DIRECTORY_MODE),
            ..Given::default()
        };
        self.make_directory(at.clone(), given.unwrap_or(plain));
        Ok(at)
    }
}

/// The names in a path of an archive.
fn names_of(path: &[u8]) -> Result<Vec<&[u8]>> {
    names_in(path).ok_or_else(|| {
        Error::new(
            Kind::Unsafe,
            format!(
                "'{}' in the archive leads out of the directory",
                path.escape_ascii()
            ),
        )
    })
}

/// The files and links that have come out of an archive, by their names in it.
struct Placed<'a> {
    archive: &'a Path,
    files: HashMap<Vec<u8>, PlacedFile>,
}

struct PlacedFile {
    at: Spot,
    kind: EntryType,
    /// Whether it has another name, too.
    linked: bool,
}

impl Placed<'_> {
    /// Refuses a name that is taken, unless it is by a file with this name alone and
    /// for another. Returns whether it is.
    fn must_be_free(&self, name: &[u8], kind: EntryType) -> Result<bool> {
        let Some(before) = self.files.get(name) else {
            return Ok(false);
        };
        if is_file(before.kind) && !before.linked && is_file(kind) {
            return Ok(true);
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{} has '{}' more than once",
                self.archive.display(),
                name.escape_ascii()
            ),
        )
        .hint("unpack it, and pack it anew"))
    }

    fn insert(&mut self, name: Vec<u8>, at: Spot, kind: EntryType) {
        let linked = kind == EntryType::Link;
        self.files.insert(name, PlacedFile { at, kind, linked });
    }

    /// Where the file is that `name` is another name of.
    fn may_be_linked(&mut self, name: &[u8], target: &[u8]) -> Result<Spot> {
        let wrong = |kind: Kind, which: &str| {
            let (name, target) = (name.escape_ascii(), target.escape_ascii());
            Error::new(
                kind,
                format!("'{name}' is another name of '{target}', {which}"),
            )
        };
        match self.files.get_mut(&names_of(target)?.join(&b'/')) {
            None => Err(wrong(Kind::NotFound, "which is not in the archive")),
            Some(of) if of.kind == EntryType::Symlink => {
                let error = wrong(Kind::WrongState, "which is a symbolic link");
                Err(error.hint("pack it with `tar --hard-dereference`"))
            }
            Some(of) => {
                of.linked = true;
                Ok(of.at.clone())
            }
        }
    }
}

fn is_file(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
    )
}

/// When something was changed, where an extended header says so. Refuses a sparse
/// file that is described in one.
fn told(archive: &Path, entry: &mut Entry<'_, BufReader<File>>) -> Result<Option<Time>> {
    let records = entry.pax_extensions();
    let records = records.map_err(|error| no_archive(archive, error))?;
    let mut time = None;
    for record in records.into_iter().flatten() {
        // The crate takes an attribute for several, if there are line breaks in it.
        let Ok(record) = record else { continue };
        if header::is_of_sparse_file(record.key_bytes()) {
            return Err(header::has_sparse_files(archive));
        }
        if record.key_bytes() == b"mtime" {
            time = pax_time(record.value_bytes());
        }
    }
    Ok(time)
}

fn given(entry: &Entry<'_, BufReader<File>>, told: Option<Time>) -> io::Result<Given> {
    let number =
        |value: io::Result<u64>| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let header = entry.header();
    Ok(Given {
        mode: Some(header.mode()? & 0o7777),
        owner: Some((number(header.uid())?, number(header.gid())?)),
        modified: Some(header::modified(header, told)?),
        label_type: None,
    })
}

fn no_archive(path: &Path, error: io::Error) -> Error {
    Error::wrap(
        Kind::Usage,
        format!("{} is no tar archive that can be read", path.display()),
        error,
    )
    .hint("if it is compressed: `zcat FILE | vmkin tar-in … - DIR`")
}

#[cfg(test)]
mod tests {
    use super::names_of;

    #[test]
    fn no_name_leads_out() {
        let names = |path: &str| names_of(path.as_bytes()).map(|names| names.len());
        assert_eq!(names("./a//b/").unwrap(), 2);
        assert_eq!(names("/etc/passwd").unwrap(), 2);
        assert_eq!(names("./").unwrap(), 0);
        assert!(names("a/../../b").is_err());
        assert!(names("a\0b").is_err());
    }
}
