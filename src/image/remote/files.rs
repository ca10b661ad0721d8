//! The layers of a disk on another host, found by their names alone.
//!
//! Nothing of this host is looked at: a file of the same name here is another.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Finder;
use super::image::RemoteImage;
use crate::error::{Error, Kind, Result};
use crate::image::chain::resolve_in;
use crate::image::file::{path_word, shown};
use crate::image::files::{Files, Named, Stopped, Walked, outside};
use crate::image::read::{Cache, Disk, open_in};
use crate::image::source::Image;
use crate::image::trust::Trust;
use crate::model::{Chain, ImageFormat};

/// How much is kept of the images of one guest, in bytes: a few of the largest
/// pieces.
const KEPT: usize = 12 << 20;

/// The images of another host, as far as one guest is made of them.
#[derive(Debug)]
pub struct Remote {
    /// Those that were opened, in the order in which they were.
    opened: Mutex<Vec<Arc<RemoteImage>>>,
    cache: Arc<Cache>,
}

/// Looking for images: for new ones if somebody can find them, else only for
/// those that are open.
struct Looking<'a> {
    remote: &'a Remote,
    finder: Option<&'a dyn Finder>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            opened: Mutex::default(),
            cache: Arc::new(Cache::new(KEPT)),
        }
    }
}

impl Remote {
    /// Finds the layers of a disk, as [`resolve`](crate::image::resolve) does
    /// on this host.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](crate::image::resolve), and why an image cannot be
    /// had.
    pub fn resolve(
        &self,
        finder: &dyn Finder,
        top: &Path,
        format: ImageFormat,
        trust: &Trust,
    ) -> Result<Chain> {
        resolve_in(&self.looking(Some(finder)), top, format, trust)
    }

    /// Opens the disk that a chain makes up which was resolved here, as
    /// [`read::open`](crate::image::read::open) does on this host.
    ///
    /// # Errors
    ///
    /// Those of [`read::open`](crate::image::read::open);
    /// [`Kind::WrongState`] if it takes QEMU to read a format.
    pub fn open(&self, chain: &Chain, snapshot: Option<&str>) -> Result<Disk> {
        open_in(&self.looking(None), chain, snapshot)
    }

    /// The first image that was written to since it was opened. Of devices
    /// nobody can tell, which is an error if it must be known.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] then, and if they cannot be looked at.
    pub fn written(&self, must_know: bool) -> Result<Option<PathBuf>> {
        for image in self.all() {
            match image.was_written()? {
                Some(true) => return Ok(Some(image.path().to_owned())),
                None if must_know => {
                    return Err(Error::new(
                        Kind::WrongState,
                        format_args!(
                            "whether somebody writes to {} cannot be told from another host",
                            shown(image.path())
                        ),
                    )
                    .hint("leave `--consistent` out to read it all the same"));
                }
                Some(false) | None => {}
            }
        }
        Ok(None)
    }

    /// One that is open.
    #[cfg(test)]
    pub(super) fn image_for_test(&self, path: &str) -> Box<dyn Image> {
        Box::new(self.looking(None).image(Path::new(path)).unwrap())
    }

    fn all(&self) -> Vec<Arc<RemoteImage>> {
        let opened = self.opened.lock();
        opened.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn looking<'a>(&'a self, finder: Option<&'a dyn Finder>) -> Looking<'a> {
        Looking {
            remote: self,
            finder,
        }
    }
}

impl Looking<'_> {
    /// Opens an image once: what was read of it is kept.
    fn image(&self, path: &Path) -> Result<Arc<RemoteImage>> {
        let path = plain(path)?;
        let opened = self.remote.opened.lock();
        let mut opened = opened.unwrap_or_else(PoisonError::into_inner);
        let known = opened.iter().find(|image| image.path() == path);
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let finder = self.finder.ok_or_else(|| {
            Error::new(
                Kind::Busy,
                format_args!("image {} was in no chain that was read", shown(&path)),
            )
        })?;
        let ranges = finder.find(&path)?;
        let number = opened.len();
        let cache = Arc::clone(&self.remote.cache);
        let image = Arc::new(RemoteImage::new(path, number, ranges, cache)?);
        opened.push(Arc::clone(&image));
        Ok(image)
    }
}

impl Files for Looking<'_> {
    fn are_here(&self) -> bool {
        false
    }

    fn top(&self, path: &Path, _: ImageFormat) -> Walked<(Box<dyn Image>, Vec<PathBuf>)> {
        let image = self.image(path)?;
        let beside = image.path().parent().map(Path::to_owned);
        Ok((Box::new(image), beside.into_iter().collect()))
    }

    fn below(&self, named: &Named<'_>) -> Walked<Box<dyn Image>> {
        let path = plain(named.path)?;
        if !named.trust.allows_name(&path, named.beside) {
            let error = Error::new(Kind::Unsafe, outside(named.above, &path));
            let word = path_word(&path);
            return Err(Stopped::at_nothing(error.hint(format!(
                "if you trust the image, let it be a volume of an active storage pool of that \
                 host; and if it is no file in the directory of one: `--allow-dir {word}`"
            ))));
        }
        Ok(Box::new(self.image(&path)?))
    }

    fn again(&self, path: &Path) -> Result<Box<dyn Image>> {
        Ok(Box::new(self.image(path)?))
    }
}

/// A path as libvirt spells it: without what means nothing. Where `..` leads
/// depends on links there, which cannot be seen.
fn plain(path: &Path) -> Result<PathBuf> {
    let parts = path.components();
    let parts = parts.filter(|part| *part != Component::CurDir);
    let plain: PathBuf = parts.collect();
    if !plain.is_absolute() || plain.components().any(|part| part == Component::ParentDir) {
        return Err(Error::new(
            Kind::WrongState,
            format_args!(
                "{} has `..` in its name, and where that leads cannot be seen from another host",
                shown(path)
            ),
        )
        .hint(
            "have the header name its backing file by a plain path, on that host: \
             `qemu-img rebase -u -f qcow2 -F FORMAT -b BACKING IMAGE`",
        ));
    }
    Ok(plain)
}
