//! Full copies of images.
//!
//! An image that stands alone is copied as a file: sharing its blocks where
//! the file system can, else piece by piece with its holes kept. One with a
//! backing file or with snapshots is read through by `qemu-img convert`, which
//! is told every layer and every format and probes nothing.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rustix::fs::{Gid, Mode, Uid};

use super::check::{can_be_checked, check};
use super::file::{ImageFile, shown};
use super::flatten::chain_of_new;
use super::lock::Guard;
use super::overlay::{NewFile, cannot_write};
use super::qemu_img::{Described, QemuImg, image_options, refuse_export, telling};
use super::transfer::copy_data;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer, human_bytes};
use crate::process::Run;

/// The largest file that [`copy_small`] takes, in bytes: the flash of an Arm
/// guest has 64 MiB.
const SMALL: u64 = 64 << 20;

/// Whether a copy may share its blocks with the original.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReflinkRule {
    /// It may where the file system can.
    #[default]
    Auto,
    /// It must.
    Always,
    /// It must not.
    Never,
}

/// How an image is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CopyMethod {
    /// By sharing its blocks.
    Reflink,
    /// Byte by byte, without its holes.
    Sparse,
    /// By reading what the guest would read, with `qemu-img convert`.
    Convert,
}

impl CopyMethod {
    /// The word for it in JSON and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::Sparse => "sparse",
            Self::Convert => "convert",
        }
    }
}

/// A full copy that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// What to copy, as [`resolve`](super::resolve) has found it.
    pub chain: &'a Chain,
    /// The file to make.
    pub to: &'a Path,
    /// Its format, raw or qcow2.
    pub format: ImageFormat,
    /// Whether it may share its blocks with the original.
    pub reflink: ReflinkRule,
}

