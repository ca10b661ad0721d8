//! Volumes of a host that is not there: files here, under other names.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Fake;
use crate::error::{Error, Result};
use crate::hypervisor::{Volume, Volumes};
use crate::model::VolumeFacts;

impl Volumes for Fake {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        self.answer()?;
        let found = self.volumes.get(path);
        Ok(found.map(|file| Arc::new(FakeVolume(file.clone())) as Arc<dyn Volume>))
    }
}

#[derive(Debug)]
struct FakeVolume(PathBuf);

impl Volume for FakeVolume {
    fn facts(&self) -> Result<VolumeFacts> {
        let meta = self.0.metadata().map_err(|e| Error::io("no facts", e))?;
        Ok(VolumeFacts {
            block: false,
            size: meta.len(),
            allocated: meta.blocks() * 512,
            modified: Some(format!("{}.{:09}", meta.mtime(), meta.mtime_nsec())),
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        let file = File::open(&self.0).map_err(|e| Error::io("no volume", e))?;
        while done < length {
            match file.read_at(&mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(e) => return Err(Error::io("no data", e)),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}
