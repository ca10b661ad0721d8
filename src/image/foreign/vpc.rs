//! Virtual PC's VHD: Microsoft's "Virtual Hard Disk Image Format Specification"
//! 1.0. The rules are those of `vpc_open()` in QEMU's `block/vpc.c`.

use super::{CUT_OFF, DIFFERENCE, Facts, Found, Problem, Source};
use crate::image::file::{be32, be64};

const FOOTER: usize = 512;
const DYNAMIC_HEADER: usize = 1024;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

/// The largest geometry there is. It says no more than "as large as this".
const MAX_GEOMETRY: u64 = 65535 * 16 * 255;

/// How many blocks an image may have: 2040 GiB, which is all that the format
/// can have, in blocks of 512 KiB are half as many.
const MAX_ENTRIES: u64 = 8 << 20;

/// Writers that mean the size that they write.
const BY_SIZE: [&[u8]; 5] = [b"win ", b"qem2", b"d2v ", b"tap\0", b"CXSF"];

/// One that means it, too, which QEMU knows since 10.1 only.
const AZURE: &[u8] = b"wa\0\0";

pub(super) fn read(image: &dyn Source) -> Found {
    // A dynamic image has a copy of its footer in front. If a guest writes one
    // to the beginning of a fixed image, QEMU takes it for a dynamic one.
    let head = image.read(0, FOOTER)?;
    let front = head.starts_with(b"conectix");
    let footer = if front {
        head
    } else {
        let last = image.size().checked_sub(FOOTER as u64);
        match last.map(|at| image.read(at, FOOTER)).transpose()? {
            Some(foot) if foot.starts_with(b"conectix") => foot,
            _ => return Err(Problem::Refused("it has no Virtual PC footer")),
        }
    };
    if !sums_up(&footer, FOOTER, 64) {
        return Err(Problem::Refused("the checksum of its footer is wrong"));
    }
    let size = size_in(&footer)?;
    match (be32(&footer, 60).ok_or(CUT_OFF)?, front) {
        (DIFFERENCING, _) => Err(DIFFERENCE),
        (FIXED, false) => {
            image.holds(size, FOOTER as u64)?;
            Facts::of_size(size)
        }
        (DYNAMIC, true) => {
            dynamic(image, be64(&footer, 16).ok_or(CUT_OFF)?, size)?;
            Facts::of_size(size)
        }
        _ => Err(Problem::Refused(
            "its type is unknown or contradicts its place",
        )),
    }
}

/// How large the disk is: by its size for some writers, by its cylinders, heads
/// and sectors for others.
fn size_in(footer: &[u8]) -> std::result::Result<u64, Problem> {
    let current = be64(footer, 48).ok_or(CUT_OFF)?;
    let creator = footer.get(28..32).ok_or(CUT_OFF)?;
    let [c1, c0, heads, sectors] = *footer
        .get(56..)
        .and_then(|rest| rest.first_chunk())
        .ok_or(CUT_OFF)?;
    let cylinders = u64::from(u16::from_be_bytes([c1, c0]));
    let geometry = cylinders * u64::from(heads) * u64::from(sectors);
    let by_size = BY_SIZE.contains(&creator) || geometry == MAX_GEOMETRY;
    if creator == AZURE && geometry * 512 != current {
        return Err(Problem::Refused(
            "versions of QEMU disagree about how large its disk is",
        ));
    }
    Ok(if by_size {
        current & !511
    } else {
        geometry * 512
    })
}

/// Checks the second header of a dynamic image.
fn dynamic(image: &dyn Source, offset: u64, size: u64) -> std::result::Result<(), Problem> {
    let header = image.header(offset, DYNAMIC_HEADER)?;
    if !header.starts_with(b"cxsparse") || !sums_up(&header, DYNAMIC_HEADER, 36) {
        return Err(Problem::Refused("its dynamic header is damaged"));
    }
    // Who the parent is, and the eight places to look for it.
    let parent = header.get(40..56).ok_or(CUT_OFF)?;
    let locators = header.get(576..768).ok_or(CUT_OFF)?;
    if parent.iter().chain(locators).any(|&byte| byte != 0) {
        return Err(DIFFERENCE);
    }
    let word = |at| be32(&header, at).map(u64::from).ok_or(CUT_OFF);
    let (entries, block) = (word(28)?, word(32)?);
    if !block.is_power_of_two() || block < 512 {
        return Err(Problem::Refused("its blocks are of an impossible size"));
    }
    if entries > MAX_ENTRIES || entries * block < size {
        return Err(Problem::Refused(
            "its table of blocks cannot hold a disk of its size",
        ));
    }
    let table = be64(&header, 16).ok_or(CUT_OFF)?;
    image.holds(table, entries * 4)?;
    // Each block has a bitmap of its sectors before it.
    let whole = block + (block / 4096).next_multiple_of(512);
    blocks_are_there(image, table, entries, whole)
}

/// Reads the table of blocks, which says in which sector each begins.
fn blocks_are_there(
    image: &dyn Source,
    table: u64,
    entries: u64,
    length: u64,
) -> std::result::Result<(), Problem> {
    const AT_A_TIME: usize = 64 << 10;
    let end = table.saturating_add(entries * 4);
    for at in (table..end).step_by(AT_A_TIME) {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(AT_A_TIME);
        let piece = image.header(at, left.min(AT_A_TIME))?;
        for entry in piece.chunks_exact(4) {
            match be32(entry, 0) {
                Some(u32::MAX) | None => {}
                Some(sector) => image.holds(u64::from(sector) * 512, length)?,
            }
        }
    }
    Ok(())
}

/// Whether a header adds up to its checksum: the complement of the sum of all
/// bytes but those of the checksum itself.
fn sums_up(header: &[u8], length: usize, at: usize) -> bool {
    let sum = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u32, |sum, &b| sum.wrapping_add(b.into()))
    };
    let own = header.get(at..at + 4).map(sum);
    match (header.get(..length).map(sum), own, be32(header, at)) {
        (Some(all), Some(own), Some(written)) => !all.wrapping_sub(own) == written,
        _ => false,
    }
}
