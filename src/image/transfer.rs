//! Copying the bytes of a file, without its holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::file::{ImageFile, read_error, shown};
use super::overlay::{NewFile, cannot_write};
use crate::error::{Error, Kind, Result};

/// What is copied at a time, in bytes; between two the wish to stop is looked at.
const CHUNK: u64 = 32 << 20;

/// The same where the bytes pass through this process.
const BUFFER: usize = 1 << 20;

/// Zeros in pieces of this size are not written when a device is copied.
const ZERO_PIECE: usize = 64 << 10;

/// Copies the contents of a file, without its holes.
pub(super) fn copy_data(
    source: &ImageFile,
    new: &NewFile,
    mut in_kernel: bool,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<()> {
    let size = source.size();
    let cannot = |errno: Errno| cannot_write(new.path(), errno.into());
    rustix::fs::ftruncate(new.file(), size).map_err(cannot)?;
    let mut at = 0;
    // Where the hole or the data ends that `at` is in.
    let mut end = 0;
    while at < size {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(
                Kind::Interrupted,
                format_args!("copying {} was interrupted", shown(source.path())),
            ));
        }
        if at >= end {
            let (hole, to) = extent(source.file(), at, size)
                .map_err(|errno| read_error(source.path(), at, errno.into()))?;
            end = to;
            if hole {
                at = end;
                progress(at, size);
                continue;
            }
        }
        let left = end.saturating_sub(at);
        let copied = if in_kernel {
            match in_kernel_piece(source.file(), new.file(), at, left.min(CHUNK)) {
                Ok(copied) => copied,
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => {
                    in_kernel = false;
                    continue;
                }
                Err(errno) => return Err(cannot(errno)),
            }
        } else {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let bytes = source.read_at(at, most)?;
            write_nonzero(new.file(), &bytes, at)
                .map_err(|error| cannot_write(new.path(), error))?;
            bytes.len() as u64
        };
        if copied == 0 {
            return Err(Error::new(
                Kind::Storage,
                format_args!(
                    "{} became shorter while it was copied",
                    shown(source.path())
                ),
            ));
        }
        at = at.saturating_add(copied);
        progress(at, size);
    }
    Ok(())
}

fn in_kernel_piece(from: &File, to: &File, at: u64, length: u64) -> rustix::io::Result<u64> {
    let (mut read, mut write) = (at, at);
    let length = usize::try_from(length).unwrap_or(BUFFER);
    let copied = rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut write), length)?;
    Ok(copied as u64)
}

/// Writes what is not zero into a file that is all hole there.
fn write_nonzero(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut at = at;
    for piece in bytes.chunks(ZERO_PIECE) {
        if piece.iter().any(|&byte| byte != 0) {
            file.write_all_at(piece, at)?;
        }
        at = at.saturating_add(piece.len() as u64);
    }
    Ok(())
}

/// Whether `at` is in a hole, and where that or the data there ends. A file
/// system that knows no holes has none.
pub(super) fn extent(file: &File, at: u64, size: u64) -> rustix::io::Result<(bool, u64)> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) if data > at => Ok((true, data.min(size))),
        Ok(_) => match seek(file, SeekFrom::Hole(at)) {
            Ok(hole) if hole > at => Ok((false, hole.min(size))),
            Ok(_) | Err(Errno::INVAL | Errno::NXIO | Errno::OPNOTSUPP) => Ok((false, size)),
            Err(errno) => Err(errno),
        },
        // There is no data from here to the end.
        Err(Errno::NXIO) => Ok((true, size)),
        // Block devices, and file systems that do not know.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((false, size)),
        Err(errno) => Err(errno),
    }
}
