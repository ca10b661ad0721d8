//! Other contents for files, and new files.

use std::path::{Path, PathBuf};

use super::{Draft, FILE_MODE, exists, not};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Spot};
use crate::guest::native::fs::FileKind;
use crate::guest::tree::{Place, must_be_a_file};

/// The longest file that is changed here; a longer one has no lines that anybody
/// edits.
pub(super) const MAX_EDIT: u64 = 64 << 20;

/// How much of a file is compared at once.
const PIECE: usize = 1 << 20;

/// The attribute that capabilities are in.
const CAPABILITIES: &[u8] = b"security.capability";

/// A file of the guest that is to be edited.
pub struct Editable {
    /// Where it is.
    pub place: Place,
    /// What is in it.
    pub text: Vec<u8>,
}

impl Draft<'_> {
    /// What is in a file that is to be edited.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is none, [`Kind::WrongState`] if it is no
    /// regular file or longer than 64 MiB.
    pub fn editable(&self, path: &[u8]) -> Result<Editable> {
        let place = self.tree.find(&self.absolute(path)?)?;
        let text = self.tree.contents(&place, MAX_EDIT)?;
        Ok(Editable { place, text })
    }

    /// Puts what is in a file where an editor of the host gets at it: nobody else
    /// may read it there.
    ///
    /// # Errors
    ///
    /// If it cannot be written there.
    pub fn on_host(&self, file: &Editable) -> Result<PathBuf> {
        let name = file.place.path.rsplit(|&byte| byte == b'/').next();
        // Editors go by it to tell what the file is.
        let name: String = name
            .unwrap_or_default()
            .iter()
            .map(|&byte| match byte {
                b'.' | b'-' | b'_' => char::from(byte),
                _ if byte.is_ascii_alphanumeric() => char::from(byte),
                _ => '_',
            })
            .take(100)
            .collect();
        let name = format!("{}-{name}", uuid::Uuid::new_v4().simple());
        self.scratch.file(&name, &file.text)
    }

    /// The file gets other contents, and a copy of what it was stays beside it if
    /// `backup` is an extension for that. Returns whether anything changes.
    ///
    /// # Errors
    ///
    /// If there is something that the copy cannot take the place of.
    pub fn edit(&mut self, file: &Editable, text: &[u8], backup: Option<&str>) -> Result<bool> {
        if file.text == text {
            return Ok(false);
        }
        if let Some(extension) = backup {
            self.back_up(&file.place, extension)?;
        }
        let from = self.on_the_way(text)?;
        self.contents_of(&file.place, &from)?;
        Ok(true)
    }

    /// A file gets the contents of a file of the host; it is made if it is not
    /// there, and `given` is for a new one only. With `append` they are added to
    /// what is in it. Returns whether anything changes.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if there is something else of that name; if one of
    /// both cannot be read.
    pub fn write(&mut self, path: &[u8], from: &Path, append: bool, given: Given) -> Result<bool> {
        let end = self.end(path, true)?;
        let Some(there) = &end.there else {
            let given = Given {
                mode: given.mode.or(Some(FILE_MODE)),
                ..given
            };
            self.changes.push(Change::File {
                at: Spot::at_end(self.tree, &end),
                from: Some(from.to_owned()),
                given,
            });
            return Ok(true);
        };
        must_be_a_file(there, &self.stat_of(there)?)?;
        if append {
            let text = self.tree.contents(there, MAX_EDIT)?;
            let more = std::fs::read(from).map_err(|error| cannot_read(from, error))?;
            if more.is_empty() {
                return Ok(false);
            }
            let from = self.on_the_way(&[text, more].concat())?;
            self.contents_of(there, &from)?;
            return Ok(true);
        }
        if self.same_contents(there, from)? {
            return Ok(false);
        }
        self.contents_of(there, from)?;
        Ok(true)
    }

    /// Files are made that are not there, and are changed just now if they are.
    ///
    /// # Errors
    ///
    /// If the directory of one is not there.
    pub fn touch(&mut self, path: &[u8], make: bool) -> Result<()> {
        let end = self.end(path, true)?;
        match &end.there {
            Some(there) => {
                let at = Spot::of(self.tree, there);
                self.changes.push(Change::Touched { at, time: None });
            }
            None if make => self.changes.push(Change::File {
                at: Spot::at_end(self.tree, &end),
                from: None,
                given: Given {
                    mode: Some(FILE_MODE),
                    ..Given::default()
                },
            }),
            None => {}
        }
        Ok(())
    }

    /// A file that is there gets the contents of a file of the host.
    pub(super) fn contents_of(&mut self, place: &Place, from: &Path) -> Result<()> {
        let stat = self.stat_of(place)?;
        // Where nobody can tell, it may have some.
        let attributes = self.tree.xattrs(place)?;
        let capable = attributes.is_none_or(|all| all.iter().any(|one| one.0 == CAPABILITIES));
        self.changes.push(Change::Contents {
            at: Spot::of(self.tree, place),
            from: from.to_owned(),
            mode: stat.mode.into(),
            capable,
        });
        Ok(())
    }

    /// Whether a file has the contents of a file of the host already.
    pub(super) fn same_contents(&self, place: &Place, from: &Path) -> Result<bool> {
        let cannot = |error| cannot_read(from, error);
        let mut file = std::fs::File::open(from).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        if self.stat_of(place)?.size != length {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
        let mut offset = 0_u64;
        while offset < length {
            self.interrupt.check()?;
            let count = self.tree.read(place, offset, &mut theirs)?;
            let ours = ours.get_mut(..count).unwrap_or_default();
            std::io::Read::read_exact(&mut file, ours).map_err(cannot)?;
            if count == 0 || theirs.get(..count) != Some(&*ours) {
                return Ok(false);
            }
            offset = offset.saturating_add(count as u64);
        }
        Ok(true)
    }

    /// A copy beside the file: `.bak` is put behind its name, and in `*.bak` or
    /// `old-*` the name is put for the star.
    fn back_up(&mut self, place: &Place, extension: &str) -> Result<()> {
        let name = place.path.rsplit(|&byte| byte == b'/').next();
        let name = name.unwrap_or_default();
        let copy = match extension.contains('*') {
            true => extension
                .split('*')
                .map(str::as_bytes)
                .collect::<Vec<_>>()
                .join(name),
            false => [name, extension.as_bytes()].concat(),
        };
        if copy == name || copy.contains(&b'/') || matches!(&*copy, b"." | b"..") {
            return Err(Error::new(
                Kind::Usage,
                format!("'{extension}' must make another name of the name of the file"),
            ));
        }
        let dir_len = place.path.len().saturating_sub(name.len());
        let dir = place.path.get(..dir_len).unwrap_or_default();
        let end = self.tree.end_of(&[dir, &copy].concat(), false)?;
        let from = Spot::of(self.tree, place);
        let to = Spot::at_end(self.tree, &end);
        if let Some(there) = &end.there {
            let kind = self.stat_of(there)?.kind;
            if kind == FileKind::Directory {
                return Err(not(
                    &there.path,
                    kind,
                    "a file for a copy to take its place",
                ));
            }
            if to.fs != from.fs {
                return Err(exists(&there.path));
            }
            // A link there would be followed.
            self.changes.push(Change::Remove {
                at: to.clone(),
                directory: false,
            });
        }
        self.changes.push(Change::Copy { from, to });
        Ok(())
    }
}

pub(super) fn cannot_read(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot read {}", path.display()), error)
}
