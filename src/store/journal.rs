//! Intent records: what an operation is about to do, written down before it
//! does it, so that the next run can finish it or take it back.
//!
//! A journal is a file of JSON lines. The first says what is intended, the
//! further ones what has been done that cannot be told from the outside. Each
//! line is on the disk before the step after it begins. The process that works
//! on it holds a lock on the file, which the kernel drops when the process
//! dies; so a journal that can be locked is one that was left behind.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::read_trusted;
use super::{
    CommitIntent, MigrateIntent, MoveIntent, OldHeader, RelayerIntent, RenameIntent,
    SnapshotIntent, Store, WriteIntent,
};
use crate::error::{Error, Kind, Result};
use crate::model::{BaseIdentity, FileId, Reservation};

/// The version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

/// The first line of a journal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Begun {
    version: u32,
    /// The process that began it.
    pub pid: u32,
    /// When, RFC 3339 in UTC. For people; nothing is decided by it.
    pub time: String,
    /// The connection whose domains it is about.
    pub uri: String,
    /// What is intended.
    pub operation: Operation,
}

/// What is intended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Operation {
    /// Make clones. Undone: each clone that is not defined loses its files.
    Clone {
        /// The golden domain's name, for messages.
        golden: String,
        /// The clones, in the order they are made.
        clones: Vec<CloneFiles>,
        /// What the clones are based on or copied from.
        bases: Vec<PathBuf>,
        /// The bases that are sealed first.
        seals: Vec<SealIntent>,
    },
    /// Delete a domain. Finished once the domain is undefined; before that,
    /// nothing has happened.
    Delete {
        /// The name of the domain, for messages.
        name: String,
        /// Its UUID.
        uuid: Uuid,
        /// The files that go with it.
        files: Vec<DeletedFile>,
        /// The volumes that go with it, where it is on another host.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        volumes: Vec<VolumeIntent>,
        /// The addresses that are no longer reserved for it.
        #[serde(default)]
        reservations: Vec<Reservation>,
        /// Where the user allowed backing files besides the storage pools.
        #[serde(default)]
        allow_dirs: Vec<PathBuf>,
    },
    /// Replace disks of a domain by fresh overlays. Undone before
    /// [`Step::Committed`], finished after it.
    Reset {
        /// The name of the domain, for messages.
        name: String,
        /// Its UUID.
        uuid: Uuid,
        /// The disks.
        disks: Vec<ReplacedFile>,
        /// Where the user allowed backing files besides the storage pools.
        #[serde(default)]
        allow_dirs: Vec<PathBuf>,
    },
    /// Make, apply or delete a snapshot.
    Snapshot(Box<SnapshotIntent>),
    /// Change the files of a guest.
    Write(WriteIntent),
    /// Give a base another place. Undone before [`Step::Repointing`], finished
    /// after it.
    MoveBase(MoveIntent),
    /// Put images with other layers in the places of disks.
    Relayer(RelayerIntent),
    /// Have the header of an overlay name another base. Undone before
    /// [`Step::Committed`], finished after it.
    Rename(RenameIntent),
    /// Put what an overlay holds into its base. Nothing to undo before
    /// [`Step::Merged`], finished after it.
    Commit(CommitIntent),
    /// Bring a domain and its disks to another host. Undone until the domain is there.
    Migrate(MigrateIntent),
    /// Make a new image. Undone: what has its temporary name goes. Once it has
    /// its own, it is whole.
    Build {
        /// The image.
        file: FilePair,
    },
}

/// A clone that is to be made. While the journal is locked this also reserves
/// its name, UUID and addresses.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CloneFiles {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// The addresses of its interfaces.
    pub macs: Vec<String>,
    /// The files that are made for it.
    pub files: Vec<FilePair>,
    /// The storage volumes that are made for it instead, where it is on another
    /// host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeIntent>,
    /// The addresses that are reserved for it.
    #[serde(default)]
    pub reservations: Vec<Reservation>,
}