impl Copy<'_> {
    /// Tells how the copy would be made. Sharing blocks may turn out not to be
    /// possible when it is tried.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the image cannot be copied: it is encrypted and
    /// would have to be read through, its blocks are to be shared and cannot
    /// be, or an NBD export is below it. [`Kind::Usage`] for a target format that is not written here.
    pub fn method(&self) -> Result<CopyMethod> {
        let top = self.chain.top();
        let name = shown(&top.path);
        let plain = |format| match format {
            ImageFormat::Iso => ImageFormat::Raw,
            format => format,
        };
        refuse_export(self.chain)?;
        let why_not = if !self.chain.is_single() {
            "it has a backing file"
        } else if top.snapshots > 0 {
            "it has internal snapshots, which are not copied"
        } else if plain(top.format) != plain(self.format) {
            "its format is another one"
        } else if self.reflink == ReflinkRule::Never || top.block {
            return Ok(CopyMethod::Sparse);
        } else {
            return Ok(CopyMethod::Reflink);
        };
        if self.reflink == ReflinkRule::Always {
            return Err(Error::new(
                Kind::WrongState,
                format_args!("a copy of {name} cannot share its blocks: {why_not}"),
            )
            .hint("allow a plain copy: `--reflink auto`"));
        }
        if !matches!(
            self.format,
            ImageFormat::Raw | ImageFormat::Iso | ImageFormat::Qcow2
        ) {
            return Err(Error::new(
                Kind::Usage,
                format_args!("copies are made in raw or qcow2, not in {}", self.format),
            ));
        }
        if let Some(layer) = self.chain.encrypted() {
            return Err(Error::new(
                Kind::WrongState,
                format_args!(
                    "{} is encrypted, and {name} cannot be copied without its secret: {why_not}",
                    shown(&layer.path)
                ),
            ));
        }
        Ok(CopyMethod::Convert)
    }

    /// Makes the copy. It is not on the disk before [`NewFile::sync`].
    ///
    /// `progress` is called with the bytes done and the bytes in all.
    ///
    /// # Errors
    ///
    /// Those of [`Copy::method`]; [`Kind::Busy`] if a layer is being written
    /// to; [`Kind::Unsafe`] if one is not the file any more that was resolved;
    /// [`Kind::Exists`] if there is something at the new path;
    /// [`Kind::Interrupted`] soon after `cancel` becomes true;
    /// [`Kind::Environment`] if `qemu-img` is needed and missing; else
    /// [`Kind::Storage`]. Nothing is left behind.
    pub fn run(&self, progress: &dyn Fn(u64, u64), cancel: &AtomicBool) -> Result<NewFile> {
        let method = self.method()?;
        let source = open_as_resolved(self.chain.top())?;
        // Held to the end, and dropped on every way out.
        let mut guards = Vec::new();
        for layer in self.chain.layers() {
            guards.push(Guard::of(open_as_resolved(layer)?)?);
        }
        let tool = match method {
            CopyMethod::Convert => Some(QemuImg::find()?),
            CopyMethod::Reflink | CopyMethod::Sparse => None,
        };
        if method != CopyMethod::Reflink {
            self.check_space()?;
        }
        let new = NewFile::create(self.to)?;
        let outcome = match tool {
            Some(tool) => self.convert(&tool, &new, progress, cancel),
            None => self.copy_bytes(&source, &new, method, progress, cancel),
        };
        drop(guards);
        match outcome {
            Ok(()) => Ok(new),
            Err(error) => {
                new.discard();
                Err(error)
            }
        }
    }

    fn copy_bytes(
        &self,
        source: &ImageFile,
        new: &NewFile,
        method: CopyMethod,
        progress: &dyn Fn(u64, u64),
        cancel: &AtomicBool,
    ) -> Result<()> {
        if method == CopyMethod::Reflink {
            match rustix::fs::ioctl_ficlone(new.file(), source.file()) {
                Ok(()) => {
                    progress(source.size(), source.size());
                    return Ok(());
                }
                Err(errno) if self.reflink == ReflinkRule::Always => {
                    return Err(Error::wrap(
                        Kind::Environment,
                        format_args!(
                            "{} cannot share blocks with {}",
                            shown(self.to),
                            shown(source.path())
                        ),
                        io::Error::from(errno),
                    )
                    .hint("allow a plain copy: `--reflink auto`"));
                }
                Err(_) => self.check_space()?,
            }
        }
        let in_kernel = self.reflink != ReflinkRule::Never && !source.is_block();
        copy_data(source, new, in_kernel, progress, cancel)
    }

    fn convert(
        &self,
        tool: &QemuImg,
        new: &NewFile,
        progress: &dyn Fn(u64, u64),
        cancel: &AtomicBool,
    ) -> Result<()> {
        let from = image_options(self.chain, None)?;
        let size = self.chain.top().virtual_size;
        convert(tool, from, size, new, self.format, progress, cancel)
    }

    /// Refuses a copy that is not going to fit.
    fn check_space(&self) -> Result<()> {
        must_have_room_for(self.to, most_of(self.chain))
    }
}

/// How much a copy of what a chain holds takes at the most, in bytes, unless its
/// holes are filled.
pub(super) fn most_of(chain: &Chain) -> u64 {
    let top = chain.top();
    let taken = |layer: &Layer| {
        if layer.block {
            layer.file_size
        } else {
            layer.allocated
        }
    };
    let all = chain
        .layers()
        .iter()
        .fold(0_u64, |sum, layer| sum.saturating_add(taken(layer)));
    all.min(top.virtual_size.max(top.file_size))
}

