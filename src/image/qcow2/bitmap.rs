//! The directory of persistent dirty bitmaps, as far as QEMU looks at it before
//! it opens an image: `qcow2.rst`, "Bitmaps"; the rules are those of
//! `bitmap_list_load()` and `check_dir_entry()` in `block/qcow2-bitmap.c`.

use super::header::Defect;
use super::snapshot::Trouble;
use super::{BitmapDirectory, Header};
use crate::image::file::{be16, be32, be64};
use crate::image::source::Image;

/// The fixed part of an entry, in bytes.
const ENTRY: usize = 24;

const MAX_NAME: usize = 1023;
const MAX_TABLE: u32 = 0x0800_0000;
const MAX_BYTES: u64 = 0x2000_0000;

/// Bits 0 and 1 say that it is in use and that it is kept up to date.
const IN_USE: u32 = 1;
const KNOWN: u32 = 3;

/// The only type there is.
const DIRTY_TRACKING: u8 = 1;

/// Reads the whole directory; one entry at a time, for it may be large.
pub(super) fn check_directory(
    header: &Header,
    directory: &BitmapDirectory,
    image: &dyn Image,
) -> Result<(), Trouble> {
    let damaged = || Defect::bad("its bitmap directory is damaged");
    let end = directory.offset.saturating_add(directory.size);
    let mut at = directory.offset;
    let mut found = 0;
    let mut names = std::collections::HashSet::new();
    while at < end {
        let fixed = image.read_at(at, ENTRY).map_err(Trouble::Unread)?;
        let length = usize::from(be16(&fixed, 18).ok_or_else(damaged)?);
        let whole = (ENTRY + length).next_multiple_of(8) as u64;
        let known = (1..=MAX_NAME).contains(&length) && be32(&fixed, 20) == Some(0);
        if !known || at.saturating_add(whole) > end || !fits(header, &fixed).unwrap_or(false) {
            return Err(damaged().into());
        }
        table_is_there(header, &fixed, image)?;
        let name_at = at.saturating_add(ENTRY as u64);
        let name = image.read_at(name_at, length).map_err(Trouble::Unread)?;
        // QEMU's names end with the first zero.
        let end = name.iter().position(|&byte| byte == 0);
        let name = name.get(..end.unwrap_or(length)).unwrap_or_default();
        if !names.insert(name.to_vec()) {
            return Err(damaged().into());
        }
        at = at.saturating_add(whole);
        found += 1;
    }
    if found == directory.count {
        Ok(())
    } else {
        Err(damaged().into())
    }
}

/// Whether an entry can be, and its table is large enough for the disk.
fn fits(header: &Header, entry: &[u8]) -> Option<bool> {
    let (table, entries, flags) = (be64(entry, 0)?, be32(entry, 8)?, be32(entry, 12)?);
    let (kind, granularity) = (*entry.get(16)?, *entry.get(17)?);
    let placed = table != 0 && table % header.cluster_size() == 0;
    let known = flags & !KNOWN == 0 && kind == DIRTY_TRACKING && (9..=31).contains(&granularity);
    if !placed || !known || !(1..=MAX_TABLE).contains(&entries) {
        return Some(false);
    }
    let bytes = u64::from(entries).checked_mul(header.cluster_size())?;
    let covered = (u128::from(bytes) * 8) << granularity;
    let large_enough = flags & IN_USE != 0 || covered >= u128::from(header.disk_size());
    Some(bytes <= MAX_BYTES && large_enough)
}

/// Whether the table of an entry is in the file, and all that it points to. It
/// has 8 MiB at the most, by the limits above.
fn table_is_there(header: &Header, entry: &[u8], image: &dyn Image) -> Result<(), Trouble> {
    /// All but bit 0, which says that a part of the bitmap is all ones, and
    /// the offset of a cluster.
    const RESERVED: u64 = 0xff00_0000_0000_01fe;
    let damaged = || Defect::bad("the table of a bitmap is damaged");
    let at = be64(entry, 0).ok_or_else(damaged)?;
    let entries = be32(entry, 8).ok_or_else(damaged)?;
    let length = usize::try_from(u64::from(entries) * 8).map_err(|_| damaged())?;
    let table = image.read_at(at, length).map_err(Trouble::Unread)?;
    let last = image.size().checked_sub(header.cluster_size());
    let good = |entry: &[u8]| {
        be64(entry, 0).is_some_and(|entry| {
            let offset = entry & !RESERVED & !1;
            let placed = offset % header.cluster_size() == 0 && last >= Some(offset);
            entry & RESERVED == 0 && (offset == 0 || placed) && (offset == 0 || entry & 1 == 0)
        })
    };
    if table.len() == length && table.chunks_exact(8).all(good) {
        Ok(())
    } else {
        Err(damaged().into())
    }
}