/// A file that is made under a name of its own, and renamed when it is whole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FilePair {
    /// The name it is made under. Nobody else makes a file of this name.
    pub temp: PathBuf,
    /// The name it gets, which others may want too.
    pub path: PathBuf,
}

/// A storage volume of another host: one that is made, or that goes with its
/// domain. It is known by what is in it, for nothing else tells from afar which
/// one it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VolumeIntent {
    /// The pool that it is in.
    pub pool: String,
    /// Its name there.
    pub name: String,
    /// The size of its file, in bytes.
    pub size: u64,
    /// The SHA-256 of its first 64 KiB, in hexadecimal.
    pub head_sha256: String,
    /// Whether libvirt copies it there. What is in it nobody knows beforehand; it has a
    /// name that nobody else chooses instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
}

/// A base that is to be sealed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealIntent {
    /// The base.
    pub path: PathBuf,
    /// Its mode bits before.
    pub mode_before: u32,
    /// Which file it is.
    pub file: FileId,
}

/// A file that goes with its domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeletedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Which file that was. If another is there by now, that one stays.
    pub file: FileId,
    /// When that file was made, where that is known: its number may have been
    /// given to another one since.
    #[serde(default)]
    pub born_ns: Option<u64>,
}

/// An image that another one takes the place of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReplacedFile {
    /// The name the new one is made under, and the one that it takes.
    pub pair: FilePair,
    /// What the old one looked like. If it looks different by now, somebody
    /// has written to it since.
    pub old: BaseIdentity,
}

/// What has been done that cannot be told from the outside.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// The files of a clone are whole and about to be renamed.
    Made {
        /// Which clone, counted from 0.
        clone: usize,
        /// Its files, in the order of its [`CloneFiles::files`]. None for
        /// volumes: that they are ours is all that there is to say.
        files: Vec<FileId>,
    },
    /// The new files are whole and take the place of the old ones from here
    /// on: what is not done yet is finished, and no longer undone.
    Committed {
        /// The new files, in the order of [`Operation::Reset`]'s disks; none
        /// where disks go back to a snapshot, or are written to.
        files: Vec<FileId>,
    },
    /// The base is whole in its new place, under both names. From here on all that
    /// is on it is given the new one.
    Repointing {
        /// The file in the new place.
        file: FileId,
        /// The overlays that are on it, and what they began with.
        overlays: Vec<OldHeader>,
    },
    /// All that an overlay holds is in its base too, and the overlay goes, if it
    /// looks like this still.
    Merged {
        /// What it looks like.
        overlay: BaseIdentity,
    },
    /// The copy of the UEFI variables that belongs to a snapshot is whole and
    /// about to be renamed.
    Saved {
        /// Which file it is.
        file: FileId,
    },
}

impl Step {
    /// The new files that take the places of old ones, if it has come to that.
    pub fn committed(steps: &[Self]) -> Option<&[FileId]> {
        steps.iter().find_map(|step| match step {
            Self::Committed { files } => Some(files.as_slice()),
            _ => None,
        })
    }
}

/// The journal of an operation under way.
#[derive(Debug)]
pub struct Journal {
    file: Flock<File>,
    path: PathBuf,
}

/// A journal that was found, and what its lock tells.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What is intended.
    pub begun: Begun,
    /// What has been done.
    pub steps: Vec<Step>,
    /// Who works on it.
    pub holder: Holder,
}

/// Who works on a journal.
#[derive(Debug)]
pub enum Holder {
    /// The process that began it, which is alive.
    Alive,
    /// Nobody: it was left behind, and is ours now.
    Us(Journal),
}

impl Store {
    fn journals(&self) -> Result<PathBuf> {
        self.directory("journal")
    }

