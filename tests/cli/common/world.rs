//! Everything that a command could have changed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Every file of a host: images, journals, seal records. Two worlds are equal
/// if nothing was made, removed, written to, resealed or given away.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct World(BTreeMap<PathBuf, Entry>);

/// What a directory is.
const DIRECTORY: &str = "directory";

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    what: String,
    mode: u32,
    owner: (u32, u32),
    inode: u64,
    modified: (i64, i64),
    immutable: bool,
    attributes: Vec<u8>,
}

impl World {
    pub(super) fn of(root: &Path) -> Self {
        let mut all = BTreeMap::new();
        for path in files(root) {
            let name = path.strip_prefix(root).unwrap().to_owned();
            // These say nothing: an empty lock, directories that hold the rest.
            let lock = name.ends_with("names.lock");
            if lock || (path.is_dir() && !path.is_symlink() && name.starts_with("state")) {
                continue;
            }
            all.insert(name, Entry::of(&path));
        }
        Self(all)
    }

    /// The names of the images, sorted.
    pub(crate) fn images(&self) -> Vec<String> {
        self.names_in("images")
    }

    /// The journals that are there.
    pub(crate) fn journals(&self) -> Vec<String> {
        self.names_in("state/journal")
    }

    /// The seal records that are there.
    pub(crate) fn seals(&self) -> Vec<String> {
        self.names_in("state/bases")
    }

    /// Every file, by its path on the host, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.0.iter().filter(|(_, entry)| entry.what != DIRECTORY);
        files.map(|(path, _)| path.display().to_string()).collect()
    }

    /// What differs in the other world, in words.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, entry) in &self.0 {
            match other.0.get(path) {
                None => found.push(format!("{} has gone", path.display())),
                Some(now) if now != entry => {
                    found.push(format!("{} was {entry:?} and is {now:?}", path.display()));
                }
                Some(_) => {}
            }
        }
        let new = other.0.keys().filter(|path| !self.0.contains_key(*path));
        found.extend(new.map(|path| format!("{} has come", path.display())));
        found
    }

    /// The same world with only what lies in this directory of the host, and as
    /// if nothing had ever been sealed there.
    pub(crate) fn unsealed(&self, dir: &str) -> Self {
        let mut kept = self.0.clone();
        kept.retain(|path, _| path.starts_with(dir));
        for entry in kept.values_mut().filter(|e| e.what != DIRECTORY) {
            entry.mode = 0;
            entry.immutable = false;
        }
        Self(kept)
    }

    /// Whether a file is sealed: mode 0444 and, where root can have that,
    /// immutable.
    pub(crate) fn is_sealed(&self, name: &str) -> bool {
        self.0
            .get(Path::new(name))
            .is_some_and(|entry| entry.mode == 0o444)
    }

    /// Leaves a directory and all that is in it out of comparisons.
    pub(crate) fn forget_in(&mut self, dir: &str) {
        self.0.retain(|path, _| !path.starts_with(dir));
    }

    /// Leaves a file out of comparisons.
    pub(crate) fn forget(&mut self, name: &str) {
        self.0.remove(Path::new(name));
    }

    fn names_in(&self, dir: &str) -> Vec<String> {
        self.0
            .keys()
            .filter_map(|path| path.strip_prefix(dir).ok())
            .filter(|name| !name.as_os_str().is_empty())
            .map(|name| name.display().to_string())
            .collect()
    }
}

impl Entry {
    fn of(path: &Path) -> Self {
        let meta = fs::symlink_metadata(path).unwrap();
        let what = if meta.is_dir() {
            DIRECTORY.to_owned()
        } else if meta.is_symlink() {
            format!("link to {}", fs::read_link(path).unwrap().display())
        } else if meta.is_file() {
            let hash = Sha256::digest(fs::read(path).unwrap());
            let hash: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
            format!("{} bytes {hash}", meta.len())
        } else {
            "special".to_owned()
        };
        Self {
            what,
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
            inode: meta.ino(),
            // A directory changes with the temporary files in it.
            modified: if meta.is_dir() {
                (0, 0)
            } else {
                (meta.mtime(), meta.mtime_nsec())
            },
            immutable: meta.is_file() && vmkin::image::is_immutable(path).unwrap(),
            attributes: attributes(path),
        }
    }
}

/// The names of the extended attributes, access rights for others among them.
fn attributes(path: &Path) -> Vec<u8> {
    let mut names = vec![0; 4096];
    // Not every file system has them.
    let length = rustix::fs::llistxattr(path, names.as_mut_slice()).unwrap_or(0);
    names.truncate(length);
    names
}

/// Shown when two of them differ.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, entry) in &self.0 {
            let Entry {
                what,
                mode,
                inode,
                modified: (seconds, nanoseconds),
                immutable,
                ..
            } = entry;
            let seal = if *immutable { " immutable" } else { "" };
            writeln!(
                f,
                "{mode:04o} {:40} {what}{seal} (inode {inode}, {seconds}.{nanoseconds:09})",
                path.display()
            )?;
        }
        Ok(())
    }
}

/// Every path below a directory.
pub(super) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}
