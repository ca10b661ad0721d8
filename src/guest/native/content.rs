//! What is in a disk, a partition or a volume, by its magic numbers.

use std::fmt;

use super::{Blocks, bytes};
use crate::error::Result;
use crate::image::{be16, le16, le32, le64};

/// What a volume holds. That its magic number is there is all that this says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// Btrfs, or one device of one.
    Btrfs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// exFAT.
    ExFat,
    /// NTFS.
    Ntfs,
    /// A CD image, with or without extensions.
    Iso9660,
    /// UDF.
    Udf,
    /// F2FS.
    F2fs,
    /// SquashFS.
    Squashfs,
    /// Swap space of Linux.
    Swap,
    /// LUKS, of either version.
    Luks,
    /// Windows' encryption.
    BitLocker,
    /// A physical volume of LVM2.
    LvmPv,
    /// A member of a Linux software RAID.
    MdMember,
    /// A device of bcache.
    Bcache,
    /// Nothing that is known here.
    Unknown,
}

impl Content {
    /// What a word of `blkid` means.
    pub fn of_word(word: &str) -> Self {
        const ALL: [Content; 13] = [
            Content::Xfs,
            Content::Btrfs,
            Content::Fat,
            Content::ExFat,
            Content::Ntfs,
            Content::Iso9660,
            Content::Udf,
            Content::F2fs,
            Content::Squashfs,
            Content::Swap,
            Content::Luks,
            Content::LvmPv,
            Content::MdMember,
        ];
        match word {
            "ext2" | "ext3" | "ext4" => Self::Ext,
            word => ALL
                .into_iter()
                .find(|content| content.as_str() == word)
                .unwrap_or(Self::Unknown),
        }
    }

    /// The word that `blkid` has for it, where it has one for all of its kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext => "ext",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Fat => "vfat",
            Self::ExFat => "exfat",
            Self::Ntfs => "ntfs",
            Self::Iso9660 => "iso9660",
            Self::Udf => "udf",
            Self::F2fs => "f2fs",
            Self::Squashfs => "squashfs",
            Self::Swap => "swap",
            Self::Luks => "crypto_LUKS",
            Self::BitLocker => "BitLocker",
            Self::LvmPv => "LVM2_member",
            Self::MdMember => "linux_raid_member",
            Self::Bcache => "bcache",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As much of the beginning as holds all magic numbers there, in bytes; the
/// last is that of btrfs.
const HEAD: usize = 0x1_0048;

const MD_MAGIC: u32 = 0xa92b_4efc;

/// Looks for what is in a volume.
///
/// What has other volumes in it comes first: the first member of a mirror has
/// the magic number of the file system as well.
///
/// # Errors
///
/// What reading the volume fails with.
pub fn detect(volume: &dyn Blocks) -> Result<Content> {
    let length = usize::try_from(volume.len()).unwrap_or(HEAD).min(HEAD);
    let mut head = vec![0; length];
    volume.read_at(0, &mut head)?;
    if let Some(found) = container(&head) {
        return Ok(found);
    }
    if is_md_at_the_end(volume)? {
        return Ok(Content::MdMember);
    }
    Ok(file_system(&head).unwrap_or(Content::Unknown))
}

fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..)
        .is_some_and(|rest| rest.starts_with(magic))
}

fn container(head: &[u8]) -> Option<Content> {
    if at(head, 0, b"LUKS\xba\xbe") {
        return Some(Content::Luks);
    }
    let label = |sector: usize| {
        at(head, sector * 512, b"LABELONE") && at(head, sector * 512 + 24, b"LVM2 001")
    };
    if (0..4).any(label) {
        return Some(Content::LvmPv);
    }
    if [0, 4096]
        .into_iter()
        .any(|offset| is_md_1(head, offset, offset as u64))
    {
        return Some(Content::MdMember);
    }
    const BCACHE: [u8; 16] = [
        0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d,
        0x81,
    ];
    if at(head, 4096 + 24, &BCACHE) {
        return Some(Content::Bcache);
    }
    at(head, 3, b"-FVE-FS-").then_some(Content::BitLocker)
}

