//! Reading storage volumes in pieces.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use virt::connect::Connect;
use virt::error::ErrorNumber as Code;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::{Libvirt, failed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Volume, Volumes};
use crate::model::VolumeFacts;
use crate::xml::volume;

impl Volumes for Libvirt {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        // Libvirt's names of files are text, and have no NUL byte in them.
        let Some(text) = path.to_str().filter(|text| !text.contains('\0')) else {
            return Ok(None);
        };
        match self.conn.lookup_storage_vol_by_path(text) {
            Ok(handle) => Ok(Some(Arc::new(Pieces {
                conn: self.conn.clone(),
                handle,
                path: text.to_owned(),
            }))),
            Err(e) if e.code().is(Code::NoStorageVolume) || e.code().is(Code::NoSupport) => {
                Ok(None)
            }
            Err(e) => Err(failed(&e, format!("cannot look up the volume {text:?}"))),
        }
    }
}

/// A volume that is read in pieces, a stream each.
struct Pieces {
    conn: Connect,
    handle: StorageVol,
    path: String,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pieces").field(&self.path).finish()
    }
}

impl Volume for Pieces {
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
