//! New images: blank disks, overlays, and what another image is converted to.
//!
//! What can be written in microseconds is written here; what takes options is the
//! work of `qemu-img`, into a file that was made for it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::chain::resolve;
use super::check::can_be_checked;
use super::copy::{absolute, all_of_it, most_of, must_have_room_for, run_convert, still_there};
use super::file::shown;
use super::overlay::{NewFile, Overlay, write, write_blank};
use super::qcow2::{MAX_BACKING_NAME, Snapshot};
use super::qemu_img::{Converting, Creating, QemuImg, image_options};
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, ImageOptions};

/// A new disk with nothing in it, or with what is below it.
#[derive(Clone, Copy, Debug)]
pub struct NewDisk<'a> {
    /// Its format, raw or qcow2, and what else it is.
    pub options: &'a ImageOptions,
    /// Its size in bytes, in whole sectors of 512.
    pub size: u64,
    /// What is below it, as [`resolve`] has found it.
    pub backing: Option<&'a Chain>,
    /// The file with the secret that its data is encrypted with.
    pub secret: Option<&'a Path>,
}

impl NewDisk<'_> {
    /// Whether `qemu-img` is needed.
    pub fn takes_a_program(&self) -> bool {
        !self.options.is_empty() || self.secret.is_some()
    }

    /// Makes it. It is not on the disk before [`NewFile::sync`].
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if there can be no such image; [`Kind::Exists`] if something
    /// of that name is there; [`Kind::Environment`] without `qemu-img`;
    /// [`Kind::Interrupted`] soon after `cancel` becomes true; else
    /// [`Kind::Storage`]. Nothing is left behind.
    pub fn make(&self, at: &Path, cancel: &AtomicBool) -> Result<NewFile> {
        let backing = self.backing.map(Chain::top);
        if self.takes_a_program() {
            return self.make_by_program(at, cancel);
        }
        match backing {
            Some(below) => write(
                at,
                &Overlay {
                    virtual_size: self.size,
                    backing: &below.path,
                    backing_format: below.format,
                },
            ),
            None => write_blank(at, self.size, self.options.format()),
        }
    }

    fn make_by_program(&self, at: &Path, cancel: &AtomicBool) -> Result<NewFile> {
        let backing = self.backing.map(Chain::top);
        if let Some(below) = backing.filter(|below| below.path.as_os_str().len() > MAX_BACKING_NAME)
        {
            return Err(Error::new(
                Kind::Usage,
                format_args!(
                    "the path of {} is too long for the header of an overlay",
                    shown(&below.path)
                ),
            ));
        }
        let tool = QemuImg::find()?;
        let spec = Creating {
            options: self.options,
            size: self.size,
            backing: backing.map(|below| (below.path.as_path(), below.format)),
            secret: self.secret,
        };
        let new = NewFile::create(at)?;
        let run = || -> Result<()> {
            tool.create(&spec, &absolute(&new)?).cancel(cancel).run()?;
            still_there(&new)
        };
        match run() {
            Ok(()) => Ok(new),
            Err(error) => {
                new.discard();
                Err(error)
            }
        }
    }
}

/// What an image is read into.
#[derive(Clone, Copy, Debug)]
pub struct Conversion<'a> {
    /// What is read, as [`resolve`] has found it.
    pub chain: &'a Chain,
    /// The internal snapshot of its top image that is read, if one is.
    pub snapshot: Option<&'a Snapshot>,
    /// The format of the new image, and what else it is.
    pub options: &'a ImageOptions,
    /// Whether it is compressed.
    pub compress: bool,
    /// How many zeros on end become a hole, in bytes; 0 for none.
    pub sparse: Option<u64>,
}

impl Conversion<'_> {
    /// How many bytes the disk has that is read.
    pub fn size(&self) -> u64 {
        let top = self.chain.top();
        self.snapshot
            .map_or(top.virtual_size, |snapshot| snapshot.disk_size)
    }

    /// Refuses what cannot be read through, and what is not going to fit.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`], or [`Kind::Storage`].
    pub fn check(&self, to: &Path) -> Result<()> {
        super::refuse_export(self.chain)?;
        if let Some(layer) = self.chain.encrypted() {
            return Err(Error::new(
                Kind::WrongState,
                format_args!(
                    "{} is encrypted, and cannot be read without its secret",
                    shown(&layer.path)
                ),
            ));
        }
        let preallocated = self.options.get("preallocation").unwrap_or("off");
        let filled = self.sparse == Some(0)
            || matches!(preallocated, "full" | "falloc")
            || self.options.get("subformat") == Some("fixed");
        let needed = match (filled, self.compress) {
            (true, _) => self.size(),
            // How much comes of it nobody knows.
            (false, true) => 0,
            (false, false) => most_of(self.chain),
        };
        must_have_room_for(to, needed)
    }

    /// Makes the new image. It is not on the disk before [`NewFile::sync`].
    ///
    /// # Errors
    ///
    /// Those of [`Conversion::check`]; [`Kind::Exists`] if something of that name is
    /// there; [`Kind::Environment`] without `qemu-img`; [`Kind::Interrupted`] soon
    /// after `cancel` becomes true; else [`Kind::Storage`]. Nothing is left behind.
    pub fn make(
        &self,
        at: &Path,
        progress: &dyn Fn(u64, u64),
        cancel: &AtomicBool,
    ) -> Result<NewFile> {
        let tool = QemuImg::find()?;
        let from = image_options(self.chain, None)?;
        let how = Converting {
            size: self.size(),
            snapshot: self.snapshot,
            options: self.options,
            compress: self.compress,
            sparse: self.sparse,
        };
        let new = NewFile::create(at)?;
        let run = || -> Result<()> {
            let run = tool.convert_as(from, &how, &absolute(&new)?);
            run_convert(run, how.size, &new, progress, cancel)
        };
        match run() {
            Ok(()) => Ok(new),
            Err(error) => {
                new.discard();
                Err(error)
            }
        }
    }
}

/// Reads a new image as anybody else will, and makes sure that its tables are on
/// the disk. What is below it may be where `trust` says.
///
/// # Errors
///
/// [`Kind::Storage`] if it is not as it must be.
pub fn look_at_new(
    new: &NewFile,
    format: ImageFormat,
    trust: &Trust,
    cancel: &AtomicBool,
) -> Result<Chain> {
    let path = absolute(new)?;
    let chain = resolve(&path, format, trust).map_err(|error| error.with_kind(Kind::Storage))?;
    // Without the secret its tables cannot be checked.
    if can_be_checked(format) && !chain.top().encrypted && chain.is_single() {
        all_of_it(&chain, cancel)?;
    }
    Ok(chain)
}
