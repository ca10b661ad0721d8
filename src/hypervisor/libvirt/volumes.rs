//! Storage volumes: looked for, made, read and written in pieces.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use virt::connect::Connect;
use virt::enumutil::Enum::Known;
use virt::error::{Error as VirError, ErrorNumber as Code};
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::many::of_many;
use super::{Libvirt, failed, sparse};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Piece, Volume, Volumes};
use crate::model::{NewVolume, PoolFacts, PoolVolume, VolumeFacts, VolumeName};
use crate::xml::{pool, volume};

/// How much is sent at once, in bytes. One message of libvirt has room for
/// twice as much.
const PIECE: usize = 128 << 10;

impl Libvirt {
    fn found(
        &self,
        answer: std::result::Result<StorageVol, VirError>,
        named: &str,
    ) -> Result<Option<Arc<dyn Volume>>> {
        match answer {
            Ok(handle) => Ok(Some(self.pieces(handle, named))),
            Err(e) if e.code().is(Code::NoStorageVolume) || e.code().is(Code::NoSupport) => {
                Ok(None)
            }
            Err(e) => Err(failed(&e, format!("cannot look up the volume {named:?}"))),
        }
    }

    fn pieces(&self, handle: StorageVol, named: &str) -> Arc<dyn Volume> {
        Arc::new(Pieces {
            conn: self.conn.clone(),
            handle,
            path: named.to_owned(),
        })
    }
}

impl Volumes for Libvirt {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        // Libvirt's names of files are text, and have no NUL byte in them.
        let Some(text) = path.to_str().filter(|text| !text.contains('\0')) else {
            return Ok(None);
        };
        self.found(self.conn.lookup_storage_vol_by_path(text), text)
    }

    fn volume_in(&self, pool: &str, name: &str) -> Result<Option<Arc<dyn Volume>>> {
        let pool = self.pool_handle(pool)?;
        self.found(pool.lookup_storage_vol_by_name(name), name)
    }

    fn volume_names(&self, pool: &str) -> Result<Vec<String>> {
        let what = |e| failed(&e, format!("cannot list the volumes of pool '{pool}'"));
        // Asked for names alone, the crate has room for 1024 of them.
        let handles = self.pool_handle(pool)?.list_all_volumes(0).map_err(what)?;
        let names = handles.iter().map(StorageVol::name);
        names.collect::<std::result::Result<_, _>>().map_err(what)
    }

    fn volumes_of(&self, pool: &str) -> Result<Vec<PoolVolume>> {
        let what = |e| failed(&e, format!("cannot list the volumes of pool '{pool}'"));
        let handles = self.pool_handle(pool)?.list_all_volumes(0).map_err(what)?;
        // One that has gone since is left out.
        let told = of_many(&handles, self.askers(), |handle| {
            let xml = handle.xml_desc(0).map_err(what)?;
            let name = handle.name().map_err(what)?;
            let of = |e: Error| e.context(format!("volume '{name}' of pool '{pool}'"));
            match volume::listed(&xml) {
                Ok((path, facts)) => Ok(Some(PoolVolume { name, path, facts })),
                // A directory, or what a network has.
                Err(e) if e.kind() == Kind::WrongState => Ok(None),
                Err(e) => Err(of(e)),
            }
        })?;
        Ok(told.into_iter().flatten().flatten().collect())
    }

    fn pool_facts(&self, pool: &str) -> Result<PoolFacts> {
        let xml = self.pool_handle(pool)?.xml_desc(0);
        pool::read(&xml.map_err(|e| failed(&e, format!("cannot look at pool '{pool}'")))?)
    }

    fn create_volume(&self, pool: &str, new: &NewVolume) -> Result<Arc<dyn Volume>> {
        let name = &new.name;
        let what = || format!("cannot make the volume '{name}' in pool '{pool}'");
        let handle = self.pool_handle(pool)?;
        let made = StorageVol::create_xml(&handle, &volume::new(new)?, 0);
        let made = made.map_err(|e| not_made(&e, what()))?;
        Ok(self.pieces(made, name))
    }

    fn copy_volume(
        &self,
        from: &VolumeName,
        pool: &str,
        new: &NewVolume,
    ) -> Result<Arc<dyn Volume>> {
        let name = &new.name;
        let original = self
            .pool_handle(&from.pool)?
            .lookup_storage_vol_by_name(&from.name)
            .map_err(|e| failed(&e, format!("cannot look up {from}")))?;
        let handle = self.pool_handle(pool)?;
        let made = StorageVol::create_xml_from(&handle, &volume::new(new)?, &original, 0);
        let made = made.map_err(|e| {
            let what = format!("cannot copy {from} to '{name}' in pool '{pool}'");
            not_made(&e, what)
        })?;
        Ok(self.pieces(made, name))
    }
}

