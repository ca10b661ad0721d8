//! Hyper-V's VHDX: [MS-VHDX]. The rules are those of `vhdx_open()` in QEMU's
//! `block/vhdx.c`.
//!
//! ```text
//!    0   "vhdxfile"
//!  64K   a header; 128K another, of which the newer counts
//! 192K   where the regions are: the block table and the metadata
//! ```

use super::{CUT_OFF, DIFFERENCE, Facts, Found, Problem, Source};
use crate::image::file::{le16, le32, le64};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const HEADER: usize = 4 << 10;
const REGIONS: u64 = 192 * KIB;
const TABLE: usize = 64 << 10;
const MAX_REGIONS: u32 = 2047;

type Guid = [u8; 16];

/// The identifiers of regions and of metadata, as they are in a file: the
/// first three groups turned round.
const BLOCKS: Guid = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const METADATA: Guid = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const PARAMETERS: Guid = *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const DISK_SIZE: Guid = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
const DISK_ID: Guid = *b"\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46";
const SECTOR_SIZE: Guid = *b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";
const REAL_SECTOR: Guid = *b"\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56";
const PARENT: Guid = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";

pub(super) fn read(image: &dyn Source) -> Found {
    if image.header(0, 8)? != b"vhdxfile" {
        return Err(Problem::Refused("it does not begin as a VHDX image does"));
    }
    let header = newest_header(image)?;
    let long = |at| le64(&header, at).ok_or(CUT_OFF);
    let (log, log_size) = (long(72)?, le32(&header, 68).ok_or(CUT_OFF)?);
    if log < MIB || log % MIB != 0 || le16(&header, 64) != Some(0) {
        return Err(Problem::Refused("its log is damaged"));
    }
    if header.get(48..64).ok_or(CUT_OFF)? != [0; 16] {
        return Err(Problem::Log);
    }
    let regions = Regions::read(image, (log, log_size.into()))?;
    let disk = Metadata::read(image, regions.metadata)?.disk(image)?;
    if disk
        .block_entries()
        .is_none_or(|n| n > regions.blocks.1 / 8)
    {
        return Err(Problem::Refused(
            "its table of blocks cannot hold a disk of its size",
        ));
    }
    Facts::of_size(disk.size)
}

/// The header that counts: of two good ones the one that was written last.
fn newest_header(image: &dyn Source) -> std::result::Result<Vec<u8>, Problem> {
    let damaged = Problem::Refused("it has no good header");
    let mut good = Vec::new();
    for at in HEADERS {
        let bytes = image.header(at, HEADER)?;
        if bytes.starts_with(b"head") && sums_up(&bytes) && le16(&bytes, 66) == Some(1) {
            good.push(bytes);
        }
    }
    let newest = |bytes: &Vec<u8>| le64(bytes, 8);
    // Disk2vhd writes the same one twice; but of two different headers that
    // are equally new none can be chosen.
    if let [one, two] = good.as_slice()
        && newest(one) == newest(two)
        && one.get(..80) != two.get(..80)
    {
        return Err(damaged);
    }
    good.into_iter().max_by_key(newest).ok_or(damaged)
}

/// A part of the file: where it begins, and how long it is.
type Part = (u64, u64);

/// Where things are.
struct Regions {
    blocks: Part,
    metadata: Part,
}

impl Regions {
    fn read(image: &dyn Source, log: Part) -> std::result::Result<Self, Problem> {
        let damaged = || Problem::Refused("its table of regions is damaged");
        let table = image.header(REGIONS, TABLE)?;
        let count = le32(&table, 8).ok_or(CUT_OFF)?;
        if !table.starts_with(b"regi") || !sums_up(&table) || count > MAX_REGIONS {
            return Err(damaged());
        }
        let mut taken = vec![log];
        let (mut blocks, mut metadata) = (None, None);
        let entries = table.get(16..).unwrap_or_default().chunks_exact(32);
        for entry in entries.take(count as usize) {
            let part @ (offset, length) = (
                le64(entry, 16).ok_or(CUT_OFF)?,
                u64::from(le32(entry, 24).ok_or(CUT_OFF)?),
            );
            let apart = |&(from, size): &Part| {
                offset >= from.saturating_add(size) || offset.saturating_add(length) <= from
            };
            if offset < MIB || offset % MIB != 0 || !taken.iter().all(apart) {
                return Err(damaged());
            }
            taken.push(part);
            let place = match entry.first_chunk() {
                Some(&BLOCKS) => &mut blocks,
                Some(&METADATA) => &mut metadata,
                // The first bit says that nobody can do without it.
                _ if le32(entry, 28).is_none_or(|bits| bits & 1 != 0) => {
                    return Err(Problem::Refused("it has a region unknown here"));
                }
                _ => continue,
            };
            image.holds(offset, length)?;
            if place.replace(part).is_some() {
                return Err(damaged());
            }
        }
        match (blocks, metadata) {
            (Some(blocks), Some(metadata)) => Ok(Self { blocks, metadata }),
            _ => Err(damaged()),
        }
    }
}

