//! Whether a base image is still what it was.
//!
//! Nothing in libvirt or QEMU notices a base that was changed, shrunk or
//! replaced under its overlays: their checks pass, and their guests read wrong
//! data.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::file::{ImageFile, read_error, shown};
use super::transfer::extent;
use crate::error::{Error, Kind, Result};
use crate::model::{BaseIdentity, FileId, VolumeFacts};

/// How much of the beginning of an image goes into its identity, in bytes.
/// Headers and L1 tables are there, and partition tables of raw images.
pub const HEAD: usize = 64 << 10;

/// Takes down what a base image looks like, in about 0.2 ms.
///
/// # Errors
///
/// Those of [`ImageFile::open`] and [`identity_of`].
pub fn identity(path: &Path) -> Result<BaseIdentity> {
    identity_of(&ImageFile::open(path)?)
}

/// Takes down what an open image looks like. A block device has no times that
/// would mean anything; only its size and its beginning tell of a change.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be read.
pub fn identity_of(image: &ImageFile) -> Result<BaseIdentity> {
    // Once more, for the file may have been open for long.
    let stat = rustix::fs::fstat(image.file())
        .map_err(|errno| read_error(image.path(), 0, errno.into()))?;
    let head = image.read_at(0, HEAD)?;
    let size = if image.is_block() {
        image.size()
    } else {
        u64::try_from(stat.st_size).unwrap_or(0)
    };
    // The times of a device node are those of the last boot.
    let (mtime_ns, ctime_ns) = if image.is_block() {
        (0, 0)
    } else {
        (
            nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        )
    };
    Ok(BaseIdentity {
        file: image.id(),
        size,
        mtime_ns,
        ctime_ns,
        head_sha256: head_sha256(&head),
    })
}

/// Takes down what an image of another host looks like, as far as libvirt tells:
/// `head` is its first [`HEAD`] bytes.
///
/// # Errors
///
/// [`Kind::Environment`] if libvirt does not tell when the image was written to
/// last.
pub fn identity_there(facts: &VolumeFacts, head: &[u8]) -> Result<BaseIdentity> {
    let mtime_ns = match &facts.modified {
        None if facts.block => 0,
        told => told.as_deref().and_then(written_at).ok_or_else(|| {
            let what = "libvirt does not tell when the image was written to last";
            Error::new(Kind::Environment, what)
        })?,
    };
    Ok(BaseIdentity {
        file: FileId {
            device: 0,
            inode: 0,
        },
        size: facts.size,
        mtime_ns,
        ctime_ns: 0,
        head_sha256: head_sha256(head),
    })
}

/// `SECONDS.NANOSECONDS`, with nine digits.
fn written_at(text: &str) -> Option<i64> {
    let (seconds, rest) = text.split_once('.')?;
    if rest.len() != 9 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(nanoseconds(
        seconds.parse().ok()?,
        rest.parse::<i64>().ok()?,
    ))
}

/// The SHA-256 of the first [`HEAD`] of these bytes, in hexadecimal.
pub fn head_sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes.get(..HEAD).unwrap_or(bytes)))
}

fn nanoseconds<N: TryInto<i64>>(seconds: i64, nanoseconds: N) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds.try_into().unwrap_or(0))
}

/// Bytes as hexadecimal digits, two for each.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a base image compares with what it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// Nothing has changed.
    Same,
    /// The contents are the same by all signs, but the inode was touched (by
    /// `chmod` or `chown`, as sealing and starting do) or the device has
    /// another number, as after a reboot.
    Touched,
    /// It is another file.
    Replaced,
    /// The file was grown or shrunk.
    Resized {
        /// Its size before, in bytes.
        from: u64,
        /// Its size now, in bytes.
        to: u64,
    },
    /// The file was written to.
    Changed {
        /// Whether its first 64 KiB are other bytes now; if not, only the time
        /// tells.
        head: bool,
    },
}

impl Comparison {
    /// Whether overlays on it can go on relying on it.
    pub fn is_sound(self) -> bool {
        matches!(self, Self::Same | Self::Touched)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("it is unchanged"),
            Self::Touched => f.write_str("its owner or mode changed, and its contents did not"),
            Self::Replaced => f.write_str("it was replaced by another file"),
            Self::Resized { from, to } => {
                write!(f, "its size went from {from} to {to} bytes")
            }
            Self::Changed { head: true } => f.write_str("its first bytes were overwritten"),
            Self::Changed { head: false } => f.write_str("it was written to"),
        }
    }
}

