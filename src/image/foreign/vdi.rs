//! VirtualBox's VDI. The rules are those of `vdi_open()` in QEMU's
//! `block/vdi.c`, which looks at the two links but not at the type.

use super::{CUT_OFF, DIFFERENCE, Facts, Found, Problem, Source};
use crate::image::file::{le32, le64};

const HEADER: usize = 512;
const SIGNATURE: u32 = 0xbeda_107f;
const VERSION_1_1: u32 = 0x0001_0001;
const BLOCK: u64 = 1 << 20;
const MAX_BLOCKS: u32 = 0x3fff_ffff;

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.header(0, HEADER)?;
    let word = |at| le32(&head, at).ok_or(CUT_OFF);
    if word(0x40)? != SIGNATURE || word(0x44)? != VERSION_1_1 {
        return Err(Problem::Refused("it does not begin as a VDI image does"));
    }
    // 1 is dynamic, 2 static; 3 (undo) and 4 (difference) lead to other images,
    // and so do the identifiers of a link and of a parent.
    let links = head.get(0x1a8..0x1c8).ok_or(CUT_OFF)?;
    if !matches!(word(0x4c)?, 1 | 2) || links.iter().any(|&byte| byte != 0) {
        return Err(DIFFERENCE);
    }
    let size = le64(&head, 0x170).ok_or(CUT_OFF)?;
    let (map, data, blocks) = (word(0x154)?, word(0x158)?, word(0x180)?);
    let odd = map % 512 != 0 || data % 512 != 0;
    if odd || word(0x168)? != 512 || u64::from(word(0x178)?) != BLOCK {
        return Err(Problem::Refused(
            "its sectors or blocks are of an unusual size",
        ));
    }
    let fits = size <= u64::from(blocks) * BLOCK;
    if blocks > MAX_BLOCKS || !fits {
        return Err(Problem::Refused(
            "its size and the number of its blocks disagree",
        ));
    }
    image.holds(u64::from(map), u64::from(blocks) * 4)?;
    // VBoxManage makes images that end within a sector.
    Facts::of_size(size.next_multiple_of(512))
}