/// Copies the file of an image as it is, with its holes, whatever is in it. The
/// copy is not on the disk before [`NewFile::sync`].
///
/// # Errors
///
/// Those of [`must_have_room_for`] and [`NewFile::create`]; [`Kind::Interrupted`]
/// soon after `cancel` becomes true; [`Kind::Storage`] if it cannot be read or
/// written. Nothing is left behind.
pub fn duplicate(
    from: &ImageFile,
    to: &Path,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<NewFile> {
    let new = NewFile::create(to)?;
    let shared = rustix::fs::ioctl_ficlone(new.file(), from.file()).is_ok();
    let copied = if shared {
        progress(from.size(), from.size());
        Ok(())
    } else {
        must_have_room_for(to, from.allocated())
            .and_then(|()| copy_data(from, &new, true, progress, cancel))
    };
    match copied {
        Ok(()) => Ok(new),
        Err(error) => {
            new.discard();
            Err(error)
        }
    }
}

/// Refuses to begin with a new file that is not going to fit, of so many bytes.
///
/// # Errors
///
/// [`Kind::Storage`].
pub fn must_have_room_for(new: &Path, needed: u64) -> Result<()> {
    let dir = match new.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let stat = rustix::fs::statvfs(dir)
        .map_err(|errno| Error::io(format_args!("cannot look at {}", shown(dir)), errno.into()))?;
    let blocks = if rustix::process::geteuid().is_root() {
        stat.f_bfree
    } else {
        stat.f_bavail
    };
    let free = blocks.saturating_mul(stat.f_frsize);
    if needed <= free {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!(
            "no space left on {} (needs ~{}, has {})",
            shown(dir),
            human_bytes(needed),
            human_bytes(free)
        ),
    ))
}

/// Has `qemu-img` read what `from` describes, a disk of `size` bytes, into a
/// file that was made for it.
pub(super) fn convert(
    tool: &QemuImg,
    from: Described,
    size: u64,
    new: &NewFile,
    format: ImageFormat,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<()> {
    let run = tool.convert(from, size, &absolute(new)?, format);
    run_convert(run, size, new, progress, cancel)?;
    if can_be_checked(format) {
        all_of_it(&chain_of_new(&absolute(new)?, format, None)?, cancel)?;
    }
    progress(size, size);
    Ok(())
}

/// The absolute path of a new file: what begins with a slash is neither an option
/// nor a protocol to QEMU.
pub(super) fn absolute(new: &NewFile) -> Result<PathBuf> {
    let cannot = |error| Error::io(format_args!("cannot use {}", shown(new.path())), error);
    std::path::absolute(new.path()).map_err(cannot)
}

/// Runs `qemu-img convert` into a file that was made for it.
pub(super) fn run_convert(
    run: Run<'_>,
    size: u64,
    new: &NewFile,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<()> {
    run.cancel(cancel).run_lines(&mut telling(progress, size))?;
    still_there(new)
}

/// Makes sure that what another program wrote to is the file that was made for it.
pub(super) fn still_there(new: &NewFile) -> Result<()> {
    if super::file::id_of(new.path()) == Some(new.id()) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!("{} was replaced while it was written", shown(new.path())),
    ))
}

/// Makes sure that the tables of a new image are on the disk: `qemu-img` writes
/// the last of them when it closes the image, and ends well if that fails. What
/// is missing then shows as clusters that belong to nothing.
///
/// # Errors
///
/// [`Kind::Storage`] if they are not; those of [`check`].
pub fn all_of_it(copy: &Chain, cancel: &AtomicBool) -> Result<()> {
    let found = check(copy, cancel)?;
    if found.is_sound() && found.leaks == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!(
            "not all that was copied to {} could be written",
            shown(&copy.top().path)
        ),
    )
    .hint("see the kernel's messages about the disk, and repeat the command"))
}

/// Opens a layer and checks that it is the file that it was.
fn open_as_resolved(layer: &Layer) -> Result<ImageFile> {
    let image = ImageFile::open(&layer.path)?;
    if image.id() == layer.file {
        return Ok(image);
    }
    Err(Error::new(
        Kind::Unsafe,
        format_args!(
            "{} was replaced by another file while it was worked on",
            shown(&layer.path)
        ),
    ))
}

