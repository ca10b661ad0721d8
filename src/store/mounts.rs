//! Which guests are mounted where, by which processes.
//!
//! A record is a file of one JSON document. The process that serves the mount
//! holds a lock on it, which the kernel drops when the process dies: a record
//! that can be locked is of a mount that nobody serves any more.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::record::{read_trusted, write_whole};
use crate::error::{Error, Kind, Result};

/// From which size on the log is put aside for a new one.
const LOG_SIZE: u64 = 1 << 20;

/// What is known of a mount.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MountRecord {
    /// Where, free of symbolic links.
    pub dir: PathBuf,
    /// The guest: the name of its domain, or of its first image.
    pub guest: String,
    /// The UUID of the domain, if it is one.
    pub domain: Option<Uuid>,
    /// Its images.
    pub images: Vec<PathBuf>,
    /// Whether it can be written to.
    pub writable: bool,
    /// The process that serves it.
    pub pid: u32,
    /// Since when, RFC 3339 in UTC. For people.
    pub since: String,
}

impl MountRecord {
    /// A record of a mount that this process serves from now on.
    pub fn new(dir: PathBuf, guest: String) -> Self {
        Self {
            dir,
            guest,
            domain: None,
            images: Vec::new(),
            writable: false,
            pid: std::process::id(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// How a mount ended that could be written to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum MountEnd {
    /// What was written is in the guest.
    Committed,
    /// What was written was dropped, as was asked for.
    Discarded,
    /// It went wrong.
    Failed {
        /// The exit code for it.
        code: u8,
        /// What went wrong.
        message: String,
        /// What to do about it.
        hints: Vec<String>,
    },
}

/// A mount on record.
#[derive(Clone, Debug)]
pub struct FoundMount {
    /// The number of its record.
    pub id: Uuid,
    /// What is known of it.
    pub record: MountRecord,
    /// Whether its process lives.
    pub is_served: bool,
    /// How it ended, if it did and that is known.
    pub end: Option<MountEnd>,
}

/// The record of a mount that this process serves.
#[derive(Debug)]
pub struct ServedMount {
    dir: PathBuf,
    id: Uuid,
    _lock: Flock<File>,
}

impl Store {
    fn mount_dir(&self) -> Result<PathBuf> {
        self.directory("mounts")
    }

    /// Puts a mount on record, which is this process's from now on.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn begin_mount(&self, id: Uuid, record: &MountRecord) -> Result<ServedMount> {
        let dir = self.mount_dir()?;
        let temp = dir.join(format!(".{id}.tmp"));
        let cannot = |e| Error::io("cannot put the mount on record", e);
        let text = serde_json::to_vec(record)
            .map_err(|e| Error::wrap(Kind::Usage, "cannot put the mount on record", e))?;
        let written = || -> std::io::Result<Flock<File>> {
            let file = OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(&temp)?;
            // Locked before it has the name by which others find it.
            let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
                .map_err(|(_, errno)| std::io::Error::from(errno))?;
            file.write_all(&text)?;
            fs::rename(&temp, named(&dir, id, "json"))?;
            Ok(file)
        };
        match written() {
            Ok(lock) => Ok(ServedMount {
                dir,
                id,
                _lock: lock,
            }),
            Err(error) => {
                drop(fs::remove_file(&temp));
                Err(cannot(error))
            }
        }
    }

    /// The mounts on record, whether they are served or not.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn mounts(&self) -> Result<Vec<FoundMount>> {
        if !self.root().join("mounts").exists() {
            return Ok(Vec::new());
        }
        let dir = self.mount_dir()?;
        let cannot = |e| Error::io(format!("cannot list {}", dir.display()), e);
        let mut all = Vec::new();
        for entry in fs::read_dir(&dir).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let id = path.file_stem().and_then(|id| id.to_str());
            let id = id.and_then(|id| Uuid::try_parse(id).ok());
            if let Some(id) = id.filter(|_| path.extension().is_some_and(|e| e == "json")) {
                all.extend(found(&dir, id, &path)?);
            }
        }
        all.sort_by(|a, b| a.record.dir.cmp(&b.record.dir).then(a.id.cmp(&b.id)));
        Ok(all)
    }

    /// Whether this mount is on record.
    pub fn has_mount(&self, id: Uuid) -> bool {
        named(&self.root().join("mounts"), id, "json").exists()
    }

