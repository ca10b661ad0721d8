//! VMware's VMDK: "Virtual Disk Format 5.0". The rules are those of
//! `vmdk_open()` in QEMU's `block/vmdk.c`, and go beyond them.
//!
//! Of the many kinds, those are accepted that are one file: a sparse extent
//! with its descriptor in it. All others are lists of the files that hold the
//! data, and QEMU opens any file that is on such a list (CVE-2022-47951).

use super::{CUT_OFF, Facts, Found, Problem, Source};
use crate::image::file::{le16, le32, le64};

/// The longest descriptor that is read, in bytes; QEMU writes 10 KiB.
const LONGEST_DESCRIPTOR: u64 = 64 << 10;

/// What a descriptor calls the name of another image, in lower case.
const PARENT: &str = "parentfilenamehint";

const SECTOR: u64 = 512;

/// A header takes a sector.
const HEADER: usize = 512;

const ELSEWHERE: Problem = Problem::Refused(
    "only VMDK images in one file (monolithicSparse, streamOptimized) \
     that name no other are accepted",
);

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.read(0, HEADER)?;
    // A text, or the header of a file of an ESX server (`COWD`).
    if !head.starts_with(b"KDMV") {
        return Err(ELSEWHERE);
    }
    let long = |at| le64(&head, at).ok_or(CUT_OFF);
    // Without a capacity, QEMU takes the descriptor for a list of files.
    let (capacity, offset, length) = (long(12)?, long(28)?, long(36)?);
    let descriptor = offset.checked_mul(SECTOR).zip(length.checked_mul(SECTOR));
    let Some((offset, length)) = descriptor else {
        return Err(ELSEWHERE);
    };
    let longest = 1..=LONGEST_DESCRIPTOR;
    // Everybody has it in the second sector, and QEMU looks for the parent there
    // whatever the header says.
    if capacity == 0 || offset != SECTOR || !longest.contains(&length) {
        return Err(ELSEWHERE);
    }
    let text = image.read(offset, usize::try_from(length).unwrap_or(0))?;
    // In 20 sectors, though the descriptor may end before.
    let fixed = image.read(SECTOR, 20 * 512)?;
    let fixed = String::from_utf8_lossy(&fixed).to_ascii_lowercase();
    if !is_single(&String::from_utf8_lossy(&text)) || fixed.contains(PARENT) {
        return Err(ELSEWHERE);
    }
    if long(56)? == u64::MAX {
        // What is written as a stream has its real header at the end.
        let footer = footer(image)?;
        if le64(&footer, 12) != Some(capacity) || le64(&footer, 56) == Some(u64::MAX) {
            return Err(Problem::Refused("its header and its footer disagree"));
        }
        tables(image, &footer)?;
    } else {
        tables(image, &head)?;
    }
    match capacity.checked_mul(SECTOR) {
        Some(size) if i64::try_from(size).is_ok() => Facts::of_size(size),
        _ => Err(Problem::Refused("it is too large")),
    }
}

/// The header at the end of an image that was written as a stream: a marker,
/// the header, and a marker for the end.
fn footer(image: &dyn Source) -> std::result::Result<Vec<u8>, Problem> {
    let damaged = Problem::Refused("its footer is damaged");
    let Some(at) = (image.size() & !511).checked_sub(3 * SECTOR) else {
        return Err(damaged);
    };
    let bytes = image.header(at, 3 * HEADER)?;
    let marker = le32(&bytes, 8) == Some(0) && le32(&bytes, 12) == Some(3);
    let end = le64(&bytes, 1024) == Some(0) && le64(&bytes, 1032) == Some(0);
    let header = bytes.get(512..1024).unwrap_or_default();
    if marker && end && header.starts_with(b"KDMV") {
        Ok(header.to_vec())
    } else {
        Err(damaged)
    }
}

/// Checks where a header has its tables.
fn tables(image: &dyn Source, head: &[u8]) -> std::result::Result<(), Problem> {
    let damaged = || Problem::Refused("its tables are of an impossible size");
    let long = |at| le64(head, at).ok_or(CUT_OFF);
    let word = |at| le32(head, at).ok_or(CUT_OFF);
    if !(1..=3).contains(&word(4)?) || le16(head, 77).is_none_or(|method| method > 1) {
        return Err(Problem::Refused("its version or compression is unknown"));
    }
    let (capacity, grain, per_table) = (long(12)?, long(20)?, u64::from(word(44)?));
    if !(1..=0x20_0000).contains(&grain) || !(1..=512).contains(&per_table) {
        return Err(damaged());
    }
    let entries = capacity.div_ceil(grain * per_table);
    if entries > 32 << 20 {
        return Err(damaged());
    }
    let at = |at| Ok::<_, Problem>(long(at)?.saturating_mul(SECTOR));
    image.holds(at(56)?, entries * 4)?;
    // The second flag says that there is a copy of the directory.
    if word(8)? & 2 != 0 {
        image.holds(at(48)?, entries * 4)?;
    }
    // Where the data begins.
    image.holds(at(64)?, 0)
}

/// The most letters by which a new content id can be shorter than the old one.
const LEFT_OVER: usize = 7;

/// Whether what comes after the end of a descriptor is nothing but zeros and the
/// last letters of the one before: QEMU writes a new content id of up to eight
/// digits over the old one, without the zeros in front (`vmdk_write_cid()`). The
/// text ends with the first zero for some, and with the last for others, so there
/// must be no more than can mean nothing.
fn is_left_over(rest: &str) -> bool {
    let letters = rest.chars().filter(|c| *c != '\0');
    letters.clone().count() <= LEFT_OVER && letters.clone().all(|c| c != '=')
}

/// Whether a descriptor is of an image in one file without a parent.
pub(super) fn is_single(descriptor: &str) -> bool {
    if descriptor.to_ascii_lowercase().contains(PARENT) {
        return false;
    }
    let (text, rest) = descriptor.split_once('\0').unwrap_or((descriptor, ""));
    if !is_left_over(rest) {
        return false;
    }
    let mut extents = 0;
    // QEMU finds these by their first letters, of the right case.
    let (mut kind, mut orphan, mut id) = (false, false, false);
    for line in text.split(['\n', '\r']).map(str::trim) {
        let lower = line.to_ascii_lowercase();
        if let Some((key, value)) = lower.split_once('=') {
            let value = value.trim().trim_matches('"');
            let good = match key.trim() {
                "createtype" => {
                    kind = line.starts_with("createType=")
                        && matches!(value, "monolithicsparse" | "streamoptimized");
                    kind
                }
                "parentcid" => {
                    orphan = line.starts_with("parentCID=") && value == "ffffffff";
                    orphan
                }
                "cid" => {
                    id = line.starts_with("CID=") && u32::from_str_radix(value, 16).is_ok();
                    id
                }
                _ => true,
            };
            if !good {
                return false;
            }
        } else if ["rw ", "rdonly ", "noaccess "]
            .iter()
            .any(|access| lower.starts_with(access))
        {
            extents += 1;
            let name = line.split_once('"').map(|(_, rest)| rest);
            if !lower.contains(" sparse ") || name.is_none_or(|name| name.contains(['/', ':'])) {
                return false;
            }
        }
    }
    kind && orphan && id && extents == 1
}
