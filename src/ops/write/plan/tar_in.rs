//! Archives on their way into a guest.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tar::{Archive, EntryType, Header};

use super::contents::cannot_read;
use super::copy_in::New;
use super::{DIRECTORY_MODE, Draft};
use crate::error::{Error, Kind, Result};
use crate::guest::archived::names_in;
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::Time;

/// How much of the archive is read at once.
const PIECE: usize = 1 << 20;

impl Draft<'_> {
    /// What is in a tar archive is put into a directory of the guest, which must be
    /// there, by the rules of [`Draft::copy_in`]; modes, owners, by number, and
    /// times are those in the archive. No name in it leads out of the directory.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it is no archive; [`Kind::Unsafe`] if a name has `..` in
    /// it; those of [`Draft::copy_in`].
    pub fn tar_in(&mut self, archive: &Path, dir: &[u8]) -> Result<()> {
        let into = self.directory(&self.absolute(dir)?)?;
        let file = File::open(archive).map_err(|error| cannot_read(archive, error))?;
        let mut reader = Archive::new(BufReader::with_capacity(PIECE, file));
        let bad = |error: std::io::Error| {
            Error::wrap(
                Kind::Usage,
                format!("{} is no tar archive that can be read", archive.display()),
                error,
            )
            .hint("if it is compressed: `zcat FILE | vmkin tar-in … - DIR`")
        };
        let mut placed: HashMap<Vec<u8>, Spot> = HashMap::new();
        let mut times = Vec::new();
        for (number, entry) in reader.entries().map_err(bad)?.enumerate() {
            self.interrupt.check()?;
            let mut entry = entry.map_err(bad)?;
            let name = entry.path_bytes().into_owned();
            let names = names_of(&name)?;
            let kind = entry.header().entry_type();
            let given = given(entry.header()).map_err(bad)?;
            let Some((last, above)) = names.split_last() else {
                // The directory itself.
                continue;
            };
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
                    self.put_new(spot.clone(), there.as_ref(), New::File(&from), given)?;
                    placed.insert(names.join(&b'/'), spot);
                }
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let (spot, there) = self.name_in(&at, last)?;
                    self.put_new(spot, there.as_ref(), New::Link(target), given)?;
                }
                EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    let of = placed.get(&names_of(&target)?.join(&b'/'));
                    let of = of.cloned().ok_or_else(|| {
                        Error::new(
                            Kind::NotFound,
                            format!(
                                "'{}' is another name of '{}', which is not in the archive",
                                name.escape_ascii(),
                                target.escape_ascii()
                            ),
                        )
                    })?;
                    let (spot, there) = self.name_in(&at, last)?;
                    if there.is_some() {
                        self.changes.push(Change::Remove {
                            at: spot.clone(),
                            directory: false,
                        });
                    }
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

fn given(header: &Header) -> std::io::Result<Given> {
    let number =
        |value: std::io::Result<u64>| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    Ok(Given {
        mode: Some(header.mode()? & 0o7777),
        owner: Some((number(header.uid())?, number(header.gid())?)),
        modified: Some(Time {
            seconds: i64::try_from(header.mtime()?).unwrap_or(i64::MAX),
            nanoseconds: 0,
        }),
        label_type: None,
    })
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