    /// Has what was written to a mount dropped when it ends; or, if not `wanted`,
    /// kept after all.
    ///
    /// # Errors
    ///
    /// If that cannot be written down.
    pub fn discard_mount(&self, id: Uuid, wanted: bool) -> Result<()> {
        let path = named(&self.mount_dir()?, id, "discard");
        if wanted {
            return write_whole(&path, b"");
        }
        drop(fs::remove_file(path));
        Ok(())
    }

    /// Takes a mount off the record that nobody serves any more.
    ///
    /// # Errors
    ///
    /// If the directory is not to be trusted.
    pub fn forget_mount(&self, id: Uuid) -> Result<()> {
        let dir = self.mount_dir()?;
        for end in ["discard", "end", "json"] {
            drop(fs::remove_file(named(&dir, id, end)));
        }
        Ok(())
    }

    /// Where those who serve mounts say what they have to say.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn mount_log(&self) -> Result<(PathBuf, File)> {
        let path = self.directory("")?.join("mount.log");
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_SIZE) {
            drop(fs::rename(&path, path.with_extension("log.old")));
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|e| Error::io(format!("cannot open {}", path.display()), e))?;
        Ok((path, file))
    }
}

impl ServedMount {
    /// Whether what was written is to be dropped.
    pub fn is_to_be_discarded(&self) -> bool {
        named(&self.dir, self.id, "discard").exists()
    }

    /// Takes it off the record: it has ended, and nobody wants to know how.
    pub fn forget(self) {
        for end in ["discard", "json"] {
            drop(fs::remove_file(named(&self.dir, self.id, end)));
        }
    }

    /// Leaves on record how it ended, for who waits for that.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn end(self, end: &MountEnd) -> Result<()> {
        let text = serde_json::to_vec(end)
            .map_err(|e| Error::wrap(Kind::Storage, "cannot put the end on record", e))?;
        write_whole(&named(&self.dir, self.id, "end"), &text)
    }
}

fn named(dir: &Path, id: Uuid, end: &str) -> PathBuf {
    dir.join(format!("{id}.{end}"))
}

/// Reads a record; `None` if it has gone meanwhile.
fn found(dir: &Path, id: Uuid, path: &Path) -> Result<Option<FoundMount>> {
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let text = match read_trusted(path, &file) {
        Ok(text) => text,
        Err(_) if !path.exists() => return Ok(None),
        Err(error) => return Err(error),
    };
    let record = serde_json::from_str(&text).map_err(|e| {
        let what = format!("{} is not a record of a mount", path.display());
        Error::wrap(Kind::Environment, what, e)
    })?;
    // Shared, so that two who ask do not take each other for the one who serves.
    let is_served = matches!(
        Flock::lock(file, FlockArg::LockSharedNonblock),
        Err((_, Errno::EWOULDBLOCK))
    );
    let end = fs::read(named(dir, id, "end")).ok();
    Ok(Some(FoundMount {
        id,
        record,
        is_served,
        end: end.and_then(|end| serde_json::from_slice(&end).ok()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_lives_as_long_as_who_serves_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("state"));
        assert!(store.mounts().unwrap().is_empty());
        let id = Uuid::new_v4();
        let record = MountRecord::new("/mnt/web".into(), "web".to_owned());
        let served = store.begin_mount(id, &record).unwrap();
        let only = || {
            let [only] = store.mounts().unwrap().try_into().unwrap();
            let FoundMount { is_served, end, .. } = only;
            (is_served, end)
        };
        assert_eq!(only(), (true, None));
        assert!(!served.is_to_be_discarded());
        store.discard_mount(id, true).unwrap();
        assert!(served.is_to_be_discarded());
        store.discard_mount(id, false).unwrap();
        assert!(!served.is_to_be_discarded());
        served.end(&MountEnd::Committed).unwrap();
        assert_eq!(only(), (false, Some(MountEnd::Committed)));
        store.forget_mount(id).unwrap();
        assert!(store.mounts().unwrap().is_empty() && !store.has_mount(id));
        // One that was killed.
        drop(store.begin_mount(id, &record).unwrap());
        assert_eq!(only(), (false, None));
        let served = store.begin_mount(Uuid::new_v4(), &record).unwrap();
        store.forget_mount(id).unwrap();
        served.forget();
        assert!(store.mounts().unwrap().is_empty());
        assert_eq!(
            fs::read_dir(store.root().join("mounts")).unwrap().count(),
            0
        );
    }
}
