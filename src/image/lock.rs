//! QEMU's image locks, spoken natively.
//!
//! QEMU and its tools keep two bytes of every image for each permission they
//! know (`block/file-posix.c`, `RAW_LOCK_PERM_BASE` and `RAW_LOCK_SHARED_BASE`):
//! a lock on byte 100 + bit says "I use it", one on byte 200 + bit "nobody else
//! may". Everybody takes shared locks only, and then looks whether somebody
//! else holds the opposite byte. The locks belong to the open file, so the
//! kernel drops them however this process ends.
//!
//! They stop QEMU, libvirt's starts, `qemu-img` and libguestfs. They do not
//! stop `cp`, `mv` or `dd`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FallocateFlags, Mode, OFlags};

use super::file::{ImageFile, ShownBytes, shown};
use super::overlay::NewFile;
use crate::error::{Error, Kind, Result};
use crate::model::Layer;

/// What can be done with an image, in QEMU's bits.
mod permission {
    pub(super) const CONSISTENT_READ: u8 = 1;
    pub(super) const WRITE: u8 = 1 << 1;
    pub(super) const WRITE_UNCHANGED: u8 = 1 << 2;
    pub(super) const RESIZE: u8 = 1 << 3;
    pub(super) const ALL: u8 = CONSISTENT_READ | WRITE | WRITE_UNCHANGED | RESIZE;
}

const USED: i64 = 100;
const UNSHARED: i64 = 200;
const BITS: i64 = 4;

/// How often an exclusive lock is tried for, and how long after each other:
/// somebody's `qemu-img info` takes a few milliseconds.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(15);

/// What others do with an image at this moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockState {
    /// Nobody holds a lock on it.
    Free,
    /// Somebody reads it, or guards it against writers.
    Readers,
    /// Somebody writes to it, or keeps everybody out.
    Writer,
}

/// A lock that keeps writers off an image until it is dropped.
///
/// Guests, tools and other guards can go on reading it, and guests whose disks
/// are overlays on it can be started. Starting a guest that writes to it, or
/// committing into it, fails cleanly while one of these is held.
#[derive(Debug)]
pub struct Guard(Held);

impl Guard {
    /// Guards an image.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if somebody writes to it; [`Kind::Environment`] if locks
    /// do not work there, so that nobody can know; those of
    /// [`ImageFile::open`].
    pub fn base(path: &Path) -> Result<Self> {
        Self::of(ImageFile::open(path)?)
    }

    /// Guards a layer of a chain: the file that was looked at when the chain
    /// was read, and not another one that has got its name since.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::base`]; [`Kind::Busy`] if it is another file by now.
    pub fn layer(layer: &Layer) -> Result<Self> {
        let guard = Self::base(&layer.path)?;
        guard.image().must_be(layer.file)?;
        Ok(guard)
    }

    /// Guards an image that is open.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::base`].
    pub fn of(image: ImageFile) -> Result<Self> {
        let uses = permission::CONSISTENT_READ;
        let unshares = permission::WRITE | permission::RESIZE;
        Held::acquire(image, uses, unshares).map(Self)
    }

    /// The image.
    pub fn image(&self) -> &ImageFile {
        &self.0.image
    }
}

/// A lock that keeps everybody else off an image until it is dropped.
///
/// Only readers that ask for no lock (`qemu-img info -U`) pass. A program of
/// our own gets through with `file.locking=off`.
#[derive(Debug)]
pub struct Lease(Held);

impl Lease {
    /// Locks an image for writing.
    ///
    /// Whoever holds it briefly is waited for, up to about 50 ms.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if somebody reads it or writes to it;
    /// [`Kind::Environment`] if locks do not work there; those of
    /// [`ImageFile::open`].
    pub fn exclusive(path: &Path) -> Result<Self> {
        let uses = permission::CONSISTENT_READ | permission::WRITE | permission::RESIZE;
        let mut tries = 1;
        loop {
            match Held::acquire(ImageFile::open(path)?, uses, permission::ALL) {
                Err(error) if error.kind() == Kind::Busy && tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                outcome => return outcome.map(Self),
            }
        }
    }

