//! LUKS 1: LUKS On-Disk Format Specification 1.2.3, and the rules of
//! `qcrypto_block_luks_check_header()` in QEMU's `crypto/block-luks.c`.

use super::{CUT_OFF, Facts, Found, Problem, Source};
use crate::image::file::{be16, be32};

/// The header with its eight key slots, in bytes.
const HEADER: usize = 592;
const SLOTS: usize = 208;
const SLOT: usize = 48;
const ENABLED: u32 = 0x00ac_71f3;
const DISABLED: u32 = 0x0000_dead;
const STRIPES: u32 = 4000;
const SECTOR: u64 = 512;
/// Nothing else begins before this sector.
const FIRST_SECTOR: u64 = 8;

const CIPHERS: [&str; 3] = ["aes", "serpent", "twofish"];
const HASHES: [&str; 6] = ["sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160"];
const CIPHER: Problem = Problem::Refused("its cipher is unknown here");

/// A name in the header: it ends with a zero.
fn text(field: &[u8]) -> Option<&str> {
    let (name, _) = field.split_at_checked(field.iter().position(|&byte| byte == 0)?)?;
    std::str::from_utf8(name).ok()
}

/// Whether there is such a cipher, in a mode such as `xts-plain64` or
/// `cbc-essiv:sha256`, with a key of so many bytes. XTS takes two keys.
fn is_cipher(cipher: &str, mode: &str, key: u32) -> bool {
    let Some((mode, vector)) = mode.split_once('-') else {
        return false;
    };
    let known_vector = match vector.split_once(':') {
        Some(("essiv", hash)) => HASHES.contains(&hash),
        Some(_) => false,
        None => matches!(vector, "plain" | "plain64"),
    };
    let keys = match mode {
        "xts" => 2,
        "cbc" => 1,
        _ => return false,
    };
    CIPHERS.contains(&cipher) && known_vector && [16, 24, 32].map(|one| one * keys).contains(&key)
}

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.header(0, HEADER)?;
    if !head.starts_with(b"LUKS\xba\xbe") || be16(&head, 6) != Some(1) {
        return Err(Problem::Refused("it does not begin as a LUKS 1 image does"));
    }
    let name = |at: usize| head.get(at..at + 32).and_then(text).ok_or(CIPHER);
    let key = be32(&head, 108).ok_or(CUT_OFF)?;
    if !HASHES.contains(&name(72)?) || !is_cipher(name(8)?, name(40)?, key) {
        return Err(CIPHER);
    }
    let word = |at| be32(&head, at).ok_or(CUT_OFF);
    let payload = u64::from(word(104)?);
    let key_sectors = (u64::from(key) * u64::from(STRIPES)).div_ceil(SECTOR);
    // QEMU lets each slot begin with as many sectors as the header has.
    let key_sectors = key_sectors.next_multiple_of(FIRST_SECTOR);
    if payload < FIRST_SECTOR || word(164)? == 0 {
        return Err(Problem::Refused("its header contradicts itself"));
    }
    let mut taken = Vec::new();
    for at in (SLOTS..HEADER).step_by(SLOT) {
        let (state, iterations) = (word(at)?, word(at + 4)?);
        let (offset, stripes) = (u64::from(word(at + 40)?), word(at + 44)?);
        let known = state == DISABLED || (state == ENABLED && iterations > 0);
        let end = offset + key_sectors;
        let apart = taken.iter().all(|&(a, b)| end <= a || offset >= b);
        if !known || stripes != STRIPES || offset < FIRST_SECTOR || end > payload || !apart {
            return Err(Problem::Refused("a key slot of it is damaged"));
        }
        taken.push((offset, end));
    }
    let size = image.size().saturating_sub(payload * SECTOR);
    Facts::of_size(size.next_multiple_of(SECTOR)).map(|facts| Facts {
        encrypted: true,
        ..facts
    })
}
