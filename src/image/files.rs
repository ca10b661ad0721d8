//! Where the layers of a disk are: among the files of this host, or elsewhere.

use std::path::{Path, PathBuf};

use super::file::{ImageFile, id_of, path_word, shown};
use super::source::Image;
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::model::{FileId, ImageFormat};

/// What opens the layers of a disk.
pub(super) trait Files {
    /// Opens the top image. Returns, too, the directories that it is in: what
    /// lies right beside it may be below it.
    fn top(&self, path: &Path, format: ImageFormat) -> Walked<(Box<dyn Image>, Vec<PathBuf>)>;

    /// Opens a backing file, if that is allowed.
    fn below(&self, named: &Named<'_>) -> Walked<Box<dyn Image>>;

    /// Whether they are those of this host.
    fn are_here(&self) -> bool;

    /// Opens a layer once more, by the path it was found by.
    fn again(&self, path: &Path) -> Result<Box<dyn Image>>;
}

/// A backing file that a header names.
pub(super) struct Named<'a> {
    pub(super) path: &'a Path,
    pub(super) format: ImageFormat,
    /// The image with that header.
    pub(super) above: &'a Path,
    pub(super) trust: &'a Trust,
    /// The directories of the top image.
    pub(super) beside: &'a [PathBuf],
}

/// A step down a chain.
pub(super) type Walked<T> = std::result::Result<T, Stopped>;

/// Why a walk down a chain went no further, and what that hides.
pub(super) struct Stopped {
    pub(super) error: Error,
    pub(super) unread: Option<FileId>,
    pub(super) hidden: bool,
}

impl Stopped {
    /// At a layer that was not read. Below a format without backing files
    /// there is nothing more.
    fn at(path: &Path, format: ImageFormat, error: Error) -> Self {
        Self {
            error,
            unread: id_of(path),
            hidden: format.may_have_backing(),
        }
    }

    /// At something that hides nothing.
    pub(super) fn at_nothing(error: Error) -> Self {
        Self {
            error,
            unread: None,
            hidden: false,
        }
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self {
            error,
            unread: None,
            hidden: true,
        }
    }
}

/// The files of this host.
pub(super) struct Here;

impl Files for Here {
    fn are_here(&self) -> bool {
        true
    }

    fn top(&self, path: &Path, format: ImageFormat) -> Walked<(Box<dyn Image>, Vec<PathBuf>)> {
        let image = ImageFile::open(path).map_err(|error| match error.kind() {
            Kind::NotFound => Stopped::at_nothing(error),
            _ => Stopped::at(path, format, error),
        })?;
        let beside = neighbourhood(&image);
        Ok((Box::new(image), beside))
    }

    fn below(&self, named: &Named<'_>) -> Walked<Box<dyn Image>> {
        let Named { path, above, .. } = *named;
        let allow = |real: &Path| {
            if named.trust.allows(real, named.beside) {
                return Ok(());
            }
            // All of `/dev` would be too much to ask for.
            let dir = match real.parent() {
                Some(dir) if !real.starts_with("/dev") => dir,
                _ => real,
            };
            let mut message = outside(above, path);
            if real != path {
                message.push_str(&format!(" (it is {})", shown(real)));
            }
            Err(Error::new(Kind::Unsafe, message).hint(format!(
                "if you trust the image, allow it: `--allow-dir {}`",
                path_word(dir)
            )))
        };
        let image = ImageFile::open_if(path, allow).map_err(|error| match error.kind() {
            Kind::NotFound => Stopped::at_nothing(
                Error::new(
                    Kind::Unsafe,
                    format_args!(
                        "base {} of {} is missing; was it moved?",
                        shown(path),
                        shown(above)
                    ),
                )
                .hint("put it back; nothing that depends on it can start without it"),
            ),
            Kind::WrongState => {
                let error = error.context(format!(
                    "the header of {} is not to be trusted",
                    shown(above)
                ));
                Stopped::at(path, named.format, error.with_kind(Kind::Unsafe))
            }
            _ => Stopped::at(path, named.format, error),
        })?;
        Ok(Box::new(image))
    }

    fn again(&self, path: &Path) -> Result<Box<dyn Image>> {
        Ok(Box::new(ImageFile::open(path)?))
    }
}

/// Says that a header leads to where its image has no business.
pub(super) fn outside(above: &Path, path: &Path) -> String {
    format!(
        "the header of {} names {} as its backing file, outside the allowed directories",
        shown(above),
        shown(path)
    )
}

/// The directories an image is in: by its name, and by what that links to.
fn neighbourhood(image: &ImageFile) -> Vec<PathBuf> {
    let by_name = image.path().parent();
    let mut beside: Vec<PathBuf> = image
        .real_path()
        .parent()
        .map(Into::into)
        .into_iter()
        .collect();
    if image.path() != image.real_path() {
        beside.extend(by_name.and_then(|dir| dir.canonicalize().ok()));
    }
    beside
}
