//! What all file systems have in common: plain values.

use std::fmt;

use serde::Serialize;

/// Which file system.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FsKind {
    /// ext2, ext3 or ext4: one family, told apart by features.
    Ext,
    /// XFS, version 4 or 5.
    Xfs,
    /// btrfs.
    Btrfs,
    /// FAT12, FAT16 or FAT32.
    #[serde(rename = "vfat")]
    Fat,
    /// ISO 9660, with or without Rock Ridge or Joliet.
    Iso9660,
    /// NTFS.
    Ntfs,
    /// exFAT, which only a kernel reads.
    ExFat,
    /// UDF, which only a kernel reads.
    Udf,
    /// F2FS, which only a kernel reads.
    F2fs,
    /// SquashFS, which only a kernel reads.
    Squashfs,
    /// Whatever else a kernel reads.
    Other,
}

impl FsKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Fat => "vfat",
            Self::Iso9660 => "iso9660",
            Self::Ntfs => "ntfs",
            Self::ExFat => "exfat",
            Self::Udf => "udf",
            Self::F2fs => "f2fs",
            Self::Squashfs => "squashfs",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file or directory of one file system, while that is open.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node(pub u64);

/// What a directory entry leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

impl FileKind {
    /// From the upper four bits of `st_mode`; `None` if they say nothing.
    pub fn of_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Link,
            0o020_000 => Self::CharDevice,
            0o060_000 => Self::BlockDevice,
            0o010_000 => Self::Pipe,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }

    /// What it is, with an article.
    pub fn described(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::CharDevice => "a character device",
            Self::BlockDevice => "a block device",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
        }
    }

    /// The letter that `ls -l` has for it.
    pub fn letter(self) -> char {
        match self {
            Self::File => '-',
            Self::Directory => 'd',
            Self::Link => 'l',
            Self::CharDevice => 'c',
            Self::BlockDevice => 'b',
            Self::Pipe => 'p',
            Self::Socket => 's',
        }
    }
}

/// A moment, since the beginning of 1970.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
}

/// What is known of a file without its contents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// The lower twelve bits of `st_mode`.
    pub mode: u16,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its length in bytes.
    pub size: u64,
    /// Its inode number and how many names it has, where that can be known.
    pub links: Option<Links>,
    /// When it was last read.
    pub accessed: Time,
    /// When its contents were last changed.
    pub modified: Time,
    /// When anything about it was last changed, where that can be known.
    pub changed: Option<Time>,
}

/// Which file it is, and how many names it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Links {
    /// Its number, unique in its file system.
    pub inode: u64,
    /// How many names.
    pub count: u32,
}

/// One name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The name: never empty, `.`, `..`, and without `/` and NUL.
    pub name: Vec<u8>,
    /// What it leads to.
    pub node: Node,
}

/// An extended attribute: its full name, and its value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// Space and inodes, as `statvfs` has them. Blocks are in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// What there is for files, in bytes.
    pub size: u64,
    /// What is taken, in bytes.
    pub used: u64,
    /// What users other than root may still write, in bytes.
    pub available: u64,
    /// Inodes there are; `None` if they are made as needed.
    pub inodes: Option<u64>,
    /// Inodes that are taken; `None` if nobody counts them.
    pub inodes_used: Option<u64>,
}

/// Whether a file system was closed well.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It was.
    Clean,
    /// It was not: its journal was replayed in memory, as the kernel would at
    /// the next mount.
    Replayed,
    /// It was not, and no journal was replayed: what was being written may be
    /// torn.
    Unclean,
    /// It is in use: Windows sleeps, and keeps a part of it in its memory.
    Hibernated,
}
