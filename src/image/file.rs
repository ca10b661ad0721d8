//! Opening an image without side effects, and telling one file from another.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::source::Image;
use crate::error::{Error, Kind, Result};
use crate::model::{FileId, Layer};

/// An image that is open for reading: a regular file or a block device.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    path: PathBuf,
    /// What the path leads to, free of symbolic links.
    real: PathBuf,
    stat: Stat,
    block: bool,
    /// In bytes.
    size: u64,
}

impl ImageFile {
    /// Opens an image for reading.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is none, [`Kind::Environment`] if it may
    /// not be read, [`Kind::WrongState`] if it is no regular file and no block
    /// device.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_if(path, |_| Ok(()))
    }

    /// Opens the image of a layer: the file that was looked at when the chain was
    /// read.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and [`Self::must_be`].
    pub(super) fn of_layer(layer: &Layer) -> Result<Self> {
        let image = Self::open(&layer.path)?;
        image.must_be(layer.file)?;
        Ok(image)
    }

    /// Refuses another file than one that was seen before, which may have got its
    /// name since.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`].
    pub fn must_be(&self, file: FileId) -> Result<()> {
        if self.id() == file {
            return Ok(());
        }
        Err(Error::new(
            Kind::Busy,
            format_args!("{} is another file by now", shown(self.path())),
        )
        .hint("run the same command again"))
    }

    /// Opens an image for reading if `allow` does not mind. It is asked about
    /// the file that would be opened, by its path free of symbolic links, and
    /// before it is: opening alone can start a watchdog or wait on a pipe.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and of `allow`.
    pub(super) fn open_if(path: &Path, allow: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let failed = |error: io::Error| {
            let name = shown(path).to_string();
            if path.as_os_str().is_empty() {
                return Error::new(Kind::Usage, "the path of an image is empty");
            }
            match Errno::from_io_error(&error) {
                // No file has a name that is too long for one.
                Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
                    Error::new(Kind::NotFound, format_args!("there is no image {name}"))
                }
                Some(Errno::LOOP) => Error::new(
                    Kind::Unsafe,
                    format_args!("{name} is a symbolic link that leads back to itself"),
                ),
                _ => Error::io(format_args!("cannot open {name}"), error),
            }
        };
        let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        let stat = rustix::fs::fstat(&handle).map_err(|errno| failed(errno.into()))?;
        let block = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => false,
            FileType::BlockDevice => true,
            other => {
                return Err(Error::new(
                    Kind::WrongState,
                    format_args!(
                        "{} is {}, and an image must be a file or a block device",
                        shown(path),
                        what_it_is(other)
                    ),
                ));
            }
        };
        let real = real_path(&handle)?;
        allow(&real)?;
        // The handle cannot be read from, but leads to the very same file.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let number = handle.as_raw_fd().to_string();
        let fd = rustix::fs::openat(own_fds()?, number, flags, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        let size = if block {
            rustix::fs::seek(&fd, SeekFrom::End(0)).map_err(|errno| failed(errno.into()))?
        } else {
            u64::try_from(stat.st_size).unwrap_or(0)
        };
        Ok(Self {
            file: File::from(fd),
            path: path.to_owned(),
            real,
            stat,
            block,
            size,
        })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path free of symbolic links.
    pub fn real_path(&self) -> &Path {
        &self.real
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Which file it is.
    pub fn id(&self) -> FileId {
        file_id(&self.stat)
    }

    /// Whether it is a block device.
    pub fn is_block(&self) -> bool {
        self.block
    }

    /// The size of the file or the capacity of the device, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the file takes on the host, in bytes; 0 for a block device.
    pub fn allocated(&self) -> u64 {
        if self.block {
            return 0;
        }
        u64::try_from(self.stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512)
    }

    /// What the system knew about the file when it was opened.
    pub(super) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Reads up to `most` bytes from `offset`; fewer only if the file ends.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`], with the path and the offset.
    pub fn read_at(&self, offset: u64, most: usize) -> Result<Vec<u8>> {
        Image::read_at(self, offset, most)
    }

    /// Fills `bytes` from `offset` on, and returns how many there were; fewer
    /// than asked for only if the file ends.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`], with the path and the offset.
    pub(super) fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<usize> {
        // No file goes that far, and the system would call it a bad argument
        // and not the end; a header may name any place.
        if i64::try_from(offset.saturating_add(bytes.len() as u64)).is_err() {
            return Ok(0);
        }
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(&self.path, at, error)),
            }
        }
        Ok(done)
    }

    /// The size it has now; of a block device, the capacity it had when it was
    /// opened.
    pub(super) fn size_now(&self) -> Result<u64> {
        if self.block {
            return Ok(self.size);
        }
        let metadata = self.file.metadata();
        let known = metadata.map_err(|error| read_error(&self.path, 0, error))?;
        Ok(known.len())
    }
}

/// "I/O error on X at offset N".
pub(super) fn read_error(path: &Path, offset: u64, error: io::Error) -> Error {
    Error::wrap(
        Kind::Storage,
        format_args!("I/O error on {} at offset {offset}", shown(path)),
        error,
    )
}

