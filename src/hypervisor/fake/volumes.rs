//! Volumes of a host that is not there: files here, under other names.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::Fake;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Piece, Volume, Volumes};
use crate::model::{NewVolume, Pool, PoolFacts, PoolVolume, VolumeFacts, VolumeName};

/// The paths of volumes, and which file here each is.
pub(crate) type Files = Arc<Mutex<BTreeMap<PathBuf, PathBuf>>>;

impl Fake {
    /// Says which file here is the volume of this path.
    pub(crate) fn has_volume(&self, path: impl Into<PathBuf>, file: impl Into<PathBuf>) {
        let mut volumes = self.volumes.lock().expect("nobody fails");
        volumes.insert(path.into(), file.into());
    }

    /// What the paths of the volumes of a pool begin with.
    pub(super) fn pool_of(&self, name: &str) -> Result<&Path> {
        self.answer()?;
        let mut places = self.places();
        let place = places.find(|(pool, _)| *pool == name);
        place
            .map(|(_, place)| place)
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no pool '{name}'")))
    }

    fn places(&self) -> impl Iterator<Item = (&str, &Path)> {
        let pools = self.pools.iter();
        let directories =
            pools.filter_map(|pool| Some((pool.name.as_str(), pool.path.as_deref()?)));
        let special = self.special.iter();
        let special =
            special.filter_map(|(pool, facts)| Some((pool.as_str(), facts.place.as_deref()?)));
        directories.chain(special)
    }
}

impl Volumes for Fake {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        self.answer()?;
        let volumes = self.volumes.lock().expect("nobody fails");
        Ok(volumes.get(path).map(|file| {
            Arc::new(FakeVolume {
                path: path.to_owned(),
                file: file.clone(),
                pool: self
                    .places()
                    .find(|(_, at)| path.parent() == Some(at))
                    .map(|(pool, _)| pool.to_owned()),
                all: Arc::clone(&self.volumes),
                building: Arc::clone(&self.building),
            }) as Arc<dyn Volume>
        }))
    }

    fn volume_in(&self, pool: &str, name: &str) -> Result<Option<Arc<dyn Volume>>> {
        self.volume_at(&self.pool_of(pool)?.join(name))
    }

    fn volume_names(&self, pool: &str) -> Result<Vec<String>> {
        let dir = self.pool_of(pool)?;
        let volumes = self.volumes.lock().expect("nobody fails");
        let here = volumes.keys().filter(|path| path.parent() == Some(dir));
        let names = here.filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into()).collect())
    }

    fn volumes_of(&self, pool: &str) -> Result<Vec<PoolVolume>> {
        let dir = self.pool_of(pool)?;
        let volumes = self.volumes.lock().expect("nobody fails");
        let here = volumes
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir));
        here.map(|(path, file)| {
            Ok(PoolVolume {
                name: path.file_name().expect("a name").to_string_lossy().into(),
                path: path.clone(),
                facts: facts(path, file)?,
            })
        })
        .collect()
    }

    fn pool_facts(&self, pool: &str) -> Result<PoolFacts> {
        let dir = self.pool_of(pool)?;
        let mut special = self.special.iter();
        if let Some((_, facts)) = special.find(|(name, _)| name == pool) {
            return Ok(facts.clone());
        }
        Ok(PoolFacts {
            kind: "dir".to_owned(),
            directory: Some(dir.to_owned()),
            place: Some(dir.to_owned()),
            capacity: 2 << 30,
            available: 1 << 30,
        })
    }

    fn create_volume(&self, pool: &str, new: &NewVolume) -> Result<Arc<dyn Volume>> {
        let dir = self.pool_of(pool)?;
        let path = dir.join(&new.name);
        // Beside the others of this pool.
        let volumes = self.volumes.lock().expect("nobody fails").clone();
        let mut others = volumes
            .iter()
            .filter(|(other, _)| other.parent() == Some(dir));
        let beside = others.next().and_then(|(_, file)| file.parent());
        let file_path = beside.unwrap_or(dir).join(&new.name);
        let number = self.created.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.refuse_create.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "there is no room"));
        }
        let taken = |e| Error::io("no volume", e).with_kind(Kind::Exists);
        let file = File::create_new(&file_path).map_err(taken)?;
        file.set_len(new.capacity).expect("room");
        self.has_volume(&path, &file_path);
        Ok(self.volume_at(&path)?.expect("it was made"))
    }

    fn copy_volume(
        &self,
        from: &VolumeName,
        pool: &str,
        new: &NewVolume,
    ) -> Result<Arc<dyn Volume>> {
        let gone = || Error::new(Kind::NotFound, "there is no such volume");
        let original = self.volume_in(&from.pool, &from.name)?.ok_or_else(gone)?;
        // Larger than all that there is.
        let bytes = original.read(0, 2 << 20)?;
        let made = self.create_volume(pool, &NewVolume::raw(&new.name, bytes.len() as u64))?;
        let half = self.die_at_copy.load(Ordering::SeqCst);
        made.write(0, &bytes[..bytes.len() / if half { 2 } else { 1 }])?;
        if half {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.answer()?;
        Ok(made)
    }
}

