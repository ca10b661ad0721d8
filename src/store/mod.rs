//! What vmkin remembers between two runs: journals of unfinished work, and
//! what sealed bases looked like.
//!
//! ```text
//! /var/lib/vmkin/           (root; others: ~/.local/state/vmkin)
//!   names.lock              held while names and addresses are chosen
//!   journal/<uuid>.jsonl    one per operation under way; locked by its process
//!   bases/<hash>.json       one per sealed base
//!   mounts/<uuid>.json      one per mounted guest; locked by its process
//!   mount.log               what those processes say
//! ```
//!
//! Nothing here is a secret, and nothing here is needed to run a clone: a host
//! that loses this directory loses the seals' history, not a guest.

mod bases;
mod commit;
mod journal;
mod mounts;
mod moving;
mod relayer;
mod snapshot;
mod write;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use uuid::Uuid;

use crate::error::{Error, Kind, Result};

pub use self::bases::SealRecord;
pub use self::commit::{CommitIntent, CommittedDisk};
pub use self::journal::{
    Begun, CloneFiles, DeletedFile, FilePair, Found, Holder, Journal, Operation, ReplacedFile,
    SealIntent, Step,
};
pub use self::mounts::{FoundMount, MountEnd, MountRecord, ServedMount};
pub use self::moving::{MoveIntent, OldHeader};
pub use self::relayer::{RelayerAct, RelayerIntent, RelayeredDisk};
pub use self::snapshot::{
    IntentDomain, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
};
pub use self::write::{RedoDisk, WriteIntent};

/// How long to wait for another vmkin that is choosing names.
const NAMES_PATIENCE: Duration = Duration::from_secs(30);

/// The largest record that is read back. Five hundred clones of ten disks
/// take less than 2 MiB.
const MAX_RECORD: u64 = 64 << 20;

/// The directory where vmkin remembers things.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The directory of this user: `$VMKIN_STATE_DIR`, else `/var/lib/vmkin`
    /// for root and `$XDG_STATE_HOME/vmkin` (`~/.local/state/vmkin`) for
    /// anybody else. Nothing is created yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if there is no home directory.
    pub fn of_user() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = if let Some(dir) = set("VMKIN_STATE_DIR") {
            PathBuf::from(dir)
        } else if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib/vmkin")
        } else if let Some(dir) = set("XDG_STATE_HOME") {
            Path::new(&dir).join("vmkin")
        } else if let Some(home) = set("HOME") {
            Path::new(&home).join(".local/state/vmkin")
        } else {
            return Err(Error::new(
                Kind::Environment,
                "no place to keep journals: HOME is not set",
            )
            .hint("set HOME, or VMKIN_STATE_DIR to a directory of yours"));
        };
        Ok(Self::at(root))
    }

    /// A store at this place. Nothing is created yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the store, made if it is missing.
    ///
    /// Refused if somebody else could have put something there: what is in it
    /// decides which files `recover` deletes.
    fn directory(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|e| {
                Error::io(format!("cannot create {}", dir.display()), e)
                    .with_kind(Kind::Environment)
            })?;
        for dir in [&self.root, &dir] {
            trusted(dir)?;
        }
        Ok(dir)
    }

    /// Where the lines are kept that a user has typed; this user alone can read it.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be made, or somebody else can write to it.
    pub fn shell_history(&self) -> Result<PathBuf> {
        let path = self.directory("")?.join("shell-history");
        let made = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|e| Error::io(format!("cannot write {}", path.display()), e))?;
        trusted(&path)?;
        Ok(path)
    }

    /// Waits for the right to choose names, UUIDs and addresses, so that two
    /// processes cannot choose the same. Given back on drop.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if another vmkin keeps it for long.
    pub fn names_lock(&self) -> Result<Flock<File>> {
        let path = self.directory("")?.join("names.lock");
        let cannot = |e| Error::io(format!("cannot lock {}", path.display()), e);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(cannot)?;
        let patience = crate::failpoint::patience(NAMES_PATIENCE);
        let since = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((back, Errno::EWOULDBLOCK)) if since.elapsed() < patience => {
                    file = back;
                    thread::sleep(Duration::from_millis(2));
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(Error::new(
                        Kind::Busy,
                        "another vmkin has been choosing names for half a minute",
                    )
                    .hint(format!("see which: `fuser -v {}`", path.display())));
                }
                Err((_, e)) => return Err(cannot(e.into())),
            }
        }
    }
}

/// Refuses a file or directory that anybody but this user and root can write to.
fn trusted(path: &Path) -> Result<()> {
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
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
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
fn read_trusted(path: &Path, file: &File) -> Result<String> {
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