/// Whether a superblock of Linux's RAID of version 1 is there (`md_p.h`), and
/// says that it is where it is.
fn is_md_1(bytes: &[u8], offset: usize, place: u64) -> bool {
    le32(bytes, offset) == Some(MD_MAGIC)
        && le32(bytes, offset + 4) == Some(1)
        && le64(bytes, offset + 144) == Some(place / 512)
}

/// Versions 1.0 and 0.90 have theirs at the end.
fn is_md_at_the_end(volume: &dyn Blocks) -> Result<bool> {
    const OLD: u64 = 64 << 10;
    let sectors = volume.len() / 512;
    if let Some(place) = sectors.checked_sub(16).map(|at| (at & !7) * 512) {
        let block = bytes::read(volume, place, 256)?;
        if block.is_some_and(|block| is_md_1(&block, 0, place)) {
            return Ok(true);
        }
    }
    let place = (volume.len() & !(OLD - 1)).checked_sub(OLD);
    let block = match place {
        Some(place) => bytes::read(volume, place, 8)?,
        None => None,
    };
    Ok(block.is_some_and(|block| {
        // In the byte order of the machine that made it.
        let little = le32(&block, 0) == Some(MD_MAGIC) && le32(&block, 4) == Some(0);
        let big = at(&block, 0, &MD_MAGIC.to_be_bytes()) && at(&block, 4, &[0; 4]);
        little || big
    }))
}

fn file_system(head: &[u8]) -> Option<Content> {
    let boot_sector = be16(head, 510) == Some(0x55aa);
    let known = [
        (at(head, 0, b"XFSB"), Content::Xfs),
        (at(head, 0x1_0040, b"_BHRfS_M"), Content::Btrfs),
        (le16(head, 0x438) == Some(0xef53), Content::Ext),
        (boot_sector && at(head, 3, b"NTFS    "), Content::Ntfs),
        (boot_sector && at(head, 3, b"EXFAT   "), Content::ExFat),
        (at(head, 0x8001, b"CD001"), Content::Iso9660),
        (is_udf(head), Content::Udf),
        (le32(head, 1024) == Some(0xf2f5_2010), Content::F2fs),
        (at(head, 0, b"hsqs"), Content::Squashfs),
        (is_swap(head), Content::Swap),
        (is_fat(head), Content::Fat),
    ];
    known
        .into_iter()
        .find_map(|(there, what)| there.then_some(what))
}

/// The mark is at the end of the first page, whose size depends on the machine.
fn is_swap(head: &[u8]) -> bool {
    [4096_usize, 8192, 16384, 65536].into_iter().any(|page| {
        let mark = page - 10;
        at(head, mark, b"SWAPSPACE2") || at(head, mark, b"SWAP-SPACE")
    })
}

/// A descriptor "BEA01" among the first, and one for either version after it
/// (ECMA-167, part 2).
fn is_udf(head: &[u8]) -> bool {
    let descriptor = |n: usize| head.get(0x8000 + n * 2048 + 1..);
    let has =
        |name: &[u8]| (0..16).any(|n| descriptor(n).is_some_and(|bytes| bytes.starts_with(name)));
    has(b"BEA01") && (has(b"NSR02") || has(b"NSR03"))
}

/// The parameters have to fit together: the two bytes at the end are those of
/// every boot sector, and old disks lack even them.
fn is_fat(head: &[u8]) -> bool {
    let byte = |offset: usize| head.get(offset).copied().unwrap_or(0);
    let number = |offset: usize| le16(head, offset).unwrap_or(0);
    let jump = byte(0) == 0xe9 || byte(0) == 0xeb || at(head, 54, b"FAT") || at(head, 82, b"FAT");
    let sector = [512, 1024, 2048, 4096].contains(&number(11));
    let cluster = byte(13).is_power_of_two();
    let tables = matches!(byte(16), 1 | 2);
    let media = byte(21) == 0xf0 || byte(21) >= 0xf8;
    let sized = number(19) != 0 || le32(head, 32).is_some_and(|sectors| sectors != 0);
    let tabled = number(22) != 0 || le32(head, 36).is_some_and(|sectors| sectors != 0);
    jump && sector && cluster && number(14) != 0 && tables && media && sized && tabled
}
