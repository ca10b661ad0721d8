//! Small questions about files, answered without opening more than is needed.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::file::{ImageFile, shown};
use super::qcow2::is_qcow2;
use super::seal::is_immutable;
use crate::error::{Error, Result};
use crate::model::FileId;

/// How hard a file is to change now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SealState {
    /// Its mode, without the file type.
    pub mode: u32,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Whether nobody but root may write to it.
    pub sealed: bool,
}

/// Which file has this name; `None` if none has. A symbolic link is a file of
/// its own here: what it leads to belongs to somebody else.
///
/// # Errors
///
/// If that cannot be found out.
pub fn file_id(path: &Path) -> Result<Option<FileId>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(id(&meta))),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::io(format_args!("cannot look at {}", shown(path)), e)),
    }
}

/// When the file of this name came to be, in nanoseconds since 1970, where the
/// file system remembers. The number of a file that is gone is soon given to a
/// new one, and nothing but this tells them apart.
pub fn born_ns(path: &Path) -> Option<u64> {
    let born = fs::symlink_metadata(path).ok()?.created().ok()?;
    let since = born.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

fn id(meta: &Metadata) -> FileId {
    if meta.file_type().is_block_device() {
        FileId {
            device: meta.rdev(),
            inode: 0,
        }
    } else {
        FileId {
            device: meta.dev(),
            inode: meta.ino(),
        }
    }
}

/// Whether two names lead to one file, symbolic links followed. What cannot be
/// looked at is not the same as anything.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || match (fs::metadata(one), fs::metadata(other)) {
            (Ok(one), Ok(other)) => id(&one) == id(&other),
            _ => false,
        }
}

/// Whether everybody may read the file, the user that QEMU runs as among them.
pub fn readable_by_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o004 != 0)
}

/// Which directories everybody can write to, of this one and those above it.
/// Everybody can put another file in the place of one there, between the look
/// at its header and its use. With the sticky bit, as `/tmp` has it, nobody can
/// take another's file away.
///
/// A group that may write to the directory was chosen by whoever runs the host.
pub fn open_to_all(dir: &Path) -> Vec<PathBuf> {
    let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    real.ancestors()
        .filter(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o1002 == 0o002))
        .map(Path::to_owned)
        .collect()
}

/// How hard a file is to change now.
///
/// # Errors
///
/// If it cannot be looked at.
pub fn seal_state(path: &Path) -> Result<SealState> {
    let meta = fs::metadata(path)
        .map_err(|e| Error::io(format_args!("cannot look at {}", shown(path)), e))?;
    let mode = meta.mode() & 0o7777;
    Ok(SealState {
        mode,
        immutable: meta.is_file() && is_immutable(path)?,
        sealed: mode & 0o222 == 0,
    })
}

/// Whether a file begins as qcow2 images do. Says nothing about what it is to
/// the guest: a raw disk may begin so too, if its guest wants to.
///
/// # Errors
///
/// If it cannot be read.
pub fn looks_like_qcow2(path: &Path) -> Result<bool> {
    let image = ImageFile::open(path)?;
    Ok(is_qcow2(&image.read_at(0, 8)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_a_file_of_its_own_and_leads_to_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, b"QFI\xfb\0\0\0\x03").unwrap();
        symlink(&file, &link).unwrap();
        assert_ne!(file_id(&file).unwrap(), file_id(&link).unwrap());
        assert!(same_file(&file, &link));
        assert_eq!(file_id(&dir.path().join("c")).unwrap(), None);
        assert!(looks_like_qcow2(&file).unwrap());
    }

    #[test]
    fn directories_that_everybody_can_write_to_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (open, inner) = (dir.join("open"), dir.join("open/inner"));
        fs::create_dir_all(&inner).unwrap();
        symlink(&inner, dir.join("link")).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let found = |name: &str| {
            let mut found = open_to_all(&dir.join(name));
            found.retain(|path| path.starts_with(&dir));
            found
        };
        mode(&inner, 0o775);
        mode(&open, 0o1777);
        assert_eq!(found("open/inner"), [""; 0].map(PathBuf::from));
        mode(&open, 0o777);
        for name in ["open/inner", "link", "open"] {
            assert_eq!(found(name), [open.as_path()], "{name}");
        }
        mode(&inner, 0o703);
        assert_eq!(found("link"), [inner, open]);
    }

    #[test]
    fn what_nobody_may_write_to_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, b"x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(!seal_state(&file).unwrap().sealed);
        assert!(!readable_by_all(&file));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
        let state = seal_state(&file).unwrap();
        assert!(state.sealed && !state.immutable && state.mode == 0o444);
        assert!(readable_by_all(&file));
    }
}
