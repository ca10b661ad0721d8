//! Writing a new overlay, and giving a new file its name.
//!
//! An overlay is four clusters of metadata, most of it zeros. Writing them
//! here takes microseconds and is exclusive; `qemu-img create` takes a process,
//! follows symbolic links and overwrites what is there.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use uuid::Uuid;

use super::exclusive::{self, Entry};
use super::file::{ImageFile, ShownBytes, file_id, id_of_name, shown};
use super::lock::Lease;
use super::look;
use super::nbd::ExportOverlay;
use super::qcow2::{Layout, MAX_BACKING_NAME};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, FileId, ImageFormat};

/// What a new overlay is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overlay<'a> {
    /// The size of the disk in bytes, rounded up to whole sectors of 512.
    pub virtual_size: u64,
    /// The image below it, by its absolute path.
    pub backing: &'a Path,
    /// The format of the image below it.
    pub backing_format: ImageFormat,
}

/// The bytes of a new overlay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OverlayContents {
    /// What is not zero, and where it goes: offsets in bytes, ascending.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// The length of the file, in bytes; from the last piece on it is zeros.
    pub length: u64,
}

impl Overlay<'_> {
    /// Tells what an overlay consists of, for writing it where this program
    /// has no file: into a storage volume of another host.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if the path of the backing file is not absolute or
    /// longer than 1023 bytes, or the disk has no size or more than 2 PiB.
    pub fn contents(&self) -> Result<OverlayContents> {
        let name = self.backing.as_os_str().as_bytes();
        if !self.backing.is_absolute() {
            return Err(Error::new(
                Kind::Usage,
                format_args!(
                    "the path of the base {} is not absolute",
                    shown(self.backing)
                ),
            ));
        }
        // To QEMU a CD image is raw.
        let format = match self.backing_format {
            ImageFormat::Iso => ImageFormat::Raw,
            format => format,
        };
        lay_out(self.virtual_size, name, format)
    }
}

/// The bytes of an overlay on what QEMU knows by this name.
pub(super) fn lay_out(
    virtual_size: u64,
    name: &[u8],
    format: ImageFormat,
) -> Result<OverlayContents> {
    if name.len() > MAX_BACKING_NAME {
        return Err(Error::new(
            Kind::Usage,
            format_args!(
                "the path of the base {} has {} bytes, and an overlay can hold {MAX_BACKING_NAME}",
                ShownBytes(name),
                name.len()
            ),
        ));
    }
    let layout = layout(virtual_size)?;
    Ok(with_header(layout, layout.header(name, format.as_str())))
}

fn layout(virtual_size: u64) -> Result<Layout> {
    Layout::new(virtual_size).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format_args!(
                "an image cannot have a size of {virtual_size} bytes: from 1 byte to 2 PiB is \
                 possible"
            ),
        )
    })
}

fn with_header(layout: Layout, header: Vec<u8>) -> OverlayContents {
    OverlayContents {
        pieces: vec![
            (0, header),
            layout.refcount_table(),
            layout.refcount_block(),
        ],
        length: layout.file_size(),
    }
}

/// A file that was made just now, and is open still.
///
/// Dropping it leaves the file where it is: see [`NewFile::discard`].
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: File,
    id: FileId,
}

