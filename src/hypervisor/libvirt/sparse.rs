//! Reading a whole volume without what is a hole there, for which the `virt` crate
//! has no calls.

use std::ffi::{c_char, c_int, c_longlong};

use virt::error::Error as VirError;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;
use virt::sys;

use super::failed;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Piece;

/// How much is received at once, in bytes.
const PIECE: usize = 256 << 10;

/// What `virStreamRecvFlags` answers where a hole begins.
const HOLE: c_int = -3;

/// Reads the volume from its beginning to its end, data and holes in turn, over a
/// stream of its own. `what` says what fails.
pub(super) fn read_through(
    stream: Stream,
    volume: &StorageVol,
    what: &dyn Fn() -> String,
    take: &mut dyn FnMut(Piece<'_>) -> Result<()>,
) -> Result<()> {
    volume
        .download(&stream, 0, 0, sys::VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        .map_err(|e| failed(&e, what()))?;
    match received(&stream, what, take) {
        Ok(()) => stream.finish().map_err(|e| failed(&e, what())),
        Err(error) => {
            // What went wrong is known already.
            drop(stream.abort());
            Err(error)
        }
    }
}

fn received(
    stream: &Stream,
    what: &dyn Fn() -> String,
    take: &mut dyn FnMut(Piece<'_>) -> Result<()>,
) -> Result<()> {
    let mut room = vec![0_u8; PIECE];
    let nonsense =
        || Error::new(Kind::Libvirt, what()).context("libvirt has sent what was not asked for");
    loop {
        // SAFETY: the stream is alive while it is borrowed, and libvirt writes no
        // more than the room that it is told of.
        #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
        let answer = unsafe {
            sys::virStreamRecvFlags(
                stream.as_ptr(),
                room.as_mut_ptr().cast::<c_char>(),
                room.len(),
                sys::VIR_STREAM_RECV_STOP_AT_HOLE,
            )
        };
        match answer {
            0 => return Ok(()),
            HOLE => take(Piece::Hole(hole(stream, what)?))?,
            _ => {
                let count =
                    usize::try_from(answer).map_err(|_| failed(&VirError::last_error(), what()))?;
                take(Piece::Data(room.get_mut(..count).ok_or_else(nonsense)?))?;
            }
        }
    }
}

/// How long the hole is where the stream stands, which is behind it then.
fn hole(stream: &Stream, what: &dyn Fn() -> String) -> Result<u64> {
    let mut length: c_longlong = 0;
    // SAFETY: as above; libvirt fills in the number that it is lent.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    let answer = unsafe { sys::virStreamRecvHole(stream.as_ptr(), &raw mut length, 0) };
    if answer < 0 {
        return Err(failed(&VirError::last_error(), what()));
    }
    u64::try_from(length).map_err(|_| {
        Error::new(Kind::Libvirt, what()).context("libvirt has sent a hole of no length")
    })
}