/// The items of metadata: what each is, and where.
struct Metadata(Vec<(Guid, Part)>);

impl Metadata {
    const KNOWN: [Guid; 6] = [
        PARAMETERS,
        DISK_SIZE,
        DISK_ID,
        SECTOR_SIZE,
        REAL_SECTOR,
        PARENT,
    ];

    fn read(image: &dyn Source, region: Part) -> std::result::Result<Self, Problem> {
        let damaged = || Problem::Refused("its metadata is damaged");
        let table = image.header(region.0, TABLE)?;
        let count = le16(&table, 10).ok_or(CUT_OFF)?;
        if !table.starts_with(b"metadata") || u32::from(count) > MAX_REGIONS {
            return Err(damaged());
        }
        let mut items: Vec<(Guid, Part)> = Vec::new();
        let entries = table.get(32..).unwrap_or_default().chunks_exact(32);
        for entry in entries.take(count.into()) {
            let id = *entry.first_chunk::<16>().ok_or(CUT_OFF)?;
            let offset = u64::from(le32(entry, 16).ok_or(CUT_OFF)?);
            let length = u64::from(le32(entry, 20).ok_or(CUT_OFF)?);
            let bits = le32(entry, 24).ok_or(CUT_OFF)?;
            if items.iter().any(|(known, _)| *known == id) {
                return Err(damaged());
            }
            if !Self::KNOWN.contains(&id) {
                // The third bit says that nobody can do without it.
                if bits & 4 != 0 {
                    return Err(Problem::Refused("it has metadata unknown here"));
                }
                continue;
            }
            if offset < TABLE as u64 || offset + length > region.1 {
                return Err(damaged());
            }
            items.push((id, (region.0.saturating_add(offset), length)));
        }
        Ok(Self(items))
    }

    /// The bytes of an item, which has so many.
    fn item(
        &self,
        image: &dyn Source,
        id: Guid,
        length: usize,
    ) -> std::result::Result<Vec<u8>, Problem> {
        match self.0.iter().find(|(known, _)| *known == id) {
            Some((_, (at, size))) if *size == length as u64 => image.header(*at, length),
            _ => Err(Problem::Refused("its metadata is damaged")),
        }
    }

    fn disk(&self, image: &dyn Source) -> std::result::Result<Disk, Problem> {
        let parameters = self.item(image, PARAMETERS, 8)?;
        // The second bit says that there is a parent, the other item which.
        let bits = le32(&parameters, 4).ok_or(CUT_OFF)?;
        if bits & 2 != 0 || self.0.iter().any(|(id, _)| *id == PARENT) {
            return Err(DIFFERENCE);
        }
        self.item(image, DISK_ID, 16)?;
        self.item(image, REAL_SECTOR, 4)?;
        let size = self.item(image, DISK_SIZE, 8)?;
        let sector = self.item(image, SECTOR_SIZE, 4)?;
        let disk = Disk {
            size: le64(&size, 0).ok_or(CUT_OFF)?,
            sector: u64::from(le32(&sector, 0).ok_or(CUT_OFF)?),
            block: u64::from(le32(&parameters, 0).ok_or(CUT_OFF)?),
        };
        // QEMU counts sectors of 4096 bytes as if they had 512.
        if disk.sector != 512 {
            return Err(Problem::Refused("its sectors are not of 512 bytes"));
        }
        let blocks = MIB..=256 * MIB;
        if !blocks.contains(&disk.block) || !disk.block.is_power_of_two() || disk.size % 512 != 0 {
            return Err(Problem::Refused("its blocks are of an impossible size"));
        }
        Ok(disk)
    }
}

/// The disk in an image, in bytes.
struct Disk {
    size: u64,
    sector: u64,
    block: u64,
}

impl Disk {
    /// How many entries its table of blocks has: one for each block, and one
    /// after each chunk of 2^23 sectors.
    fn block_entries(&self) -> Option<u64> {
        let blocks = self.size.div_ceil(self.block);
        let per_chunk = (self.sector << 23) / self.block;
        blocks.checked_add(blocks.saturating_sub(1) / per_chunk)
    }
}

/// Whether a header, with 0 in place of its checksum, has that checksum.
fn sums_up(header: &[u8]) -> bool {
    let bytes = header.iter().enumerate();
    let zeroed = bytes.map(|(at, &byte)| if (4..8).contains(&at) { 0 } else { byte });
    le32(header, 4) == Some(crc32c(zeroed))
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), bit by bit: at most 72 KiB of
/// an image go through it.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const REVERSED: u32 = 0x82f6_3b78;
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 0 { 0 } else { REVERSED }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
        assert_eq!(crc32c([0xff; 32].into_iter()), 0x62a8_ab43);
        assert_eq!(crc32c(0..32), 0x46dd_794e);
    }
}
