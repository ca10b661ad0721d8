//! Which files an image may lead to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::file::{ShownBytes, id_of};
use crate::model::NbdExport;

/// Which files may be layers below the top image of a disk.
///
/// The user names the top image, so it is always allowed, and so is what lies
/// right beside it. All else that a header names has to be in here: QEMU,
/// `qemu-img` and libvirt follow any name in any header, and a clone of a
/// hostile image would hand its guest whatever file of the host that names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trust {
    dirs: Vec<PathBuf>,
    named: Vec<PathBuf>,
    exports: Vec<NbdExport>,
    marked_top: bool,
}

impl Trust {
    /// Takes a top image that is marked corrupt too, for it to be checked or
    /// repaired and nothing else.
    pub fn take_marked_top(&mut self) {
        self.marked_top = true;
    }

    /// Whether it does.
    pub(super) fn takes_marked_top(&self) -> bool {
        self.marked_top
    }

    /// Allows everything in and below `dirs`, and the files `named` by the
    /// user or by domain XML, wherever they are.
    ///
    /// Directories and files that cannot be found allow nothing.
    pub fn new<D, N>(dirs: D, named: N) -> Self
    where
        D: IntoIterator,
        D::Item: AsRef<Path>,
        N: IntoIterator,
        N::Item: Into<PathBuf>,
    {
        let mut trust = Self::default();
        for dir in dirs {
            trust.allow_dir(dir.as_ref());
        }
        trust.named.extend(named.into_iter().map(Into::into));
        trust
    }