    /// Gives bytes of the image back to the host, which read as zeros then.
    ///
    /// # Errors
    ///
    /// If the file system cannot, or the file may not be written to.
    pub(super) fn punch(&self, holes: &[Range<u64>]) -> io::Result<()> {
        let file = self.again()?;
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for hole in holes {
            let length = hole.end.saturating_sub(hole.start);
            rustix::fs::fallocate(&file, how, hole.start, length)?;
        }
        Ok(())
    }

    /// Locks a file that was made just now, for a program of our own to write to.
    ///
    /// # Errors
    ///
    /// Those of [`Lease::exclusive`].
    pub(super) fn of_new(new: &NewFile) -> Result<Self> {
        Self::exclusive(new.path())
    }

    /// Writes into the image in place, and waits until that is on the disk.
    ///
    /// # Errors
    ///
    /// If the file may not be written to, or cannot be.
    pub(super) fn overwrite(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let file = self.again()?;
        file.write_all_at(bytes, offset)?;
        file.sync_all()
    }

    /// The very same file, for writing: the locks belong to the one that was
    /// opened first.
    fn again(&self) -> io::Result<File> {
        let name = format!("/proc/self/fd/{}", self.0.image.file().as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(rustix::fs::open(name, flags, Mode::empty())?))
    }

    /// The image.
    pub fn image(&self) -> &ImageFile {
        &self.0.image
    }
}

/// Looks what others do with an image, without holding any lock on it.
///
/// A guest in a managed save holds none, so "free" does not mean that the
/// image may be written to.
///
/// # Errors
///
/// [`Kind::Environment`] if locks do not work there; those of
/// [`ImageFile::open`].
pub fn probe(path: &Path) -> Result<LockState> {
    let image = ImageFile::open(path)?;
    let writing = permission::WRITE | permission::RESIZE;
    if any_held(&image, USED, writing)? || any_held(&image, UNSHARED, permission::CONSISTENT_READ)?
    {
        return Ok(LockState::Writer);
    }
    if any_held(&image, USED, permission::ALL)? || any_held(&image, UNSHARED, permission::ALL)? {
        return Ok(LockState::Readers);
    }
    Ok(LockState::Free)
}

#[derive(Debug)]
struct Held {
    image: ImageFile,
    uses: u8,
    unshares: u8,
}

