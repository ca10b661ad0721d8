//! Parallels' disks. `docs/interop/parallels.rst` of QEMU; the rules are those of
//! `parallels_open()` in its `block/parallels.c`. What is below a disk is said in a
//! file beside it (`DiskDescriptor.xml`), which QEMU does not look at.

use super::{CUT_OFF, Facts, Found, Problem, Source};
use crate::image::file::{le32, le64};

const HEADER: usize = 64;
/// Who has it open for writing leaves this here until it is closed.
const IN_USE: u32 = 0x746f_6e59;
/// QEMU's limit: so many sectors of a cluster that their bytes fit into an `int`.
const MOST_TRACKS: u32 = 0x7fff_ffff / 513;

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.header(0, HEADER)?;
    let word = |at| le32(&head, at).ok_or(CUT_OFF);
    let long = |at| le64(&head, at).ok_or(CUT_OFF);
    let sectors = match head.get(..16) {
        Some(b"WithouFreSpacExt") => long(36)?,
        Some(b"WithoutFreeSpace") => long(36)? & 0xffff_ffff,
        _ => {
            return Err(Problem::Refused(
                "it does not begin as a Parallels image does",
            ));
        }
    };
    if word(16)? != 2 {
        return Err(Problem::Refused("it is of an unknown version"));
    }
    // Bitmaps of changed blocks, and whatever comes to be there.
    if long(56)? != 0 {
        return Err(Problem::Refused("it has features unknown here"));
    }
    let (tracks, entries) = (word(28)?, word(32)?);
    if !(1..=MOST_TRACKS).contains(&tracks) {
        return Err(Problem::Refused("its clusters are of an impossible size"));
    }
    let most = u64::from(entries) * u64::from(tracks);
    let size = sectors.checked_mul(512).filter(|_| sectors <= most);
    let Some(size) = size else {
        return Err(Problem::Refused("its table cannot hold a disk of its size"));
    };
    image.holds(HEADER as u64, u64::from(entries) * 4)?;
    Facts::of_size(size).map(|facts| Facts {
        dirty: word(44).is_ok_and(|in_use| in_use == IN_USE),
        ..facts
    })
}