/// The error for a volume that libvirt has not made.
fn not_made(error: &VirError, what: String) -> Error {
    // Of a file that it has not seen before, libvirt says no more; and of a copy whose
    // name is taken, that it is an internal error.
    let taken = match error.code() {
        Known(Code::OperationFailed | Code::OperationInvalid) => "already exists",
        Known(Code::InternalError) => "already in use",
        _ => return failed(error, what),
    };
    match error.message().contains(taken) {
        true => failed(error, what).with_kind(Kind::Exists),
        false => failed(error, what),
    }
}

/// A volume that is read and written in pieces, a stream each.
struct Pieces {
    conn: Arc<Connect>,
    handle: StorageVol,
    path: String,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pieces").field(&self.path).finish()
    }
}

impl Volume for Pieces {
    fn name(&self) -> Result<VolumeName> {
        let told = || {
            Ok(VolumeName {
                pool: self.handle.lookup_storage_pool()?.name()?,
                name: self.handle.name()?,
            })
        };
        told().map_err(|e: VirError| {
            failed(&e, format!("cannot look up the pool of {:?}", self.path))
        })
    }

    fn facts(&self) -> Result<VolumeFacts> {
        // Libvirt looks at the file again for this.
        let xml = self
            .handle
            .xml_desc(0)
            .map_err(|e| failed(&e, format!("cannot look at the volume {:?}", self.path)))?;
        volume::read(&xml).map_err(|e| e.context(format!("volume {:?}", self.path)))
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let what = || {
            let path = &self.path;
            format!("cannot read {length} bytes at offset {offset} of the volume {path:?}")
        };
        // To libvirt, no length is all there is.
        if length == 0 {
            return Ok(Vec::new());
        }
        let stream = Stream::new(&self.conn, 0).map_err(|e| failed(&e, what()))?;
        self.handle
            .download(&stream, offset, length as u64, 0)
            .map_err(|e| failed(&e, what()))?;
        match received(&stream, length) {
            Ok(bytes) => {
                stream.finish().map_err(|e| failed(&e, what()))?;
                Ok(bytes)
            }
            Err(error) => {
                // A stream that was not read to its end has to be told so. What
                // went wrong is known already.
                drop(stream.abort());
                Err(match error {
                    Some(e) => failed(&e, what()),
                    None => Error::new(Kind::Libvirt, what())
                        .context("libvirt has sent what was not asked for"),
                })
            }
        }
    }

    fn read_through(&self, take: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()> {
        let what = || format!("cannot read the volume {:?}", self.path);
        let stream = Stream::new(&self.conn, 0).map_err(|e| failed(&e, what()))?;
        sparse::read_through(stream, &self.handle, &what, take)
    }

    fn upload(&self, offset: u64, length: u64, from: &mut dyn Read) -> Result<()> {
        let path = &self.path;
        let what =
            || format!("cannot write {length} bytes at offset {offset} of the volume {path:?}");
        // To libvirt, no length is all that comes.
        if length == 0 {
            return Ok(());
        }
        let stream = Stream::new(&self.conn, 0).map_err(|e| failed(&e, what()))?;
        self.handle
            .upload(&stream, offset, length, 0)
            .map_err(|e| failed(&e, what()))?;
        match sent(&stream, length, from) {
            // Only now does libvirt tell whether all was written.
            Ok(()) => stream.finish().map_err(|e| failed(&e, what())),
            Err(error) => {
                // What went wrong is known already.
                drop(stream.abort());
                Err(error.context(what()))
            }
        }
    }

    fn delete(&self) -> Result<()> {
        self.handle.delete(0).map_err(|e| {
            let error = failed(&e, format!("cannot delete the volume {:?}", self.path));
            match e.code() {
                Known(Code::OperationInvalid) => error.with_kind(Kind::Busy),
                _ => error,
            }
        })
    }
}

/// Sends so many bytes of what there is.
fn sent(stream: &Stream, length: u64, from: &mut dyn Read) -> Result<()> {
    let mut left = length;
    let mut room = vec![0; PIECE];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let read = match room.get_mut(..most).map(|room| from.read(room)) {
            Some(Ok(read)) if read > 0 => read,
            Some(Err(e)) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Some(Err(e)) => return Err(Error::io("what is to be sent cannot be read", e)),
            Some(Ok(_)) | None => {
                let text = format!("what is to be sent ends {left} bytes too early");
                return Err(Error::new(Kind::Storage, text));
            }
        };
        let mut rest = room.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let count = stream
                .send(rest)
                .map_err(|e| failed(&e, "libvirt takes no more"))?;
            // The crate hands "would block" on as if it were a length.
            let taken = usize::try_from(count).ok().filter(|taken| *taken > 0);
            rest = taken.and_then(|taken| rest.get(taken..)).ok_or_else(|| {
                Error::new(
                    Kind::Libvirt,
                    "libvirt says that it took what it was not sent",
                )
            })?;
        }
        left = left.saturating_sub(read as u64);
    }
    Ok(())
}

