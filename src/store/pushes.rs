//! Which bases were pushed to which hosts, and how far.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Store;
use super::record::{forget, name_for, read_all, read_json, write_json};
use crate::error::Result;

/// A base that was pushed to another host, or is on its way there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PushRecord {
    /// The URI of the host's libvirt.
    pub uri: String,
    /// The storage pool there.
    pub pool: String,
    /// The name of the volume.
    pub volume: String,
    /// Its path there.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its whole contents, in hexadecimal.
    pub sha256: String,
    /// Up to which byte all that comes before is there.
    pub done: u64,
    /// When all was there and had been compared, RFC 3339 in UTC.
    pub pushed_at: Option<String>,
}

impl Store {
    fn push_path(&self, uri: &str, path: &Path) -> Result<PathBuf> {
        let key = [uri.as_bytes(), path.as_os_str().as_encoded_bytes()].join(&0);
        Ok(self.directory("pushes")?.join(name_for(&key)))
    }

    /// What is known of the base at this path of that host.
    ///
    /// # Errors
    ///
    /// [`Kind::NotUndone`](crate::error::Kind::NotUndone) if the record cannot be understood.
    pub fn push_record(&self, uri: &str, path: &Path) -> Result<Option<PushRecord>> {
        read_push(&self.push_path(uri, path)?)
    }

    /// All bases that were pushed to a host, by their paths.
    ///
    /// # Errors
    ///
    /// As [`Self::push_record`].
    pub fn push_records(&self, uri: &str) -> Result<Vec<PushRecord>> {
        let mut all = read_all(&self.directory("pushes")?, read_push)?;
        all.retain(|record| record.uri == uri);
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// Remembers how far a base is, instead of what was known before.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn remember_push(&self, record: &PushRecord) -> Result<()> {
        let path = self.push_path(&record.uri, &record.path)?;
        write_json(&path, record, &record.path)
    }

    /// Forgets a base that is not there any more.
    ///
    /// # Errors
    ///
    /// If the record cannot be removed.
    pub fn forget_push(&self, record: &PushRecord) -> Result<()> {
        forget(&self.push_path(&record.uri, &record.path)?)
    }
}

fn read_push(path: &Path) -> Result<Option<PushRecord>> {
    read_json(path, "of a pushed base", "push the base again")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_push_is_known_by_its_host_and_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("state"));
        let record = |uri: &str, path: &str| PushRecord {
            uri: uri.to_owned(),
            pool: "default".to_owned(),
            volume: "a".to_owned(),
            path: PathBuf::from(path),
            size: 3,
            sha256: "ab".to_owned(),
            done: 1,
            pushed_at: None,
        };
        let mut all = ["/p/b", "/p/a"].map(|path| record("qemu://r/system", path));
        for one in &all {
            store.remember_push(one).unwrap();
        }
        store
            .remember_push(&record("qemu://s/system", "/p/a"))
            .unwrap();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(store.push_records("qemu://r/system").unwrap(), all);
        store.forget_push(&all[0]).unwrap();
        assert_eq!(
            store
                .push_record("qemu://r/system", Path::new("/p/a"))
                .unwrap(),
            None
        );
        assert_eq!(
            store.push_records("qemu://s/system").unwrap(),
            [record("qemu://s/system", "/p/a")]
        );
        fs::write(
            store
                .push_path("qemu://r/system", Path::new("/p/b"))
                .unwrap(),
            "{",
        )
        .unwrap();
        let error = store.push_records("qemu://r/system").unwrap_err();
        assert_eq!(error.kind(), Kind::NotUndone);
    }
}