    /// The same on another host, where names are all that is known: of links
    /// nothing can be seen from here.
    pub fn of_names<D, N>(dirs: D, named: N) -> Self
    where
        D: IntoIterator,
        D::Item: Into<PathBuf>,
        N: IntoIterator,
        N::Item: Into<PathBuf>,
    {
        Self {
            dirs: dirs.into_iter().map(Into::into).collect(),
            named: named.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Allows everything in and below a directory; or one file or device.
    pub fn allow_dir(&mut self, dir: &Path) {
        if let Ok(dir) = dir.canonicalize() {
            self.dirs.push(dir);
        }
    }

    /// Allows one file.
    pub fn allow_file(&mut self, path: impl Into<PathBuf>) {
        self.named.push(path.into());
    }

    /// Allows one NBD export, to headers that name it by its URI to the letter:
    /// what is read from it must be raw, and nothing is below it.
    pub fn allow_export(&mut self, export: NbdExport) {
        self.exports.push(export);
    }

    /// The allowed export that a header names, if it does.
    pub(super) fn export(&self, name: &[u8]) -> Option<&NbdExport> {
        self.exports
            .iter()
            .find(|export| export.uri().as_bytes() == name)
    }

    /// The directories, free of symbolic links.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Whether the file at `real`, a path free of symbolic links, may be a
    /// layer of a disk whose top image lies in one of the directories `beside`.
    pub(super) fn allows(&self, real: &Path, beside: &[PathBuf]) -> bool {
        if self.allows_name(real, beside) {
            return true;
        }
        if self.named.is_empty() {
            return false;
        }
        let id = id_of(real);
        self.named
            .iter()
            .any(|named| id.is_some() && id_of(named) == id)
    }

    /// The same by the name alone: no file is looked at.
    pub(super) fn allows_name(&self, path: &Path, beside: &[PathBuf]) -> bool {
        // Not below those: next to an image in a home directory lies `.ssh`.
        let parent = path.parent();
        beside.iter().any(|dir| Some(dir.as_path()) == parent)
            || self.dirs.iter().any(|dir| path.starts_with(dir))
            || self.named.iter().any(|named| named == path)
    }
}

/// Where the name of a backing file leads, or why it must not be followed.
///
/// `dir` is the directory of the image that names it, by the path that image
/// was opened by: QEMU, too, goes by the name and not by what that links to
/// (`bdrv_make_absolute_filename()` in its `block.c`).
pub(super) fn follow(name: &[u8], dir: &Path) -> Result<PathBuf, String> {
    if name.contains(&0) {
        return Err("its name has a NUL byte in it".to_owned());
    }
    let path = match protocol(name) {
        None => name,
        // QEMU only strips the prefix, libvirt reads a URL; what both
        // understand the same way is an absolute path in plain characters.
        Some(b"file") => match name.strip_prefix(b"file:") {
            Some(path)
                if path.starts_with(b"/")
                    && (!path.starts_with(b"//") || path.starts_with(b"///"))
                    && !path.iter().any(|byte| b"%?#".contains(byte)) =>
            {
                path
            }
            _ => return Err("QEMU and libvirt would read its `file:` name differently".to_owned()),
        },
        Some(protocol) => {
            return Err(format!(
                "it is reached by the protocol `{}`, and only files are followed",
                ShownBytes(protocol)
            ));
        }
    };
    Ok(dir.join(OsStr::from_bytes(path)))
}

/// The protocol in a name, by QEMU's rule: a colon before any slash.
fn protocol(name: &[u8]) -> Option<&[u8]> {
    let end = name.iter().position(|byte| matches!(byte, b':' | b'/'))?;
    let (protocol, rest) = name.split_at_checked(end)?;
    rest.starts_with(b":").then_some(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NbdServer;

    #[test]
    fn plain_names_are_followed_as_qemu_does() {
        let follow = |name: &str| follow(name.as_bytes(), Path::new("/images"));
        assert_eq!(follow("base.img").unwrap(), Path::new("/images/base.img"));
        assert_eq!(follow("../b:c").unwrap(), Path::new("/images/../b:c"));
        assert_eq!(follow("./b:c").unwrap(), Path::new("/images/./b:c"));
        assert_eq!(follow("/x/y:z").unwrap(), Path::new("/x/y:z"));
        assert_eq!(follow("file:/x/y").unwrap(), Path::new("/x/y"));
    }

    #[test]
    fn protocols_are_not() {
        for name in [
            "json:{\"driver\":\"raw\"}",
            "nbd:localhost:10809",
            "nbd://h/x",
            "ssh://h/x",
            "http://h/x",
            "NBD:unix:/x",
            "a b:c",
            ":x",
            "file:rel",
            "file://host/x",
            "file:/a%2fb",
            "fat:/etc",
        ] {
            assert!(
                follow(name.as_bytes(), Path::new("/images")).is_err(),
                "{name}"
            );
        }
        assert!(follow(b"a\0b", Path::new("/images")).is_err());
    }

    #[test]
    fn an_export_is_allowed_to_the_letter() {
        let server = NbdServer::Unix("/run/n".to_owned());
        let mut trust = Trust::default();
        trust.allow_export(NbdExport::new(server, "a").unwrap());
        assert!(trust.export(b"nbd+unix:///a?socket=/run/n").is_some());
        for name in [
            "nbd+unix:///b?socket=/run/n",
            "nbd+unix:///a?socket=/run/m",
            "nbd+unix:///a?socket=%2Frun/n",
            "nbd+unix:////a?socket=/run/n",
            "nbd+unix:///a?socket=/run/n&x=y",
            "nbd+unix:///a?socket=/run/n\0",
            "nbd:unix:/run/n:exportname=a",
            "NBD+unix:///a?socket=/run/n",
        ] {
            assert!(trust.export(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn beside_is_not_below() {
        let trust = Trust::default();
        let beside = [PathBuf::from("/home/me")];
        assert!(trust.allows(Path::new("/home/me/base"), &beside));
        assert!(!trust.allows(Path::new("/home/me/.ssh/id"), &beside));
        assert!(!trust.allows(Path::new("/home/mean"), &beside));
    }

    #[test]
    fn allowed_directories_and_files_are_compared_free_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("pool")).unwrap();
        std::fs::write(dir.join("pool/a"), "").unwrap();
        std::fs::write(dir.join("b"), "").unwrap();
        std::os::unix::fs::symlink("pool", dir.join("link")).unwrap();
        std::os::unix::fs::symlink("b", dir.join("c")).unwrap();
        let trust = Trust::new([dir.join("link")], [dir.join("c")]);
        assert!(trust.allows(&dir.join("pool/a"), &[]));
        assert!(trust.allows(&dir.join("b"), &[]));
        assert!(!trust.allows(&dir.join("d"), &[]));
    }
}