/// All that comes, to the end of the stream: it can be finished only there.
/// Without an error of libvirt, the stream is not what it should be.
fn received(
    stream: &Stream,
    length: usize,
) -> std::result::Result<Vec<u8>, Option<virt::error::Error>> {
    let mut bytes = vec![0; length];
    let mut done = 0_usize;
    // Where the end is expected.
    let mut more = [0_u8; 1];
    loop {
        let room = match bytes.get_mut(done..) {
            Some(room) if !room.is_empty() => room,
            _ => &mut more,
        };
        let most = room.len();
        // The crate hands "would block" and "a hole" on as if they were lengths.
        let count = usize::try_from(stream.recv(room)?).map_err(|_| None)?;
        if count == 0 {
            bytes.truncate(done);
            return Ok(bytes);
        }
        if count > most || done >= length {
            return Err(None);
        }
        done = done.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::Hypervisor as _;

    #[test]
    fn a_volume_is_made_once_and_deleted() {
        let libvirt = Libvirt::open(Some("test:///default")).unwrap();
        let pool = "default-pool";
        let facts = libvirt.pool_facts(pool).unwrap();
        assert_eq!(facts.kind, "dir");
        assert!(facts.available > 1 << 20, "{facts:?}");
        let new = NewVolume::raw("made.img", 1 << 20);
        let volume = libvirt.create_volume(pool, &new).unwrap();
        let again = libvirt.create_volume(pool, &new).unwrap_err();
        assert_eq!(again.kind(), Kind::Exists, "{again}");
        let names = libvirt.volume_names(pool).unwrap();
        assert!(names.iter().any(|name| name == "made.img"), "{names:?}");
        let listed = libvirt.volumes_of(pool).unwrap();
        let path = &listed.iter().find(|v| v.name == "made.img").unwrap().path;
        assert_eq!(*path, libvirt.volume_path(pool, "made.img").unwrap());
        assert!(libvirt.volume_in(pool, "made.img").unwrap().is_some());
        assert!(libvirt.volume_at(path).unwrap().is_some());
        // The driver knows no streams: an error, and no success.
        assert!(volume.write(0, b"abc").is_err());
        volume.write(0, b"").unwrap();
        let from = volume.name().unwrap();
        assert_eq!((from.pool.as_str(), from.name.as_str()), (pool, "made.img"));
        let copied = NewVolume::raw("copied.img", 1 << 20);
        let copy = libvirt.copy_volume(&from, pool, &copied).unwrap();
        assert_eq!(copy.name().unwrap().name, "copied.img");
        let again = libvirt.copy_volume(&from, pool, &copied).unwrap_err();
        assert_eq!(again.kind(), Kind::Exists, "{again}");
        copy.delete().unwrap();
        volume.delete().unwrap();
        assert!(libvirt.volume_in(pool, "made.img").unwrap().is_none());
        let gone = libvirt.copy_volume(&from, pool, &copied).unwrap_err();
        assert_eq!(gone.kind(), Kind::NotFound, "{gone}");
        let none = libvirt.create_volume("none", &new).unwrap_err();
        assert_eq!(none.kind(), Kind::NotFound);
    }

    #[test]
    fn volumes_are_copied_in_pools_that_are_no_directories() {
        let dir = tempfile::tempdir().unwrap();
        let room = "<capacity>1073741824</capacity>";
        let volume = |path: &str| {
            format!(
                "<volume><name>golden</name><capacity>1048576</capacity>\
                 <target><path>{path}/golden</path></target></volume>"
            )
        };
        let host = format!(
            "<node><pool type='rbd'><name>rack</name>{room}<source><name>ceph</name>\
             <host name='mon'/></source>{}</pool><pool type='logical'><name>vg</name>{room}<source>\
             <name>vg</name></source><target><path>/dev/vg</path></target>{}</pool></node>",
            volume("ceph"),
            volume("/dev/vg")
        );
        let file = dir.path().join("host.xml");
        std::fs::write(&file, host).unwrap();
        let libvirt = Libvirt::open(Some(&format!("test://{}", file.display()))).unwrap();
        for (pool, place) in [("rack", "ceph"), ("vg", "/dev/vg")] {
            let facts = libvirt.pool_facts(pool).unwrap();
            assert_eq!(facts.place.as_deref(), Some(Path::new(place)));
            let golden = Path::new(place).join("golden");
            let golden = libvirt.volume_at(&golden).unwrap().unwrap();
            let name = golden.name().unwrap();
            assert_eq!((name.pool.as_str(), name.name.as_str()), (pool, "golden"));
            let new = NewVolume::raw("a-0123456789ab", 0);
            let copy = libvirt.copy_volume(&name, pool, &new).unwrap();
            assert_eq!(copy.name().unwrap().pool, pool);
            copy.delete().unwrap();
        }
    }
}
