//! Giving space back to the host that an image does not need any more.
//!
//! QEMU does that by itself, and it can cost the snapshots of an image: where
//! it has written a new table of them and the header that leads there, but is
//! told that the disk failed (`bdrv_pwrite_sync()` in
//! `qcow2_write_snapshots()`, QEMU's `block/qcow2-snapshot.c`), it frees the
//! new table, and punches a hole where it was. So what works on a leased image
//! has `file.discard=ignore`, and the holes are made here, when all is done.

use super::file::{ImageFile, shown};
use super::lock::Lease;
use super::qcow2::{Header, Refcounts, Taken};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat};

/// Does something to the image of a lease, sees to it that it is on the disk,
/// and then gives back what the image had in use before and has not any more.
///
/// # Errors
///
/// Those of the work; [`Kind::Storage`] if it does not reach the disk. That
/// the space cannot be given back is none: the guest can use it again.
pub(super) fn giving_back<T>(
    chain: &Chain,
    lease: &Lease,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let before = taken(chain, lease)?;
    let done = work()?;
    lease.image().file().sync_data().map_err(|error| {
        Error::wrap(
            Kind::Storage,
            format_args!("cannot write {} to the disk", shown(&chain.top().path)),
            error,
        )
    })?;
    let Some(before) = before else {
        return Ok(done);
    };
    if let Some(after) = taken(chain, lease)? {
        // Where the file system cannot, the guest can use the space again.
        drop(lease.punch(&before.freed(&after)));
    }
    Ok(done)
}

/// What the image has in use; `None` of one that is not qcow2 or is not to be
/// understood, which the work on it will say.
fn taken(chain: &Chain, lease: &Lease) -> Result<Option<Taken>> {
    if chain.top().format != ImageFormat::Qcow2 {
        return Ok(None);
    }
    let image = ImageFile::open(lease.image().real_path())?;
    if image.id() != lease.image().id() {
        return Ok(None);
    }
    let Ok(header) = Header::read(&image) else {
        return Ok(None);
    };
    Refcounts::new(&header, &image).taken(image.size())
}
