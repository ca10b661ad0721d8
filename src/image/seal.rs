//! Making a base image hard to change.
//!
//! Mode 0444 keeps a golden domain from starting on it, for libvirt then wants
//! to write; the immutable flag also stops root's tools, moving and deleting.
//! Clones start as before, and libvirt's change of owner at their first start
//! fails without harm.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{IFlags, Mode, OFlags};
use rustix::io::Errno;

use super::file::shown;
use super::overlay::cannot_write;
use crate::error::{Error, Kind, Result};

/// The mode of a sealed image. Not 0400: QEMU could not read it any more,
/// since it is immutable and libvirt cannot give it away.
pub const SEALED_MODE: u32 = 0o444;

/// What sealing has done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// The mode before, without the file type.
    pub mode_before: u32,
    /// Whether the file is immutable now.
    pub immutable: bool,
    /// Why it is not immutable, in a few words.
    pub reason: Option<String>,
    /// Whether it was sealed before, so that nothing was done.
    pub already: bool,
    /// How many names the file has. With more than one, moving or deleting it
    /// by another name fails too.
    pub links: u64,
}

/// Whether these mode bits are those of a sealed image.
pub fn is_sealed_mode(mode: u32) -> bool {
    mode == SEALED_MODE
}

/// Seals a base image: mode 0444, and immutable where that is possible.
///
/// Whether it could be made immutable is part of the result and no error;
/// it takes root and a file system that has the flag.
///
/// # Errors
///
/// [`Kind::NotFound`]; [`Kind::WrongState`] if it is a symbolic link or no
/// regular file; [`Kind::Environment`] if its mode may not be changed.
pub fn seal(path: &Path) -> Result<Sealed> {
    let (file, meta) = open(path)?;
    let mode_before = meta.mode() & 0o7777;
    let flags = flags(&file);
    let was_immutable = matches!(flags, Ok(flags) if flags.contains(IFlags::IMMUTABLE));
    let mut sealed = Sealed {
        mode_before,
        immutable: was_immutable,
        reason: None,
        already: mode_before == SEALED_MODE && was_immutable,
        links: meta.nlink(),
    };
    if sealed.already {
        return Ok(sealed);
    }
    if mode_before != SEALED_MODE {
        if was_immutable {
            set_immutable(&file, false).map_err(|errno| cannot_write(path, errno.into()))?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(SEALED_MODE))
            .map_err(|errno| cannot_write(path, errno.into()))?;
    }
    match set_immutable(&file, true) {
        Ok(()) => sealed.immutable = true,
        Err(errno) => {
            sealed.immutable = false;
            sealed.already = mode_before == SEALED_MODE;
            sealed.reason = Some(explain(errno));
        }
    }
    Ok(sealed)
}

/// Takes the seal off an image and gives it back the mode `mode`.
///
/// # Errors
///
/// Those of [`seal`], and [`Kind::Environment`] if the immutable flag may not
/// be cleared.
pub fn unseal(path: &Path, mode: u32) -> Result<()> {
    let (file, meta) = open(path)?;
    let mode = mode & 0o7777;
    let was_immutable = matches!(flags(&file), Ok(flags) if flags.contains(IFlags::IMMUTABLE));
    if was_immutable {
        set_immutable(&file, false).map_err(|errno| cannot_write(path, errno.into()))?;
    }
    // Of another's file the mode may not be changed, even to what it is.
    if meta.mode() & 0o7777 == mode {
        return Ok(());
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|errno| {
        if was_immutable {
            // Half a seal is none; that it could not be opened is the error.
            let _ = set_immutable(&file, true);
        }
        cannot_write(path, errno.into())
    })
}

/// Whether a file is immutable. A file system that has no such flag says no.
///
/// # Errors
///
/// [`Kind::NotFound`] or [`Kind::Environment`] if it cannot be opened.
pub fn is_immutable(path: &Path) -> Result<bool> {
    let (file, _) = open(path)?;
    Ok(matches!(flags(&file), Ok(flags) if flags.contains(IFlags::IMMUTABLE)))
}

fn open(path: &Path) -> Result<(File, Metadata)> {
    let name = shown(path);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let refuse = |what: &str| {
        Error::new(
            Kind::WrongState,
            format_args!("{name} is {what}, and only a regular file can be sealed"),
        )
    };
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP => refuse("a symbolic link").hint("name the file that it leads to"),
        errno => Error::io(format_args!("cannot open {name}"), errno.into()),
    })?;
    let file = File::from(fd);
    let meta = file
        .metadata()
        .map_err(|error| Error::io(format_args!("cannot look at {name}"), error))?;
    if !meta.is_file() {
        return Err(refuse("not a regular file"));
    }
    Ok((file, meta))
}

fn flags(file: &File) -> rustix::io::Result<IFlags> {
    rustix::fs::ioctl_getflags(file)
}

fn set_immutable(file: &File, on: bool) -> rustix::io::Result<()> {
    let mut flags = flags(file)?;
    flags.set(IFlags::IMMUTABLE, on);
    rustix::fs::ioctl_setflags(file, flags)
}

fn explain(errno: Errno) -> String {
    match errno {
        Errno::PERM | Errno::ACCESS => "only root may set the immutable flag".to_owned(),
        Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS => {
            "the file system has no immutable flag".to_owned()
        }
        errno => std::io::Error::from(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn sealing_can_be_repeated_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let first = seal(&path).unwrap();
        assert_eq!(first.mode_before, 0o640);
        assert!(!first.already);
        assert_eq!(first.immutable, first.reason.is_none());
        assert_eq!(is_immutable(&path).unwrap(), first.immutable);
        assert_eq!(mode(&path), 0o444);
        let second = seal(&path).unwrap();
        assert!(second.already);
        assert_eq!(second.mode_before, 0o444);
        if first.immutable {
            assert!(std::fs::rename(&path, dir.path().join("b")).is_err());
        }
        unseal(&path, 0o640).unwrap();
        assert_eq!(mode(&path), 0o640);
        assert!(!is_immutable(&path).unwrap());
        unseal(&path, 0o600).unwrap();
    }

    #[test]
    fn an_immutable_file_of_another_mode_is_sealed_properly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        let (file, _) = open(&path).unwrap();
        if set_immutable(&file, true).is_ok() {
            let sealed = seal(&path).unwrap();
            assert_eq!((sealed.mode_before, sealed.immutable), (0o400, true));
            assert_eq!(mode(&path), 0o444);
            unseal(&path, 0o600).unwrap();
        }
    }

    #[test]
    fn only_regular_files_are_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::fs::write(dir.path().join("base"), "x").unwrap();
        std::os::unix::fs::symlink("base", &link).unwrap();
        assert_eq!(seal(&link).unwrap_err().kind(), Kind::WrongState);
        assert_eq!(seal(dir.path()).unwrap_err().kind(), Kind::WrongState);
        let none = dir.path().join("none");
        assert_eq!(seal(&none).unwrap_err().kind(), Kind::NotFound);
    }
}