    /// Writes down what is intended, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then nothing may be begun.
    pub fn begin(&self, uri: &str, operation: Operation) -> Result<Journal> {
        let dir = self.journals()?;
        let cannot = |e| Error::io("cannot write a journal", e);
        let begun = Begun {
            version: VERSION,
            pid: std::process::id(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            uri: uri.to_owned(),
            operation,
        };
        let line = line(&begun)?;
        let (id, temp, file) = new_file(&dir).map_err(cannot)?;
        let path = dir.join(format!("{id}.jsonl"));
        let mut journal = Journal { file, path: temp };
        if let Err(error) = crate::failpoint::hit("store.journal") {
            drop(fs::remove_file(&journal.path));
            return Err(error);
        }
        let written = journal.write(&line).and_then(|()| {
            fs::rename(&journal.path, &path)?;
            File::open(&dir)?.sync_all()
        });
        if let Err(e) = written {
            // It may have its own name by now; nothing has begun.
            drop(fs::remove_file(&journal.path));
            drop(fs::remove_file(&path));
            return Err(cannot(e));
        }
        journal.path = path;
        Ok(journal)
    }

    /// All journals, whether their processes live or not. Those that were left
    /// behind are locked by this process then; one that it has locked already
    /// counts as held.
    ///
    /// # Errors
    ///
    /// [`Kind::NotUndone`] if one cannot be understood: it is not ignored,
    /// because files and domains may hang on it.
    pub fn survey(&self) -> Result<Vec<Found>> {
        self.all(look_at)
    }

    /// As [`survey`](Self::survey), for who is about to recover and has locked
    /// none yet: where a process is gone and its last child has its lock still,
    /// that is waited for.
    ///
    /// # Errors
    ///
    /// As [`survey`](Self::survey).
    pub fn survey_patiently(&self) -> Result<Vec<Found>> {
        self.all(wait_for)
    }

    fn all(&self, find: fn(&Path) -> Result<Option<Found>>) -> Result<Vec<Found>> {
        let dir = self.journals()?;
        let cannot = |e| Error::io(format!("cannot list {}", dir.display()), e);
        let mut all = Vec::new();
        for entry in fs::read_dir(&dir).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_some_and(|e| e == "jsonl") {
                all.extend(find(&path)?);
            }
        }
        all.sort_by(|a, b| a.begun.time.cmp(&b.begun.time).then(a.path.cmp(&b.path)));
        Ok(all)
    }

    /// Removes what was being written when its process died, before it had the
    /// name of a journal: nothing had begun then.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed.
    pub fn sweep(&self) -> Result<()> {
        let dir = self.journals()?;
        let cannot = |e| Error::io(format!("cannot list {}", dir.display()), e);
        for entry in fs::read_dir(&dir).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_none_or(|e| e != "tmp") {
                continue;
            }
            // One that is locked is being written now. One that vanishes has
            // become a journal.
            if let Ok(file) = OpenOptions::new().append(true).open(&path) {
                if let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                    drop(fs::remove_file(&path));
                }
            }
        }
        Ok(())
    }

    /// How many journals there are. Costs one directory listing, so that every
    /// command can afford it.
    pub fn count_journals(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.root().join("journal")) else {
            return 0;
        };
        entries
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|e| e == "jsonl"))
            .count()
    }
}

