//! What sealed bases looked like.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Store;
use super::record::{forget, name_for, read_all, read_json, write_json};
use crate::error::Result;
use crate::model::{BaseIdentity, ImageFormat};

/// What a base looked like when it was sealed, and how to open the seal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealRecord {
    /// The path it was sealed by.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// What it looked like, after sealing.
    pub identity: BaseIdentity,
    /// Its mode bits before, which unsealing gives back.
    pub mode_before: u32,
    /// Whether the immutable attribute could be set.
    pub immutable: bool,
    /// The SHA-256 of the whole file in hexadecimal, if it was asked for.
    pub sha256: Option<String>,
    /// When, RFC 3339 in UTC.
    pub sealed_at: String,
    /// What it looked like at other times when it had the same contents, as a
    /// comparison of the whole contents has shown.
    #[serde(default)]
    pub same_contents: Vec<BaseIdentity>,
}

impl Store {
    fn seal_path(&self, base: &Path) -> Result<PathBuf> {
        let name = name_for(base.as_os_str().as_encoded_bytes());
        Ok(self.directory("bases")?.join(name))
    }

    /// What is known of the base at this path.
    ///
    /// # Errors
    ///
    /// [`Kind::NotUndone`](crate::error::Kind::NotUndone) if the record cannot be understood.
    pub fn seal_record(&self, base: &Path) -> Result<Option<SealRecord>> {
        let path = self.seal_path(base)?;
        read_record(&path)
    }

    /// All bases that something is known of.
    pub fn seal_records(&self) -> Result<Vec<SealRecord>> {
        let mut all = read_all(&self.directory("bases")?, read_record)?;
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// Remembers a base, instead of what was known before.
    pub fn remember_seal(&self, record: &SealRecord) -> Result<()> {
        write_json(&self.seal_path(&record.path)?, record, &record.path)
    }

    /// Forgets a base.
    pub fn forget_seal(&self, base: &Path) -> Result<()> {
        forget(&self.seal_path(base)?)
    }
}

fn read_record(path: &Path) -> Result<Option<SealRecord>> {
    read_json(path, "of a sealed base", "seal the base again")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Kind;
    use crate::model::FileId;

    #[test]
    fn a_base_is_remembered_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("state"));
        let path = Path::new("/pool/golden.qcow2");
        assert_eq!(store.seal_record(path).unwrap(), None);
        let record = SealRecord {
            path: path.to_owned(),
            format: ImageFormat::Qcow2,
            identity: BaseIdentity {
                file: FileId {
                    device: 1,
                    inode: 2,
                },
                size: 3,
                mtime_ns: 4,
                ctime_ns: 5,
                head_sha256: "ab".to_owned(),
            },
            mode_before: 0o644,
            immutable: true,
            sha256: None,
            sealed_at: "2026-01-01T00:00:00Z".to_owned(),
            same_contents: Vec::new(),
        };
        store.remember_seal(&record).unwrap();
        assert_eq!(store.seal_record(path).unwrap().as_ref(), Some(&record));
        assert_eq!(store.seal_records().unwrap(), vec![record]);
        store.forget_seal(path).unwrap();
        store.forget_seal(path).unwrap();
        assert_eq!(store.seal_record(path).unwrap(), None);
    }

    #[test]
    fn a_store_that_others_can_write_to_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("state");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Store::at(&root).seal_records().unwrap_err();
        assert_eq!(error.kind(), Kind::Environment);
    }

    #[test]
    fn a_half_written_record_is_an_error_and_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("state"));
        let path = store.seal_path(Path::new("/x")).unwrap();
        fs::write(&path, "{\"path\":\"/x\",").unwrap();
        let error = store.seal_record(Path::new("/x")).unwrap_err();
        assert_eq!(error.kind(), Kind::NotUndone);
    }
}