impl NewFile {
    /// Makes an empty file that nobody else may read (mode 0600).
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if something of that name is there, a symbolic link
    /// included; [`Kind::Environment`] or [`Kind::Storage`] if it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let cannot = |errno: Errno| match errno {
            Errno::EXIST => exists(path),
            errno => cannot_write(path, errno.into()),
        };
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(cannot)?;
        let stat = rustix::fs::fstat(&fd).map_err(cannot)?;
        Ok(Self {
            path: path.to_owned(),
            file: File::from(fd),
            id: file_id(&stat),
        })
    }

    /// The path it was made at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is, to recognise it by later.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The open file, for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the owner, group and mode of another image, whose place it is
    /// to take.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if this user may not give files away.
    pub fn belong_like(&self, other: &ImageFile) -> Result<()> {
        let stat = other.stat();
        let owner = Uid::from_raw(stat.st_uid);
        let group = Gid::from_raw(stat.st_gid);
        // In this order: a change of owner takes set-id bits off.
        rustix::fs::fchown(&self.file, Some(owner), Some(group))
            .and_then(|()| rustix::fs::fchmod(&self.file, Mode::from_raw_mode(stat.st_mode)))
            .map_err(|errno| {
                Error::io(
                    format_args!(
                        "cannot give {} the owner and mode of {}",
                        shown(&self.path),
                        shown(other.path())
                    ),
                    errno.into(),
                )
            })
    }

    /// Waits until its contents are on the disk. The name needs [`sync_dir`].
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`]. There is no second try: after a failed `fsync` the
    /// kernel may have dropped what it could not write.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| {
            Error::wrap(
                Kind::Storage,
                format_args!("cannot write {} to the disk", shown(&self.path)),
                error,
            )
        })
    }

    /// Gives it its final name, as [`publish`] does. It goes by that from then on.
    ///
    /// # Errors
    ///
    /// Those of [`publish`].
    pub fn publish(&mut self, to: &Path) -> Result<()> {
        publish(&self.path, to)?;
        to.clone_into(&mut self.path);
        Ok(())
    }

    /// Removes it again, if its name still leads to it.
    pub fn discard(self) {
        // What this leaves behind is garbage that `recover` removes.
        drop(remove_own(&self.path, self.id));
    }
}

/// Fails if a file may not be removed, as far as its directory is concerned: to
/// be asked before what cannot be taken back.
///
/// # Errors
///
/// [`Kind::Environment`] if the directory is immutable, on a read-only file
/// system or somebody else's.
pub fn may_remove(path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(dir, access).map_err(|errno| cannot_write(path, errno.into()))
}

/// A name beside `path` that nobody else makes a file of: `what` tells apart
/// the files of one batch. `recover` takes what is left under such a name for
/// garbage if a journal names it.
pub fn temporary(path: &Path, batch: Uuid, what: impl fmt::Display) -> PathBuf {
    path.with_file_name(format!(".vmkin-{}-{what}.tmp", batch.simple()))
}

/// Removes a file that this program made, if its name still leads to that very
/// file. Returns whether it did; a name that is gone or leads elsewhere is not
/// touched, and no error.
///
/// # Errors
///
/// [`Kind::Environment`] or [`Kind::Storage`] if it cannot be removed.
pub fn remove_own(path: &Path, id: FileId) -> Result<bool> {
    if id_of_name(path) != Some(id) {
        return Ok(false);
    }
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(
            format_args!("cannot remove {}", shown(path)),
            error,
        )),
    }
}

/// Removes what has a name that nobody else gives to a file, if anything does, and
/// says whether it did.
///
/// # Errors
///
/// Those of [`remove_own`].
pub fn remove_temporary(path: &Path) -> Result<bool> {
    match look::file_id(path)? {
        Some(file) => remove_own(path, file),
        None => Ok(false),
    }
}

/// Writes a new overlay. It is not on the disk before [`NewFile::sync`].
///
/// # Errors
///
/// Those of [`Overlay::contents`]; [`Kind::Exists`] if there is something at `path`; [`Kind::Storage`] or
/// [`Kind::Environment`] if it cannot be written. Nothing is left behind.
pub fn write(path: &Path, spec: &Overlay<'_>) -> Result<NewFile> {
    write_contents(path, &spec.contents()?)
}

/// Writes a new disk with nothing in it: qcow2, or raw with a hole for all of it.
///
/// # Errors
///
/// Those of [`blank`] and of [`write()`].
pub fn write_blank(path: &Path, virtual_size: u64, format: ImageFormat) -> Result<NewFile> {
    write_contents(path, &blank(virtual_size, format)?)
}

/// Tells what such a disk consists of, as [`Overlay::contents`] does.
///
/// # Errors
///
/// [`Kind::Usage`] for other formats and for sizes that cannot be.
pub fn blank(virtual_size: u64, format: ImageFormat) -> Result<OverlayContents> {
    match format {
        ImageFormat::Qcow2 => {
            let layout = layout(virtual_size)?;
            Ok(with_header(layout, layout.header_alone()))
        }
        ImageFormat::Raw => Ok(OverlayContents {
            pieces: Vec::new(),
            // In whole sectors, as a guest reads it.
            length: virtual_size
                .checked_next_multiple_of(512)
                .unwrap_or(virtual_size),
        }),
        other => Err(Error::new(
            Kind::Usage,
            format_args!("a new disk can be qcow2 or raw, and not {other}"),
        )),
    }
}

/// Writes an overlay of `size` bytes on a chain that is only read, and whoever opens it takes no
/// lock on the top image: a reader must not keep a guest from being started.
///
/// # Errors
///
/// Those of [`write()`]; [`Kind::Usage`] if the name of the image is not in UTF-8.
pub fn write_shield(path: &Path, chain: &Chain, size: u64) -> Result<NewFile> {
    let top = chain.top();
    let image = ImageFile::open(&top.path)?;
    let name = top.path.to_str().ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format_args!(
                "the name of {} is not in UTF-8, and QEMU's programs take no other",
                shown(&top.path)
            ),
        )
    })?;
    let format = match top.format {
        ImageFormat::Iso => ImageFormat::Raw,
        format => format,
    };
    let below = serde_json::json!({
        "driver": format.as_str(),
        "file": {
            "driver": if image.is_block() { "host_device" } else { "file" },
            "filename": name,
            "locking": "off",
        },
    });
    let name = format!("json:{below}");
    write_contents(path, &lay_out(size, name.as_bytes(), format)?)
}

/// Writes what an overlay consists of into a new file.
pub(super) fn write_contents(path: &Path, contents: &OverlayContents) -> Result<NewFile> {
    let new = NewFile::create(path)?;
    let fill = || -> io::Result<()> {
        for (offset, bytes) in &contents.pieces {
            new.file.write_all_at(bytes, *offset)?;
        }
        new.file.set_len(contents.length)
    };
    match fill() {
        Ok(()) => Ok(new),
        Err(error) => {
            new.discard();
            Err(cannot_write(path, error))
        }
    }
}

/// Writes a new overlay on what a chain has below its top image: a disk that
/// is as the top was when it was new. `None` if the top is no overlay.
///
/// # Errors
///
/// Those of [`write()`].
pub fn write_fresh(path: &Path, chain: &Chain) -> Result<Option<NewFile>> {
    let virtual_size = chain.top().virtual_size;
    if let Some(below) = chain.backing().first() {
        let overlay = Overlay {
            virtual_size,
            backing: &below.path,
            backing_format: below.format,
        };
        return write(path, &overlay).map(Some);
    }
    let on_export = chain.export().map(|export| {
        let overlay = ExportOverlay {
            virtual_size,
            export,
        };
        overlay.write(path)
    });
    on_export.transpose()
}

/// Puts a new file in the place of an image that is leased, in one step: who
/// opens the name finds the old one or the new one, whole. A symbolic link
/// that the image was leased by stays, and leads to the new one.
///
/// The change is not on the disk before [`sync_dir`] of the directory. The
/// lease stays on the old file, which has no name then.
///
/// # Errors
///
/// [`Kind::Busy`] if the name leads to another file than the leased one by now.
pub fn replace(old: &Lease, new: &Path) -> Result<()> {
    let path = old.image().real_path();
    if id_of_name(path) != Some(old.image().id()) {
        return Err(Error::new(
            Kind::Busy,
            format_args!("{} is another file by now", shown(path)),
        ));
    }
    std::fs::rename(new, path).map_err(|error| cannot_write(path, error))
}

/// Gives a file that was kept under another name its own one back, in the place
/// of what has it now.
///
/// # Errors
///
/// [`Kind::Environment`] or [`Kind::Storage`] if it cannot be renamed.
pub fn put_back(kept: &Path, path: &Path) -> Result<()> {
    std::fs::rename(kept, path).map_err(|error| cannot_write(path, error))
}

/// Gives a new file its final name, which must be free.
///
/// Both names must be on one file system. The change is not on the disk before
/// [`sync_dir`] of the directory.
///
/// # Errors
///
/// [`Kind::Exists`] if something of that name is there, [`Kind::Environment`]
/// if the file system cannot rename without replacing, and has no second names.
pub fn publish(temp: &Path, to: &Path) -> Result<()> {
    let [from, name] = [temp, to].map(|name| Entry { dir: CWD, name });
    exclusive::rename(from, name).map_err(|errno| match errno {
        Errno::EXIST => exists(to),
        Errno::OPNOTSUPP => Error::wrap(
            Kind::Environment,
            format_args!(
                "the file system of {} cannot give a file a name only if that is free",
                shown(to)
            ),
            io::Error::from(errno),
        )
        .hint("use a directory on another file system"),
        errno => Error::io(
            format_args!("cannot rename {} to {}", shown(temp), shown(to)),
            errno.into(),
        ),
    })
}

/// Gives a file a second name, which must be free. Both must be on one file
/// system. See [`sync_dir`].
///
/// # Errors
///
/// [`Kind::Exists`] if something of that name is there, [`Kind::Environment`] if
/// the file system has no second names, or the file is not this user's.
pub fn second_name(path: &Path, to: &Path) -> Result<()> {
    rustix::fs::link(path, to).map_err(|errno| match errno {
        Errno::EXIST => exists(to),
        errno => Error::wrap(
            Kind::Environment,
            format_args!("{} cannot get a second name, {}", shown(path), shown(to)),
            io::Error::from(errno),
        ),
    })
}

/// Waits until the names in a directory are on the disk.
///
/// # Errors
///
/// [`Kind::Storage`]; [`Kind::NotFound`] if there is no such directory.
pub fn sync_dir(dir: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::empty())
        .and_then(rustix::fs::fsync)
        .map_err(|errno| {
            Error::io(
                format_args!("cannot write the directory {} to the disk", shown(dir)),
                errno.into(),
            )
        })
}

/// The same of all directories that these files are in, each once.
///
/// # Errors
///
/// Those of [`sync_dir`].
pub fn sync_dirs_of<'p>(files: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    let dirs: BTreeSet<&Path> = files.into_iter().filter_map(Path::parent).collect();
    dirs.into_iter().try_for_each(sync_dir)
}

fn exists(path: &Path) -> Error {
    Error::new(
        Kind::Exists,
        format_args!("{} exists already, and is never overwritten", shown(path)),
    )
}

/// Why a file cannot be written, in words that say what to do.
pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    let name = shown(path);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::wrap(
            Kind::Storage,
            format_args!("no space left for {name}"),
            error,
        ),
        io::ErrorKind::ReadOnlyFilesystem => Error::new(
            Kind::Environment,
            format_args!("{name} is on a read-only file system"),
        ),
        io::ErrorKind::PermissionDenied => Error::wrap(
            Kind::Environment,
            format_args!("may not write {name}"),
            error,
        )
        .hint("run as root, or as a user who may write there"),
        _ => Error::io(format_args!("cannot write {name}"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Trust, resolve};

    fn spec(backing: &Path) -> Overlay<'_> {
        Overlay {
            virtual_size: 1 << 30,
            backing,
            backing_format: ImageFormat::Raw,
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base, a:b \u{df}.img");
        let top = dir.path().join("top");
        std::fs::write(&base, [0; 4096]).unwrap();
        let new = write(&top, &spec(&base)).unwrap();
        new.sync().unwrap();
        sync_dir(dir.path()).unwrap();
        let chain = resolve(&top, ImageFormat::Qcow2, &Trust::default()).unwrap();
        assert_eq!(chain.top().file, new.id());
        assert_eq!(chain.top().virtual_size, 1 << 30);
        assert_eq!(chain.base().path, base);
        assert_eq!(chain.base().format, ImageFormat::Raw);
        assert!(chain.top().allocated <= 64 << 10, "{:?}", chain.top());
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let [temp, taken, link] = ["temp", "taken", "link"].map(|name| dir.path().join(name));
        std::fs::write(&taken, "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for path in [&taken, &link] {
            let error = write(path, &spec(Path::new("/b"))).unwrap_err();
            assert_eq!(error.kind(), Kind::Exists);
        }
        let new = write(&temp, &spec(Path::new("/b"))).unwrap();
        for path in [&taken, &link] {
            let error = publish(&temp, path).unwrap_err();
            assert_eq!(error.kind(), Kind::Exists);
        }
        publish(&temp, &dir.path().join("free")).unwrap();
        assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
        assert!(!temp.exists());
        // Its name is not its any more, so nothing is removed.
        std::fs::write(&temp, "other").unwrap();
        new.discard();
        assert!(temp.exists());
    }

    #[test]
    fn only_the_own_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let [temp, to, link] = ["temp", "to", "link"].map(|name| dir.path().join(name));
        let mut new = write(&temp, &spec(Path::new("/b"))).unwrap();
        new.publish(&to).unwrap();
        assert_eq!(new.path(), to);
        std::os::unix::fs::symlink("to", &link).unwrap();
        assert!(!remove_own(&link, new.id()).unwrap());
        assert!(!remove_own(&temp, new.id()).unwrap());
        assert!(remove_own(&to, new.id()).unwrap());
        assert!(!remove_own(&to, new.id()).unwrap());
    }

    #[test]
    fn impossible_overlays_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let long = PathBuf::from(format!("/{}", "x".repeat(MAX_BACKING_NAME)));
        for spec in [
            spec(&long),
            spec(Path::new("relative")),
            Overlay {
                virtual_size: 0,
                ..spec(Path::new("/b"))
            },
            Overlay {
                virtual_size: u64::MAX,
                ..spec(Path::new("/b"))
            },
        ] {
            assert_eq!(write(&path, &spec).unwrap_err().kind(), Kind::Usage);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_new_file_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let new = write(&dir.path().join("a"), &spec(Path::new("/b"))).unwrap();
        let mode = new.file().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        new.discard();
        assert!(!dir.path().join("a").exists());
    }
}