impl Journal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    /// Adds what has been done, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] and its like if it cannot be written; the journal says what
    /// it said before then. [`Kind::NotUndone`] if not even that is sure: nothing
    /// may be taken back then, nor gone on with, for the next run does what it finds
    /// written, and half of each would be neither.
    pub fn add(&mut self, steps: &[Step]) -> Result<()> {
        let mut bytes = Vec::new();
        for step in steps {
            bytes.extend(line(step)?);
        }
        let cannot = |e| Error::io("cannot write the journal", e);
        let before = self.file.metadata().map_err(cannot)?.len();
        let Err(error) = self.write(&bytes) else {
            return Ok(());
        };
        // What could not be made durable is there all the same, as long as the
        // host runs: whoever reads it would take it for done.
        let undone = self.file.set_len(before);
        match undone.and_then(|()| self.file.sync_data()) {
            Ok(()) => Err(cannot(error)),
            Err(_) => Err(cannot(error).with_kind(Kind::NotUndone).hint(
                "what is begun stays as it is; when the cause is gone, `vmkin recover` finishes \
                 it or takes it back",
            )),
        }
    }

    /// Passes on the error for which something is to be taken back.
    ///
    /// # Errors
    ///
    /// That error, if nothing may be taken back: see [`Self::add`].
    pub fn may_take_back(error: Error) -> Result<Error> {
        match error.kind() {
            Kind::NotUndone => Err(error),
            _ => Ok(error),
        }
    }

    /// Removes the journal: everything is done, or everything is undone.
    pub fn finish(self) -> Result<()> {
        // Should the removal get lost in a power failure, the next run finds
        // that there is nothing to do.
        fs::remove_file(&self.path).map_err(|e| {
            Error::io(format!("cannot remove {}", self.path.display()), e)
                .with_kind(Kind::NotUndone)
                .hint("when the cause is gone, run `vmkin recover`")
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)
        .map_err(|e| Error::wrap(Kind::Usage, "this cannot be written to a journal", e))?;
    line.push(b'\n');
    Ok(line)
}

/// A file that is locked before it has the name by which others find it, and the
/// temporary name that it has.
fn new_file(dir: &Path) -> std::io::Result<(Uuid, PathBuf, Flock<File>)> {
    loop {
        let id = Uuid::new_v4();
        let temp = dir.join(format!(".{id}.tmp"));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(&temp)?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
        // Who sweeps may have taken it for one that was left behind, before it was
        // locked.
        if file.metadata()?.nlink() > 0 {
            return Ok((id, temp, file));
        }
    }
}

/// How long the lock of a process that is gone is waited for: a child that it was
/// starting has all of its files open until it has become another program, or died
/// of its parent's death.
const LAST_CHILD: Duration = Duration::from_secs(1);

/// Reads one journal as [`look_at`] does, and waits for a lock that is only a
/// last child's.
fn wait_for(path: &Path) -> Result<Option<Found>> {
    let until = Instant::now() + LAST_CHILD;
    loop {
        let found = look_at(path)?;
        let is_held = found.as_ref().is_some_and(|found| {
            matches!(found.holder, Holder::Alive) && !is_there(found.begun.pid)
        });
        if !is_held || Instant::now() >= until {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether there is a process of this number.
fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Reads one journal; `None` if it is gone by now.
fn look_at(path: &Path) -> Result<Option<Found>> {
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let file = match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => file,
        Err(e) if gone(&e) => return Ok(None),
        Err(e) => return Err(cannot(e)),
    };
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    let text = match &lock {
        Ok(file) => read_trusted(path, file),
        Err((file, Errno::EWOULDBLOCK)) => read_trusted(path, file),
        Err((_, e)) => return Err(cannot((*e).into())),
    };
    // Its process may have ended well between the listing and now.
    if !path.exists() {
        return Ok(None);
    }
    let (begun, steps) = parse(path, &text?)?;
    let holder = match lock {
        Ok(file) => Holder::Us(Journal {
            file,
            path: path.to_owned(),
        }),
        Err(_) => Holder::Alive,
    };
    Ok(Some(Found {
        path: path.to_owned(),
        begun,
        steps,
        holder,
    }))
}

fn parse(path: &Path, text: &str) -> Result<(Begun, Vec<Step>)> {
    let bad = |e: serde_json::Error| {
        Error::wrap(
            Kind::NotUndone,
            format!("{} is not a journal that can be understood", path.display()),
            e,
        )
        .hint("a newer vmkin may have written it; nothing was changed")
    };
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    let begun: Begun = serde_json::from_str(first).map_err(bad)?;
    if begun.version != VERSION {
        return Err(Error::new(
            Kind::NotUndone,
            format!(
                "{} was written by another version of vmkin (format {}, this is {VERSION})",
                path.display(),
                begun.version
            ),
        )
        .hint("run `vmkin recover` with the version that wrote it"));
    }
    let mut steps = Vec::new();
    for line in lines {
        // A line without an end was being written when the process died, so
        // what comes after that step had not begun.
        if !line.ends_with('\n') {
            break;
        }
        steps.push(serde_json::from_str(line).map_err(bad)?);
    }
    Ok((begun, steps))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
