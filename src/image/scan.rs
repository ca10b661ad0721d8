//! The overlays in a directory: the children of a base that no domain knows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file::{ImageFile, id_of, shown};
use super::qcow2::{Header, is_qcow2};
use super::trust::follow;
use crate::error::{Error, Result};
use crate::model::{FileId, ImageFormat};

/// How many files of a directory are looked at.
const MOST_FILES: usize = 100_000;

/// What was found in a directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// The overlays, by path.
    pub overlays: Vec<FoundOverlay>,
    /// Files that may be overlays and could not be read, and why. If there is
    /// one, nobody knows that a base has no more children than were found.
    pub unread: Vec<(PathBuf, String)>,
    /// Whether there were more files than are looked at (100 000).
    pub capped: bool,
}

/// An overlay that was found in a directory.
///
/// Its header was read, not checked: a damaged child is a child still.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundOverlay {
    /// Where it is.
    pub path: PathBuf,
    /// Which file it is.
    pub file: FileId,
    /// The size of its disk, in bytes.
    pub virtual_size: u64,
    /// What it names as its backing file, in its own words.
    pub backing_name: Vec<u8>,
    /// Where that leads, if it is a file.
    pub backing_path: Option<PathBuf>,
    /// Which file is there, if there is one.
    pub backing_file: Option<FileId>,
    /// The format it gives its backing file, if it gives a known one.
    pub backing_format: Option<ImageFormat>,
}

/// Finds the qcow2 images with a backing file in a directory, not below it.
///
/// Only the first bytes of each regular file are read; symbolic links are not
/// followed, and nothing is followed that a header names beyond asking the
/// system which file it is.
///
/// # Errors
///
/// Those of reading the directory; never those of a single file.
pub fn overlays_in(dir: &Path) -> Result<Scan> {
    let cannot = |error| {
        Error::io(
            format_args!("cannot read the directory {}", shown(dir)),
            error,
        )
    };
    let mut scan = Scan::default();
    let mut looked_at = 0_usize;
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if looked_at >= MOST_FILES {
            scan.capped = true;
            break;
        }
        looked_at += 1;
        let path = entry.path();
        match look_at(&path) {
            Ok(Some(overlay)) => scan.overlays.push(overlay),
            Ok(None) => {}
            // It has gone meanwhile.
            Err(_) if id_of(&path).is_none() => {}
            Err(why) => scan.unread.push((path, why)),
        }
    }
    scan.overlays.sort_by(|a, b| a.path.cmp(&b.path));
    scan.unread.sort();
    Ok(scan)
}

fn look_at(path: &Path) -> std::result::Result<Option<FoundOverlay>, String> {
    let image = ImageFile::open(path).map_err(|error| error.to_string())?;
    let head = image.read_at(0, 8).map_err(|error| error.to_string())?;
    if !is_qcow2(&head) {
        return Ok(None);
    }
    let header = Header::read_unchecked(&image)
        .map_err(|error| error.to_string())?
        .map_err(|defect| defect.to_string())?;
    let backing_format = header.backing_format();
    let virtual_size = header.disk_size();
    Ok(header.backing_name.map(|name| {
        let backing_path = follow(&name, path.parent().unwrap_or(Path::new("."))).ok();
        FoundOverlay {
            path: path.to_owned(),
            file: image.id(),
            virtual_size,
            backing_file: backing_path.as_deref().and_then(id_of),
            backing_path,
            backing_format,
            backing_name: name,
        }
    }))
}

impl FoundOverlay {
    /// The name of the backing file as a path, whether it leads anywhere or not.
    pub fn backing_as_written(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.backing_name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::image::{Overlay, write};

    #[test]
    fn overlays_are_found_and_other_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        std::fs::write(&base, [0; 512]).unwrap();
        let make = |name: &str, backing: &Path| {
            let spec = Overlay {
                virtual_size: 1 << 20,
                backing,
                backing_format: ImageFormat::Raw,
            };
            write(&dir.path().join(name), &spec).unwrap()
        };
        drop(make("b", &base));
        drop(make("a", Path::new("/gone")));
        // A child that is marked corrupt is a child still.
        make("c", &base).file().write_all_at(&[2], 79).unwrap();
        make("d", &base).file().set_len(50).unwrap();
        std::fs::write(dir.path().join("text"), "QFI").unwrap();
        std::os::unix::fs::symlink("b", dir.path().join("link")).unwrap();
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        let scan = overlays_in(dir.path()).unwrap();
        let found: Vec<_> = scan
            .overlays
            .iter()
            .map(|o| (o.path.file_name().unwrap(), o.backing_file.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("a".as_ref(), false),
                ("b".as_ref(), true),
                ("c".as_ref(), true)
            ]
        );
        assert_eq!(scan.overlays[1].backing_file, id_of(&base));
        assert_eq!(scan.overlays[0].backing_as_written(), Path::new("/gone"));
        assert_eq!(scan.unread.len(), 1);
        assert!(!scan.capped);
    }
}
