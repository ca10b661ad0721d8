//! The files of the store: written whole or not at all, read only if nobody else can
//! have written them.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};

/// The largest record that is read back. Five hundred clones of ten disks
/// take less than 2 MiB.
const MAX_RECORD: u64 = 64 << 20;

/// Refuses a file or directory that anybody but this user and root can write to.
pub(super) fn trusted(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path)
        .map_err(|e| Error::io(format!("cannot look at {}", path.display()), e))?;
    let me = rustix::process::geteuid().as_raw();
    let problem = if meta.file_type().is_symlink() {
        "is a symbolic link"
    } else if meta.uid() != me && meta.uid() != 0 {
        "belongs to another user"
    } else if meta.mode() & 0o022 != 0 {
        "can be written to by others"
    } else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Environment,
        format!("{} {problem}, so it is not trusted", path.display()),
    )
    .hint(format!(
        "look at what is in it, then make it yours alone: `chmod go-w {0}` or `chown $USER {0}`",
        path.display()
    )))
}

/// Writes a file so that it is there whole or not at all, even after a power
/// failure. It can be read by this user only.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temp = dir.join(format!(".{}.tmp", Uuid::new_v4()));
    let cannot = |e| Error::io(format!("cannot write {}", path.display()), e);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|e| {
        // The error is what matters; a leftover begins with a dot and is ignored.
        drop(fs::remove_file(&temp));
        cannot(e)
    })
}

/// Reads a file of the store, if this user can trust it.
pub(super) fn read_trusted(path: &Path, file: &File) -> Result<String> {
    trusted(path)?;
    let mut bytes = Vec::new();
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
    file.take(MAX_RECORD + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_RECORD {
        return Err(Error::new(
            Kind::NotUndone,
            format!("{} is too large to be a record of vmkin", path.display()),
        ));
    }
    // Not `read_to_string`: its error would be one of the storage, after which
    // everything is said to be undone.
    String::from_utf8(bytes).map_err(|e| {
        Error::wrap(
            Kind::NotUndone,
            format!("{} is not a record of vmkin", path.display()),
            e.utf8_error(),
        )
    })
}

/// Reads a record, of what `of` says; `None` if there is none.
///
/// # Errors
///
/// [`Kind::NotUndone`] if it cannot be understood. `again` is what to do when it is
/// removed.
pub(super) fn read_json<T: DeserializeOwned>(
    path: &Path,
    of: &str,
    again: &str,
) -> Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(format!("cannot read {}", path.display()), e)),
    };
    let text = read_trusted(path, &file)?;
    serde_json::from_str(&text).map(Some).map_err(|e| {
        Error::wrap(
            Kind::NotUndone,
            format!("{} is not a record {of}", path.display()),
            e,
        )
        .hint(format!(
            "if nothing else helps, remove it and {again}: `rm {}`",
            path.display()
        ))
    })
}

/// What the file of a record is called that is found by this key.
pub(super) fn name_for(key: &[u8]) -> PathBuf {
    let hash = Sha256::digest(key);
    let short: String = hash.iter().take(12).map(|b| format!("{b:02x}")).collect();
    PathBuf::from(format!("{short}.json"))
}

/// Writes a record of `subject`, instead of what was there before.
pub(super) fn write_json<T: Serialize>(path: &Path, record: &T, subject: &Path) -> Result<()> {
    let text = serde_json::to_vec_pretty(record).map_err(|e| {
        let what = format!("cannot record {}", subject.display());
        Error::wrap(Kind::Usage, what, e)
    })?;
    write_whole(path, &text)
}

/// All records of a directory, in no order.
pub(super) fn read_all<T>(dir: &Path, read: impl Fn(&Path) -> Result<Option<T>>) -> Result<Vec<T>> {
    let cannot = |e| Error::io(format!("cannot list {}", dir.display()), e);
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|e| e == "json") {
            all.extend(read(&path)?);
        }
    }
    Ok(all)
}

/// Removes a record, if it is there.
pub(super) fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), e))
        }
        _ => Ok(()),
    }
}