/// Which file a `stat` is about.
pub(super) fn file_id(stat: &Stat) -> FileId {
    if FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice {
        FileId {
            device: stat.st_rdev,
            inode: 0,
        }
    } else {
        FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// Which file a path leads to; `None` if it leads nowhere. Opens nothing.
pub fn id_of(path: &Path) -> Option<FileId> {
    rustix::fs::stat(path).ok().map(|stat| file_id(&stat))
}

/// What a name itself leads to, not what a symbolic link of that name does.
pub(super) fn id_of_name(path: &Path) -> Option<FileId> {
    rustix::fs::lstat(path).ok().map(|stat| file_id(&stat))
}

/// Where an open file is, free of symbolic links. The kernel says so; working
/// it out from the path would race with whoever can change a directory.
fn real_path(handle: &OwnedFd) -> Result<PathBuf> {
    let number = handle.as_raw_fd().to_string();
    let target = rustix::fs::readlinkat(own_fds()?, number, Vec::new()).map_err(no_proc)?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(
        target.into_bytes(),
    )))
}

/// `/proc/self/fd`, opened once: a host has thousands of images to look at, and
/// the way there is a good part of the work on each.
fn own_fds() -> Result<BorrowedFd<'static>> {
    static FDS: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(fds) = FDS.get() {
        return Ok(fds.as_fd());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fds = rustix::fs::open("/proc/self/fd", flags, Mode::empty()).map_err(no_proc)?;
    // Another thread may have been faster; then that one is as good.
    Ok(FDS.get_or_init(|| fds).as_fd())
}

fn no_proc(errno: Errno) -> Error {
    Error::wrap(
        Kind::Environment,
        "cannot read /proc/self/fd",
        io::Error::from(errno),
    )
    .hint("mount /proc: without it nobody can tell where a file really is")
}

fn what_it_is(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::CharacterDevice => "a character device",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::Symlink => "a symbolic link",
        _ => "something else",
    }
}

/// Shows a path on one line and without control characters, for a header or a
/// directory may name anything.
///
/// ```
/// use std::path::Path;
///
/// let evil = Path::new("/images/\x1b[2Ja b.qcow2\n");
/// assert_eq!(vmkin::image::shown(evil).to_string(), r"/images/\x1b[2Ja b.qcow2\n");
/// ```
pub fn shown(path: &Path) -> impl fmt::Display + '_ {
    ShownBytes(path.as_os_str().as_bytes())
}

/// The same of bytes that somebody meant to be a name.
pub(crate) struct ShownBytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for ShownBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                    // Those that turn the direction of the text round, too.
                    c if c.is_control()
                        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                    {
                        write!(f, "{}", c.escape_unicode())?;
                    }
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Writes a name so that a shell takes it for one word and for nothing else.
/// It goes into commands that the user is told to type, and a header may name
/// `x; rm -rf ~`.
pub fn shell_word(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./,:=@%+-".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) && !bytes.starts_with(b"-") {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if ShownBytes(bytes).to_string() == text => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // Not to be shown as it is: spelled out, as bash and zsh read it.
        _ => {
            bytes.iter().fold("$'".to_owned(), |word, byte| {
                if plain(byte) {
                    word + &char::from(*byte).to_string()
                } else {
                    format!(r"{word}\x{byte:02x}")
                }
            }) + "'"
        }
    }
}

/// The same of a path.
pub fn path_word(path: &Path) -> String {
    shell_word(path.as_os_str().as_bytes())
}

/// Reads a big-endian number out of bytes; `None` past their end.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a big-endian number out of bytes; `None` past their end.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a big-endian number out of bytes; `None` past their end.
pub(crate) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a little-endian number out of bytes; `None` past their end.
pub(crate) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a little-endian number out of bytes; `None` past their end.
pub(crate) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a little-endian number out of bytes; `None` past their end.
pub(crate) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::write(dir.join("a"), b"0123").unwrap();
        std::os::unix::fs::symlink("a", dir.join("b")).unwrap();
        let a = ImageFile::open(&dir.join("a")).unwrap();
        let b = ImageFile::open(&dir.join("b")).unwrap();
        assert_eq!(a.id(), b.id());
        assert_eq!(b.real_path(), dir.join("a"));
        assert_eq!(b.path(), dir.join("b"));
        assert_eq!(b.read_at(2, 100).unwrap(), b"23");
        for far in [4, 1 << 62, i64::MAX as u64 - 1, 1 << 63, u64::MAX] {
            assert_eq!(b.read_at(far, 100).unwrap(), b"");
        }
    }

    #[test]
    fn only_files_and_block_devices_are_images() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [dir.path(), Path::new("/dev/zero"), &pipe] {
            let error = ImageFile::open(path).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongState, "{error}");
        }
        let error = ImageFile::open(&dir.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        let error = ImageFile::open(&dir.path().join("x".repeat(300))).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let error = ImageFile::open(&dir.path().join("loop")).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        let error = ImageFile::open(Path::new("")).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }

    #[test]
    fn names_cannot_write_to_the_terminal() {
        let name = ShownBytes(b"a\x1b]0;x\x07\xff\xc2\x9b \xd0\xb6\xe2\x80\xae").to_string();
        assert_eq!(name, "a\\x1b]0;x\\x07\\xff\\u{9b} ж\\u{202e}");
    }

    #[test]
    fn a_name_is_one_word_to_a_shell() {
        assert_eq!(shell_word(b"/a/b-1.qcow2"), "/a/b-1.qcow2");
        assert_eq!(shell_word(b"x; rm -rf ~"), "'x; rm -rf ~'");
        assert_eq!(shell_word(b"it's"), r"'it'\''s'");
        assert_eq!(shell_word(b""), "''");
        assert_eq!(shell_word(b"-x"), "'-x'");
        assert_eq!(shell_word(b"a\n\xff'"), r"$'a\x0a\xff\x27'");
        assert_eq!(shell_word("\u{436}".as_bytes()), "'\u{436}'");
    }
}
