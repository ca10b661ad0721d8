//! Copying the state of an emulated TPM: a small directory of small files.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::copy::copy_small;
use super::file::shown;
use super::look::file_id;
use super::overlay::sync_dir;
use crate::error::{Error, Kind, Result};
use crate::model::FileId;

/// How deep directories may be nested. swtpm makes one, `tpm2`.
const MAX_DEPTH: usize = 4;

/// Copies a directory with its regular files and directories, their modes, and
/// for root their owners. On the disk when this returns.
///
/// # Errors
///
/// [`Kind::WrongState`] if something else is in it, such as a socket or a
/// symbolic link; [`Kind::Exists`] if there is something at `to`. What was
/// made before an error stays, under the name `to`.
pub fn copy_tree(from: &Path, to: &Path) -> Result<FileId> {
    copy_dir(from, to, 0)?;
    file_id(to)?.ok_or_else(|| {
        Error::new(
            Kind::Storage,
            format_args!("{} is gone as soon as it was made", shown(to)),
        )
    })
}

fn copy_dir(from: &Path, to: &Path, depth: usize) -> Result<()> {
    let refuse = |path: &Path, why: &str| {
        Error::new(
            Kind::WrongState,
            format_args!("{} {why}, and is not copied", shown(path)),
        )
    };
    if depth > MAX_DEPTH {
        return Err(refuse(from, "is nested too deeply"));
    }
    let cannot = |e| {
        Error::io(
            format_args!("cannot copy {} to {}", shown(from), shown(to)),
            e,
        )
    };
    let meta = fs::symlink_metadata(from).map_err(cannot)?;
    if !meta.is_dir() {
        return Err(refuse(from, "is no directory"));
    }
    DirBuilder::new().mode(0o700).create(to).map_err(cannot)?;
    for entry in fs::read_dir(from).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(cannot)?;
        if kind.is_dir() {
            copy_dir(&source, &target, depth + 1)?;
        } else if kind.is_file() {
            copy_small(&source, &target)?.sync()?;
        } else {
            return Err(refuse(&source, "is no regular file"));
        }
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(to, Some(meta.uid()), Some(meta.gid())).map_err(cannot)?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777)).map_err(cannot)?;
    sync_dir(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_modes_are_copied_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("tpm2")).unwrap();
        fs::write(from.join("tpm2/tpm2-00.permall"), b"state").unwrap();
        fs::set_permissions(from.join("tpm2"), fs::Permissions::from_mode(0o710)).unwrap();
        copy_tree(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("tpm2/tpm2-00.permall")).unwrap(), b"state");
        let mode = fs::metadata(to.join("tpm2")).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o710);

        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        let error = copy_tree(&from, &dir.path().join("again")).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
    }
}
