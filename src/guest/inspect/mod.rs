//! What a guest is: its operating system and what is set up in it.
//!
//! | file | what it reads |
//! |---|---|
//! | `os` | `os-release` and what there was before it, names, the processor |
//! | `packages` | the databases of dpkg, apk and pacman |
//! | `rpm`, `sqlite` | that of rpm |
//! | `windows`, `registry` | the registry of Windows |
//! | `places` | kernels, settings of the network, users |
//!
//! A file that is missing or makes no sense leaves its answer out; one that
//! cannot be read is told.

mod berkeley;
mod os;
mod packages;
mod places;
mod registry;
mod rpm;
mod sqlite;
mod windows;

use serde::Serialize;

pub use self::os::Os;
pub use self::packages::{Package, PackageKind, Packages};
pub use self::places::User;
use crate::error::Result;
use crate::guest::native::fs::Health;
use crate::guest::tree::{Place, Tree};

/// What a guest is.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Its operating system.
    pub os: Os,
    /// What it mounts where.
    pub mounts: Vec<Mount>,
    /// The versions of its kernels.
    pub kernels: Vec<String>,
    /// The files that set up its network.
    pub network: Vec<String>,
    /// Its users.
    pub users: Vec<User>,
    /// Its packages.
    pub packages: Packages,
    /// What could not be read, a clause each.
    pub problems: Vec<String>,
}

/// A file system, and where the guest mounts it.
#[derive(Clone, Debug, Serialize)]
pub struct Mount {
    /// The directory.
    pub at: String,
    /// The device in the guest.
    pub device: String,
    /// Which file system it is.
    pub fs: String,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Its label.
    pub label: Option<String>,
    /// Whether it was closed well.
    pub health: Health,
}

/// Looks at a guest.
pub fn inspect(tree: &Tree) -> Inspection {
    let mut looker = Looker {
        tree,
        problems: Vec::new(),
    };
    let os = os::read(&mut looker);
    Inspection {
        mounts: mounts(tree),
        kernels: places::kernels(&mut looker),
        network: places::network(&mut looker),
        users: places::users(&mut looker),
        packages: packages::read(&mut looker),
        os,
        problems: looker.problems,
    }
}

fn mounts(tree: &Tree) -> Vec<Mount> {
    let mounts = tree.mounts().iter();
    let mounts = mounts.map(|mount| Mount {
        at: text(&mount.at),
        device: mount.device.clone(),
        fs: mount.fs.kind().as_str().to_owned(),
        uuid: mount.fs.uuid(),
        label: mount.fs.label().map(|label| text(&label)),
        health: mount.fs.health(),
    });
    mounts.collect()
}

/// Reads files of a guest, and remembers what could not be.
struct Looker<'a> {
    tree: &'a Tree,
    problems: Vec<String>,
}

impl Looker<'_> {
    /// The text of a file of up to `most` bytes; `None` if there is none.
    fn text(&mut self, path: &str, most: u64) -> Option<String> {
        let read = self.tree.look(path).and_then(|place| {
            let read = place.map(|place| self.tree.contents(&place, most));
            read.transpose()
        });
        let bytes = self.told(path, read)??;
        Some(text(&bytes))
    }

    /// The names in a directory; none if there is no such directory.
    fn names(&mut self, path: &str) -> Vec<String> {
        let entries = self.entries(path).into_iter();
        entries.map(|(name, _)| name).collect()
    }

    fn entries(&mut self, path: &str) -> Vec<(String, Place)> {
        let read = self.tree.look(path).and_then(|place| {
            let Some(place) = place else {
                return Ok(Vec::new());
            };
            self.tree.entries(&place)
        });
        let entries = self.told(path, read).unwrap_or_default().into_iter();
        entries.map(|(name, place)| (text(&name), place)).collect()
    }

    fn is_there(&mut self, path: &str) -> bool {
        let found = self.tree.look(path);
        self.told(path, found).flatten().is_some()
    }

    fn told<T>(&mut self, path: &str, read: Result<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(format!("{path}: {error}"));
                None
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
