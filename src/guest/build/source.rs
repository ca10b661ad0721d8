//! Where what a disk is filled with comes from.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::item::{Item, Owners};
use super::{archive, dir};
use crate::error::{Error, Kind, Result};
use crate::image::shown;
use crate::interrupt::Interrupt;

/// Is given each item, and what is in it.
pub type Visit<'v> = dyn FnMut(&Item, &mut dyn Read) -> Result<()> + 'v;

/// What a disk is filled with. It can be read several times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// With nothing.
    Nothing,
    /// With what is in a directory.
    Dir(PathBuf),
    /// With what is in an archive, compressed or not.
    Archive(PathBuf),
}

impl Source {
    /// What there is at a path.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is nothing; [`Kind::WrongState`] if it is
    /// neither a directory nor a file.
    pub fn at(path: &Path) -> Result<Self> {
        let meta = std::fs::metadata(path)
            .map_err(|error| Error::io(format!("cannot read {}", shown(path)), error))?;
        if meta.is_dir() {
            return Ok(Self::Dir(path.to_owned()));
        }
        if meta.is_file() {
            return Ok(Self::Archive(path.to_owned()));
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{} must be a directory, or a file that is a tar archive",
                shown(path)
            ),
        )
        .hint("an archive that comes through a pipe: `--from -`"))
    }

    /// Reads it from the beginning to the end: a directory before what is in it.
    /// Returns what cannot be put anywhere, such as sockets.
    ///
    /// # Errors
    ///
    /// If it cannot be read; [`Kind::Usage`] if it is no archive; [`Kind::Unsafe`]
    /// if a name in it leads out of it; those of `visit`.
    pub fn each(
        &self,
        owners: Owners,
        interrupt: &Interrupt,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<String>> {
        let mut visit = |item: &Item, contents: &mut dyn Read| {
            interrupt.check()?;
            match owners {
                Owners::Kept => visit(item, contents),
                Owners::Root => visit(
                    &Item {
                        owner: (0, 0),
                        ..item.clone()
                    },
                    contents,
                ),
            }
        };
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Dir(path) => dir::each(path, &mut visit),
            Self::Archive(path) => archive::each(path, &mut visit),
        }
    }
}
