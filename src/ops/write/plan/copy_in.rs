//! Files and trees of the host on their way into a guest.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::contents::cannot_read;
use super::{Draft, exists, not};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::{FileKind, Time};
use crate::guest::tree::Place;

impl Draft<'_> {
    /// A file, a symbolic link or a directory with all that is in it is copied
    /// into a directory of the guest, which must be there. What is new gets the
    /// mode, the owner, by number, and the time of the original; a file that is
    /// there gets its contents and keeps all else.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is no such file or directory; [`Kind::Exists`]
    /// if a directory of the guest is in the way of a file, or the other way round;
    /// [`Kind::Usage`] if another was copied there.
    pub fn copy_in(&mut self, source: &Path, dir: &[u8]) -> Result<()> {
        let into = self.directory(&self.absolute(dir)?)?;
        let name = source.file_name().ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!(
                    "'{}' has no name of its own to be copied under",
                    source.display()
                ),
            )
            .hint("name the directory by its path, or what is in it: `DIR/*`")
        })?;
        self.copy_one(source, &into, name.as_bytes())
    }

    fn copy_one(&mut self, source: &Path, into: &Spot, name: &[u8]) -> Result<()> {
        self.interrupt.check()?;
        let cannot = |error| cannot_read(source, error);
        let meta = fs::symlink_metadata(source).map_err(cannot)?;
        let kind = meta.file_type();
        let (at, there) = self.name_in(into, name)?;
        if kind.is_dir() {
            let mut time = None;
            let below = match there {
                // What is in two directories of one name comes together.
                None if self.made.contains(&at.path) => at,
                None => {
                    self.place(&at)?;
                    let given = given(&meta);
                    // What comes into it changes that.
                    time = given.modified;
                    self.make_directory(at.clone(), given);
                    at
                }
                Some(there) => self.as_directory(&there)?,
            };
            let mut names = Vec::new();
            for entry in fs::read_dir(source).map_err(cannot)? {
                names.push(entry.map_err(cannot)?.file_name());
            }
            names.sort();
            for name in names {
                self.copy_one(&source.join(&name), &below, name.as_bytes())?;
            }
            if time.is_some() {
                self.changes.push(Change::Touched { at: below, time });
            }
            return Ok(());
        }
        if kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket() {
            self.left_out.push(source.to_owned());
            return Ok(());
        }
        self.place(&at)?;
        let what = match kind.is_symlink() {
            true => New::Link(
                fs::read_link(source)
                    .map_err(cannot)?
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
            ),
            false => New::File(source),
        };
        self.put_new(at, there.as_ref(), what, given(&meta))
    }

    /// A file or a link is put where something may be already.
    pub(super) fn put_new(
        &mut self,
        at: Spot,
        there: Option<&Place>,
        what: New<'_>,
        given: Given,
    ) -> Result<()> {
        if let Some(there) = there {
            let now = self.stat_of(there)?.kind;
            if now == FileKind::Directory {
                return Err(exists(&there.path).hint(format!(
                    "it is a directory: to copy into it, end with '{}'",
                    there.path.escape_ascii()
                )));
            }
            if let (FileKind::File, New::File(source)) = (now, &what) {
                if !self.same_contents(there, source)? {
                    self.contents_of(there, source)?;
                }
                return Ok(());
            }
            self.changes.push(Change::Remove {
                at: at.clone(),
                directory: false,
            });
        }
        self.changes.push(match what {
            New::Link(target) => Change::Link { at, target, given },
            New::File(source) => Change::File {
                at,
                from: Some(source.to_owned()),
                given,
            },
        });
        Ok(())
    }

    /// Where a name in a directory leads that is there or is to be made, and what
    /// has it.
    pub(super) fn name_in(&self, into: &Spot, name: &[u8]) -> Result<(Spot, Option<Place>)> {
        if self.made.contains(&into.path) {
            return Ok((into.child(name), None));
        }
        // A directory can be mounted there, or be on another file system.
        let end = self.tree.end_of(&into.child(name).path, false)?;
        let at = Spot::at_end(self.tree, &end);
        let there = end.there.filter(|there| !self.is_gone(&there.path));
        Ok((at, there))
    }

    /// The directory that something is or leads to: `/lib` is a link on a system of
    /// today.
    pub(super) fn as_directory(&self, there: &Place) -> Result<Spot> {
        let place = self.tree.find(&there.path)?;
        match self.stat_of(&place)?.kind {
            FileKind::Directory => Ok(Spot::of(self.tree, &place)),
            kind => Err(not(&there.path, kind, "a directory")),
        }
    }
}

/// What is put into a guest.
pub(super) enum New<'a> {
    /// A file, with the contents of one of the host.
    File(&'a Path),
    /// A symbolic link that leads there.
    Link(Vec<u8>),
}

fn given(meta: &Metadata) -> Given {
    Given {
        mode: Some(meta.mode() & 0o7777),
        owner: Some((meta.uid(), meta.gid())),
        modified: Some(Time {
            seconds: meta.mtime(),
            nanoseconds: u32::try_from(meta.mtime_nsec()).unwrap_or(0),
        }),
        label_type: None,
    }
}