#[derive(Debug)]
struct FakeVolume {
    path: PathBuf,
    file: PathBuf,
    pool: Option<String>,
    all: Files,
    building: Arc<AtomicBool>,
}

impl Volume for FakeVolume {
    fn name(&self) -> Result<VolumeName> {
        Ok(VolumeName {
            pool: self.pool.clone().expect("it is in one"),
            name: self
                .path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into(),
        })
    }

    fn facts(&self) -> Result<VolumeFacts> {
        facts(&self.path, &self.file)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        let file = File::open(&self.file).map_err(|e| Error::io("no volume", e))?;
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

    fn read_through(&self, take: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        let size = self.facts()?.size;
        let mut at = 0;
        while at < size {
            let mut bytes = self.read(at, 1 << 20)?;
            at += bytes.len() as u64;
            match bytes.iter().all(|&byte| byte == 0) {
                true => take(Piece::Hole(bytes.len() as u64))?,
                false => take(Piece::Data(&mut bytes))?,
            }
        }
        Ok(())
    }

    fn upload(&self, offset: u64, length: u64, from: &mut dyn Read) -> Result<()> {
        let failed = |e| Error::io("no upload", e);
        let opened = OpenOptions::new().write(true).open(&self.file);
        let mut file = opened.map_err(failed)?;
        if offset + length > file.metadata().map_err(failed)?.len() {
            return Err(Error::new(Kind::Libvirt, "it is not that large"));
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let count = std::io::copy(&mut from.take(length), &mut file).map_err(failed)?;
        if count < length {
            return Err(Error::new(Kind::Storage, "there is no more"));
        }
        Ok(())
    }

    fn delete(&self) -> Result<()> {
        if self.building.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Busy, "it is still being allocated"));
        }
        fs::remove_file(&self.file).map_err(|e| Error::io("not deleted", e))?;
        self.all.lock().expect("nobody fails").remove(&self.path);
        Ok(())
    }
}

fn facts(path: &Path, file: &Path) -> Result<VolumeFacts> {
    // Images of Ceph have no paths.
    if path.is_relative() {
        return Err(Error::new(
            Kind::WrongState,
            "it is a volume of the type 'network'",
        ));
    }
    let meta = file.metadata().map_err(|e| Error::io("no facts", e))?;
    let mut head = [0; 4096];
    let opened = File::open(file).map_err(|e| Error::io("no facts", e))?;
    let read = opened
        .read_at(&mut head, 0)
        .map_err(|e| Error::io("no facts", e))?;
    let is_image = read >= 4 && head.starts_with(b"QFI\xfb");
    let number = |at: usize, length: usize| {
        let bytes = head[at..at + length].iter();
        bytes.fold(0_u64, |all, byte| all << 8 | u64::from(*byte))
    };
    let below = (is_image && number(16, 4) > 0).then(|| {
        let [at, length] =
            [number(8, 8), number(16, 4)].map(|n| usize::try_from(n).expect("in the head"));
        String::from_utf8_lossy(&head[at..at + length])
            .as_ref()
            .into()
    });
    let format = if is_image { "qcow2" } else { "raw" };
    Ok(VolumeFacts {
        capacity: if is_image { number(24, 8) } else { meta.len() },
        block: path.starts_with("/dev"),
        size: meta.len(),
        allocated: meta.blocks() * 512,
        modified: Some(format!("{}.{:09}", meta.mtime(), meta.mtime_nsec())),
        mode: Some(meta.mode() & 0o7777),
        backing: below,
        format: Some(format.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_made_once_written_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake {
            pools: vec![Pool {
                name: "far".to_owned(),
                active: true,
                path: Some(dir.path().to_owned()),
            }],
            ..Fake::default()
        };
        let new = NewVolume::raw("a", 8);
        let volume = fake.create_volume("far", &new).unwrap();
        let again = fake.create_volume("far", &new).unwrap_err();
        assert_eq!(again.kind(), Kind::Exists);
        volume.write(2, b"abc").unwrap();
        assert_eq!(volume.read(0, 9).unwrap(), b"\0\0abc\0\0\0");
        assert!(volume.write(6, b"abc").is_err());
        assert!(volume.upload(0, 4, &mut &b"ab"[..]).is_err());
        let listed = fake.volumes_of("far").unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].name.as_str(), listed[0].facts.size), ("a", 8));
        volume.delete().unwrap();
        assert!(fake.volume_in("far", "a").unwrap().is_none());
        assert_eq!(fake.volumes_of("near").unwrap_err().kind(), Kind::NotFound);
    }
}