/// Copies a small file, such as the UEFI variables of a guest, with its mode,
/// and with its owner if this process may give files away.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is none, [`Kind::Exists`] if there is something
/// at `to`, [`Kind::WrongState`] if it is no regular file or larger than 64
/// MiB, [`Kind::Storage`] or [`Kind::Environment`] if it cannot be written.
/// Nothing is left behind.
pub fn copy_small(from: &Path, to: &Path) -> Result<NewFile> {
    let source = ImageFile::open(from)?;
    if source.is_block() || source.size() > SMALL {
        return Err(Error::new(
            Kind::WrongState,
            format_args!(
                "{} is no file of 64 MiB or less, and so not the variables of a guest's firmware",
                shown(from)
            ),
        ));
    }
    let bytes = source.read_at(0, usize::try_from(source.size()).unwrap_or(0))?;
    let new = NewFile::create(to)?;
    let fill = || -> io::Result<()> {
        new.file().write_all_at(&bytes, 0)?;
        let stat = source.stat();
        if rustix::process::geteuid().is_root() {
            let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            rustix::fs::fchown(new.file(), Some(owner.0), Some(owner.1))?;
        }
        // After the owner, for changing that takes bits away.
        rustix::fs::fchmod(new.file(), Mode::from_raw_mode(stat.st_mode & 0o777))?;
        Ok(())
    };
    match fill() {
        Ok(()) => Ok(new),
        Err(error) => {
            new.discard();
            Err(cannot_write(to, error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::image::{Trust, resolve};

    fn raw(dir: &Path) -> Chain {
        let path = dir.join("raw, a");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", (8 << 20) - 3).unwrap();
        resolve(&path, ImageFormat::Raw, &Trust::default()).unwrap()
    }

    fn copy<'a>(chain: &'a Chain, to: &'a Path, reflink: ReflinkRule) -> Copy<'a> {
        Copy {
            chain,
            to,
            format: ImageFormat::Raw,
            reflink,
        }
    }

    #[test]
    fn holes_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let chain = raw(dir.path());
        let never = AtomicBool::new(false);
        for (name, rule) in [("a", ReflinkRule::Auto), ("b", ReflinkRule::Never)] {
            let to = dir.path().join(name);
            let last = std::cell::Cell::new((0, 0));
            let new = copy(&chain, &to, rule)
                .run(&|done, all| last.set((done, all)), &never)
                .unwrap();
            assert_eq!(last.get(), (8 << 20, 8 << 20));
            let meta = new.file().metadata().unwrap();
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            assert!(meta.blocks() * 512 < 1 << 20, "{}", meta.blocks());
            assert_eq!(
                std::fs::read(&to).unwrap(),
                std::fs::read(&chain.top().path).unwrap()
            );
        }
    }

    #[test]
    fn a_copy_that_is_stopped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let chain = raw(dir.path());
        let to = dir.path().join("copy");
        let stop = AtomicBool::new(true);
        let error = copy(&chain, &to, ReflinkRule::Never)
            .run(&|_, _| {}, &stop)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert!(!to.exists());
    }

    #[test]
    fn a_copy_that_cannot_fit_is_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        let mut top = raw(dir.path()).top().clone();
        top.allocated = 1 << 60;
        top.file_size = 1 << 60;
        let chain = Chain::new(top, Vec::new());
        let to = dir.path().join("copy");
        let error = copy(&chain, &to, ReflinkRule::Never)
            .run(&|_, _| {}, &AtomicBool::new(false))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Storage);
        let message = error.to_string();
        assert!(message.contains("no space left on"), "{message}");
        assert!(message.contains("needs ~1 EiB"), "{message}");
        assert!(!to.exists());
    }

    #[test]
    fn a_source_that_is_replaced_is_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        let chain = raw(dir.path());
        std::fs::write(dir.path().join("other"), [0; 512]).unwrap();
        std::fs::rename(dir.path().join("other"), &chain.top().path).unwrap();
        let to = dir.path().join("copy");
        let error = copy(&chain, &to, ReflinkRule::Auto)
            .run(&|_, _| {}, &AtomicBool::new(false))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        assert!(!to.exists());
    }

    #[test]
    fn small_files_keep_mode_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
        std::fs::write(&from, "vars").unwrap();
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o640)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&from, Some(64055), Some(1)).unwrap();
        }
        copy_small(&from, &to).unwrap().sync().unwrap();
        let (a, b) = (from.metadata().unwrap(), to.metadata().unwrap());
        assert_eq!((a.mode(), a.uid(), a.gid()), (b.mode(), b.uid(), b.gid()));
        assert_eq!(std::fs::read(&to).unwrap(), b"vars");
        assert_eq!(copy_small(&from, &to).unwrap_err().kind(), Kind::Exists);
    }
}
