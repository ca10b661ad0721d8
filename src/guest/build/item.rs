//! A file of the source: what it is, and all that is known of it.

use crate::guest::native::fs::{Time, Xattr};

/// Whose the files are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Owners {
    /// Those that they have, by number.
    #[default]
    Kept,
    /// Root's.
    Root,
}

/// What is in the source under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// Its path: `/`, or with a slash in front.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ItemKind,
    /// The lower twelve bits of `st_mode`.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// When it was last changed.
    pub modified: Time,
    /// Its extended attributes.
    pub xattrs: Vec<Xattr>,
}

/// What it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ItemKind {
    /// A directory.
    Directory,
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link that leads there.
    Link(Vec<u8>),
    /// Another name of a file that came before.
    Name(Vec<u8>),
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A named pipe.
    Pipe,
}

impl Item {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        match self.kind {
            ItemKind::File(size) => size,
            _ => 0,
        }
    }
}