impl Held {
    /// Takes the locks and looks for those they do not go with, in this order:
    /// of two that do this at once, at least one sees the other.
    fn acquire(image: ImageFile, uses: u8, unshares: u8) -> Result<Self> {
        // From here on they are given back by dropping this.
        let held = Self {
            image,
            uses,
            unshares,
        };
        for (first, bits) in [(USED, uses), (UNSHARED, unshares)] {
            for byte in bytes(first, bits) {
                set(&held.image, libc::F_RDLCK, byte)
                    .map_err(|errno| no_locks(&held.image, errno))?;
            }
        }
        if any_held(&held.image, USED, unshares)? || any_held(&held.image, UNSHARED, uses)? {
            let writer = any_held(&held.image, USED, permission::WRITE | permission::RESIZE)?;
            return Err(busy(&held.image, writer));
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file would do, but not while a child that is about to
        // be started has it open still.
        for (first, bits) in [(USED, self.uses), (UNSHARED, self.unshares)] {
            for byte in bytes(first, bits) {
                // If this fails, closing the file still does it.
                let _ = set(&self.image, libc::F_UNLCK, byte);
            }
        }
    }
}

/// The bytes that stand for some permissions.
fn bytes(first: i64, bits: u8) -> impl Iterator<Item = i64> {
    (0..BITS)
        .filter(move |bit| bits & (1 << bit) != 0)
        .map(move |bit| first + bit)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the constants are 0 to 2, and C has them as int and the field as short"
)]
fn one_byte(kind: libc::c_int, byte: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

fn set(image: &ImageFile, kind: libc::c_int, byte: i64) -> nix::Result<()> {
    loop {
        match fcntl(image.file(), FcntlArg::F_OFD_SETLK(&one_byte(kind, byte))) {
            Err(Errno::EINTR) => {}
            outcome => return outcome.map(drop),
        }
    }
}

/// Whether anybody else holds a lock on one of the bytes.
fn any_held(image: &ImageFile, first: i64, bits: u8) -> Result<bool> {
    for byte in bytes(first, bits) {
        // Every lock is in the way of a write lock, which is not taken.
        let mut lock = one_byte(libc::F_WRLCK, byte);
        fcntl(image.file(), FcntlArg::F_OFD_GETLK(&mut lock))
            .map_err(|errno| no_locks(image, errno))?;
        if libc::c_int::from(lock.l_type) != libc::F_UNLCK {
            return Ok(true);
        }
    }
    Ok(false)
}

fn no_locks(image: &ImageFile, errno: Errno) -> Error {
    // Somebody's write lock: QEMU never takes one, but it is in the way.
    if matches!(errno, Errno::EAGAIN | Errno::EACCES) {
        return busy(image, true);
    }
    Error::wrap(
        Kind::Environment,
        format_args!(
            "cannot fence {} here: nobody can tell whether it is in use",
            shown(image.path())
        ),
        io::Error::from(errno),
    )
    .hint("use a file system with open file description locks, such as a local one")
}

fn busy(image: &ImageFile, writer: bool) -> Error {
    let what = if writer {
        "it is being written to"
    } else {
        "it is being read"
    };
    let who = match holder(image.real_path()) {
        Some((name, pid)) => format!("{name}, pid {pid}"),
        None => "another process".to_owned(),
    };
    Error::new(
        Kind::Busy,
        format_args!("image {} is in use by {who} ({what})", shown(image.path())),
    )
}

/// A process other than this one that has a file open. The kernel does not
/// tell who holds a lock of this kind; root finds out by looking at everybody.
fn holder(real_path: &Path) -> Option<(String, u32)> {
    let own = std::process::id();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != own).find_map(|pid| {
        let mut files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        // By name: asking for the file itself could wait for a dead server.
        files
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == real_path))
            .then(|| {
                let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
                (ShownBytes(name.trim_ascii()).to_string(), pid)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, [0; 512]).unwrap();
        (dir, path)
    }

    #[test]
    fn guards_go_together() {
        let (_dir, path) = image();
        assert_eq!(probe(&path).unwrap(), LockState::Free);
        let first = Guard::base(&path).unwrap();
        let second = Guard::base(&path).unwrap();
        assert_eq!(probe(&path).unwrap(), LockState::Readers);
        drop(first);
        assert_eq!(probe(&path).unwrap(), LockState::Readers);
        drop(second);
        assert_eq!(probe(&path).unwrap(), LockState::Free);
    }

    #[test]
    fn a_guard_of_a_layer_is_on_the_file_that_was_looked_at() {
        let (dir, path) = image();
        let format = crate::model::ImageFormat::Raw;
        let chain = crate::image::resolve(&path, format, &crate::image::Trust::default()).unwrap();
        drop(Guard::layer(chain.top()).unwrap());
        let other = dir.path().join("other");
        std::fs::write(&other, [1; 512]).unwrap();
        std::fs::rename(&other, &path).unwrap();
        let error = Guard::layer(chain.top()).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy, "{error}");
        assert_eq!(probe(&path).unwrap(), LockState::Free);
    }

    #[test]
    fn a_lease_goes_with_nothing() {
        let (_dir, path) = image();
        let guard = Guard::base(&path).unwrap();
        assert_eq!(Lease::exclusive(&path).unwrap_err().kind(), Kind::Busy);
        // The attempt has left nothing behind.
        drop(Guard::base(&path).unwrap());
        drop(guard);
        let lease = Lease::exclusive(&path).unwrap();
        assert_eq!(probe(&path).unwrap(), LockState::Writer);
        let error = Guard::base(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("being written to"), "{error}");
        assert_eq!(Lease::exclusive(&path).unwrap_err().kind(), Kind::Busy);
        drop(lease);
        drop(Lease::exclusive(&path).unwrap());
    }

    #[test]
    fn of_many_at_most_one_gets_a_lease() {
        let (_dir, path) = image();
        let holders = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    use std::sync::atomic::Ordering::SeqCst;
                    for _ in 0..10 {
                        if let Ok(lease) = Lease::exclusive(&path) {
                            assert_eq!(holders.fetch_add(1, SeqCst), 0);
                            std::thread::yield_now();
                            holders.fetch_sub(1, SeqCst);
                            drop(lease);
                        }
                    }
                });
            }
        });
        assert_eq!(probe(&path).unwrap(), LockState::Free);
    }
}
