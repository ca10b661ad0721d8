//! The file systems that are made, and what they need for themselves.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A file system that can be made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FsType {
    /// ext2.
    Ext2,
    /// ext3.
    Ext3,
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// FAT12, FAT16 or FAT32, whichever fits.
    Vfat,
    /// NTFS.
    Ntfs,
}

const MIB: u64 = 1 << 20;

impl FsType {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Ext2,
        Self::Ext3,
        Self::Ext4,
        Self::Xfs,
        Self::Btrfs,
        Self::Vfat,
        Self::Ntfs,
    ];

    /// The word for it, which is that of `mkfs` too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Vfat => "vfat",
            Self::Ntfs => "ntfs",
        }
    }

    /// How long its label can be, in bytes.
    pub fn longest_label(self) -> usize {
        match self {
            Self::Ext2 | Self::Ext3 | Self::Ext4 => 16,
            Self::Xfs => 12,
            Self::Btrfs => 255,
            Self::Vfat => 11,
            Self::Ntfs => 32,
        }
    }

    /// Whether it has owners, modes, links and devices as Linux knows them.
    pub fn is_unix(self) -> bool {
        !matches!(self, Self::Vfat | Self::Ntfs)
    }

    /// The smallest that its `mkfs` makes, in bytes, with some room in it.
    pub fn smallest(self) -> u64 {
        match self {
            Self::Ext2 | Self::Ext3 | Self::Ext4 => 4 * MIB,
            // Since xfsprogs 5.19, 300 MiB.
            Self::Xfs => 320 * MIB,
            Self::Btrfs => 160 * MIB,
            Self::Vfat => 2 * MIB,
            Self::Ntfs => 16 * MIB,
        }
    }

    /// How large it has to be for so many bytes, whole blocks of each file, in so
    /// many files. An estimate, and rather too much.
    pub fn estimate(self, bytes: u64, files: u64) -> u64 {
        let more = |part: u64| bytes.checked_div(part).unwrap_or(0);
        let all = |parts: &[u64]| {
            parts
                .iter()
                .fold(bytes, |sum, part| sum.saturating_add(*part))
        };
        let size = match self {
            // The tables of inodes, one for each 16 KiB; the journal.
            Self::Ext2 => all(&[more(12), 4 * MIB]),
            Self::Ext3 | Self::Ext4 => {
                all(&[more(12), (more(8)).clamp(4 * MIB, 96 * MIB), 4 * MIB])
            }
            Self::Xfs => all(&[more(12), 96 * MIB]),
            // Everything about files is there twice.
            Self::Btrfs => all(&[more(8), files.saturating_mul(2048), 192 * MIB]),
            Self::Vfat => all(&[more(32), 2 * MIB]),
            Self::Ntfs => all(&[more(12), 16 * MIB]),
        };
        let with_inodes = |each: u64| size.max(files.saturating_add(64).saturating_mul(each));
        let size = match self {
            // Small ones get an inode for each 4 KiB.
            Self::Ext2 | Self::Ext3 | Self::Ext4 => match with_inodes(4096) {
                small if small < 512 * MIB => small,
                _ => with_inodes(16384),
            },
            _ => size,
        };
        size.max(self.smallest())
    }
}

impl fmt::Display for FsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FsType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text, "fat" | "msdos") {
            return Ok(Self::Vfat);
        }
        let known = Self::ALL.iter().find(|kind| kind.as_str() == text);
        known.copied().ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!(
                "no file system '{text}' is made; there are {}",
                words.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_estimated_is_enough_and_not_absurd() {
        for kind in FsType::ALL {
            assert!(kind.estimate(0, 0) >= kind.smallest());
            let size = kind.estimate(1 << 30, 1000);
            assert!(
                size > 1 << 30 && size < (1 << 30) * 5 / 4 + (256 << 20),
                "{kind}"
            );
            assert_eq!(kind.as_str().parse::<FsType>().unwrap(), *kind);
        }
        assert!(FsType::Ext4.estimate(4096, 1_000_000) > 12_000 << 20);
        assert!("reiserfs".parse::<FsType>().unwrap_err().contains("ext4"));
        assert_eq!(FsType::Ext4.estimate(u64::MAX, u64::MAX), u64::MAX);
    }
}
