//! What vmkin remembers between two runs: journals of unfinished work, and
//! what sealed bases looked like.
//!
//! ```text
//! /var/lib/vmkin/           (root; others: ~/.local/state/vmkin)
//!   names.lock              held while names and addresses are chosen
//!   journal/<uuid>.jsonl    one per operation under way; locked by its process
//!   bases/<hash>.json       one per sealed base
//!   mounts/<uuid>.json      one per mounted guest; locked by its process
//!   pushes/<hash>.json      one per base that was pushed to another host
//!   mount.log               what those processes say
//! ```
//!
//! Nothing here is a secret, and nothing here is needed to run a clone: a host
//! that loses this directory loses the seals' history, not a guest.

mod bases;
mod commit;
mod journal;
mod migrate;
mod mounts;
mod moving;
mod pushes;
mod record;
mod relayer;
mod snapshot;
mod write;

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use self::record::trusted;
use crate::error::{Error, Kind, Result};

pub use self::bases::SealRecord;
pub use self::commit::{CommitIntent, CommittedDisk};
pub use self::journal::{
    Begun, CloneFiles, DeletedFile, FilePair, Found, Holder, Journal, Operation, ReplacedFile,
    SealIntent, Step, VolumeIntent,
};
pub use self::migrate::MigrateIntent;
pub use self::mounts::{FoundMount, MountEnd, MountRecord, ServedMount};
pub use self::moving::{MoveIntent, OldHeader};
pub use self::pushes::PushRecord;
pub use self::relayer::{RelayerAct, RelayerIntent, RelayeredDisk, RenameIntent};
pub use self::snapshot::{
    IntentDomain, SavedVariables, SnapshotAct, SnapshotImage, SnapshotIntent,
};
pub use self::write::{RedoDisk, WriteIntent};

/// How long to wait for another vmkin that is choosing names.
const NAMES_PATIENCE: Duration = Duration::from_secs(30);

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
