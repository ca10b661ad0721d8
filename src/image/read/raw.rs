//! Images that are their own data: raw files, block devices, discs.

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::image::file::{read_error, shown};
use crate::image::source::Image;

/// An open raw image.
#[derive(Debug)]
pub(super) struct Raw {
    image: Box<dyn Image>,
    /// In bytes: the file, and zeros up to a whole sector.
    size: u64,
}

impl Raw {
    /// Takes an image for a disk of `size` bytes, which may go on for less than
    /// a sector after the end of the file.
    pub(super) fn new(image: Box<dyn Image>, size: u64) -> Self {
        Self { image, size }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let done = self.image.read_into(offset, buf)?;
        let end = offset.saturating_add(done as u64);
        if done < buf.len() && end < self.image.size() {
            return Err(Error::new(
                Kind::Storage,
                format_args!(
                    "{} ends at byte {end} now, and had {} when it was opened",
                    shown(self.image.path()),
                    self.image.size()
                ),
            ));
        }
        buf.get_mut(done..).unwrap_or_default().fill(0);
        Ok(())
    }

    /// Whether there is data at an offset or a hole, and where that ends.
    pub(super) fn extent(&self, offset: u64) -> Result<(bool, u64)> {
        let Some(image) = self.image.here().filter(|image| !image.is_block()) else {
            return Ok((true, self.size));
        };
        let seek = |to| match rustix::fs::seek(image.file(), to) {
            Ok(at) => Ok(Some(at)),
            // No data after it, or it is beyond the end.
            Err(Errno::NXIO) => Ok(None),
            Err(errno) => Err(read_error(self.image.path(), offset, errno.into())),
        };
        match seek(SeekFrom::Data(offset)) {
            Ok(Some(data)) if data > offset => Ok((false, data.min(self.size))),
            Ok(Some(_)) => {
                let hole = seek(SeekFrom::Hole(offset))?.unwrap_or(self.size);
                // The zeros after the end of the file are part of its last sector.
                let end = if hole < self.image.size() {
                    hole
                } else {
                    self.size
                };
                Ok((true, end.max(offset.saturating_add(1))))
            }
            Ok(None) => Ok((false, self.size)),
            // Not every file system can tell.
            Err(_) => Ok((true, self.size)),
        }
    }
}