/// Compares a base image with what it was when it was last known to be good.
pub fn compare(recorded: &BaseIdentity, now: &BaseIdentity) -> Comparison {
    // From another host, an inode cannot be seen; nor has a device one.
    let seen = recorded.file.inode != 0 && now.file.inode != 0;
    if recorded == now {
        Comparison::Same
    } else if seen && recorded.file.inode != now.file.inode {
        Comparison::Replaced
    } else if recorded.size != now.size {
        Comparison::Resized {
            from: recorded.size,
            to: now.size,
        }
    } else if recorded.head_sha256 != now.head_sha256 {
        Comparison::Changed { head: true }
    } else if recorded.mtime_ns != now.mtime_ns {
        Comparison::Changed { head: false }
    } else {
        Comparison::Touched
    }
}

/// Hashes all of an image, holes included, and returns it in hexadecimal.
///
/// `progress` is called with the bytes done and the bytes in all.
///
/// # Errors
///
/// [`Kind::Interrupted`] soon after `cancel` becomes true; [`Kind::Storage`] if
/// the image cannot be read; those of [`ImageFile::open`].
pub fn content_sha256(
    path: &Path,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<String> {
    const CHUNK: usize = 1 << 20;
    let image = ImageFile::open(path)?;
    let zeros = vec![0; CHUNK];
    let mut hash = Sha256::new();
    let mut at = 0;
    // Where the hole or the data ends that `at` is in.
    let mut end = 0;
    let mut hole = false;
    while at < image.size() {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "hashing was interrupted"));
        }
        if at >= end {
            (hole, end) = extent(image.file(), at, image.size())
                .map_err(|errno| read_error(path, at, errno.into()))?;
        }
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(CHUNK);
        let count = left.min(CHUNK);
        if hole {
            hash.update(zeros.get(..count).unwrap_or(&zeros));
            at = at.saturating_add(count as u64);
        } else {
            let bytes = image.read_at(at, count)?;
            if bytes.is_empty() {
                return Err(Error::new(
                    Kind::Storage,
                    format_args!("{} became shorter while it was read", shown(path)),
                ));
            }
            hash.update(&bytes);
            at = at.saturating_add(bytes.len() as u64);
        }
        progress(at, image.size());
    }
    Ok(hexadecimal(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn every_kind_of_change_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let then = identity(&path).unwrap();
        let check = || compare(&then, &identity(&path).unwrap());
        assert_eq!(check(), Comparison::Same);

        // The clock of a file system ticks every few milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(check(), Comparison::Touched);
        assert!(check().is_sound());

        let file = File::options().write(true).open(&path).unwrap();
        let mtime = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"x", 99_999).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(9))
            .unwrap();
        assert_eq!(check(), Comparison::Changed { head: false });
        file.write_all_at(b"x", 5).unwrap();
        file.set_modified(mtime).unwrap();
        assert_eq!(check(), Comparison::Changed { head: true });
        file.set_len(99_999).unwrap();
        assert_eq!(
            check(),
            Comparison::Resized {
                from: 100_000,
                to: 99_999
            }
        );
        std::fs::copy(&path, dir.path().join("other")).unwrap();
        std::fs::rename(dir.path().join("other"), &path).unwrap();
        assert_eq!(check(), Comparison::Replaced);
        assert!(!check().is_sound());
    }

    #[test]
    fn another_device_number_alone_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        std::fs::write(&path, "x").unwrap();
        let now = identity(&path).unwrap();
        let mut then = now.clone();
        then.file.device += 1;
        assert_eq!(compare(&then, &now), Comparison::Touched);
    }

    #[test]
    fn holes_are_hashed_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let [sparse, full] = ["sparse", "full"].map(|name| dir.path().join(name));
        let file = File::create(&sparse).unwrap();
        file.set_len(5 << 20).unwrap();
        file.write_all_at(b"data", 3 << 20).unwrap();
        let bytes = std::fs::read(&sparse).unwrap();
        std::fs::write(&full, &bytes).unwrap();
        let never = AtomicBool::new(false);
        let last = std::cell::Cell::new((0, 0));
        let hash = content_sha256(&sparse, &|done, all| last.set((done, all)), &never).unwrap();
        assert_eq!(hash, content_sha256(&full, &|_, _| {}, &never).unwrap());
        assert_eq!(hash, hexadecimal(&Sha256::digest(&bytes)));
        assert_eq!(last.get(), (5 << 20, 5 << 20));
        let stop = AtomicBool::new(true);
        let error = content_sha256(&full, &|_, _| {}, &stop).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
    }
}
