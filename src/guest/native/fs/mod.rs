//! File systems behind one trait, a file for each.
//!
//! The parsers are libraries; what is here is glue, and the rules that hold
//! for all of them. An image is hostile until shown otherwise, so that every
//! answer of a library is looked at: see [`checked`].

mod btrfs;
mod checked;
mod ext;
mod fat;
mod guarded;
mod iso;
mod listed;
mod model;
mod ntfs;
mod pages;
mod rust_fs;
mod xfs;

use std::sync::Arc;

pub use self::checked::{MAX_ENTRIES, name_is_sound};
pub use self::model::{Entry, FileKind, FsKind, Health, Links, Node, Stat, Time, Usage, Xattr};
use super::Blocks;
use crate::error::{Error, Kind, Result};

/// A file system that is open for reading.
///
/// All methods fail with [`Kind::Unsafe`] where the image is damaged, with
/// [`Kind::Storage`] where it cannot be read, and with [`Kind::WrongState`]
/// where it uses what this engine does not know.
pub trait FileSystem {
    /// Which it is.
    fn kind(&self) -> FsKind;

    /// Its UUID as text, as `/etc/fstab` has it.
    fn uuid(&self) -> Option<String>;

    /// Its label; `None` if it has none.
    fn label(&self) -> Option<Vec<u8>>;

    /// Whether it was closed well.
    fn health(&self) -> Health;

    /// The directory that a mount without options shows.
    fn root(&self) -> Node;

    /// The directory that a mount with these options shows: `subvol=` and
    /// `subvolid=` of btrfs. `None` if they name nothing.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn root_for(&self, _options: &str) -> Result<Option<Node>> {
        Ok(Some(self.root()))
    }

    /// What a name in a directory leads to. It is neither `.` nor `..`.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>>;

    /// All names in a directory but `.` and `..`, in no order.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn entries(&self, dir: Node) -> Result<Vec<Entry>>;

    /// What is known of a file.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn stat(&self, node: Node) -> Result<Stat>;

    /// Reads of a regular file; fewer bytes than `buf` has only at its end.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Where a symbolic link leads.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn link(&self, node: Node) -> Result<Vec<u8>>;

    /// The extended attributes; `None` if this engine cannot read them.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn xattrs(&self, node: Node) -> Result<Option<Vec<Xattr>>>;

    /// Space and inodes.
    ///
    /// # Errors
    ///
    /// Those of the trait.
    fn usage(&self) -> Result<Usage>;
}

/// What came of opening a file system.
pub enum Opened {
    /// It can be read.
    Ready(Box<dyn FileSystem>),
    /// Only a kernel can read it, for this reason.
    NeedsKernel(String),
}

impl Opened {
    /// The file system.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if only a kernel can read it.
    pub fn ready(self) -> Result<Box<dyn FileSystem>> {
        match self {
            Self::Ready(fs) => Ok(fs),
            Self::NeedsKernel(why) => Err(needs_kernel(&why)),
        }
    }
}

/// The option that names a subvolume, among the options of a mount.
pub fn subvolume_in(options: &str) -> Option<&str> {
    let mut words = options.split(',').map(str::trim);
    words.find(|word| word.starts_with("subvol=") || word.starts_with("subvolid="))
}

/// The error for what this engine cannot read, though a kernel can.
pub fn needs_kernel(why: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!("the file system cannot be read without a kernel: {why}"),
    )
    .hint(
        "libguestfs has a kernel: `--engine appliance`; or start the guest once and shut it \
         down, so that it is closed well",
    )
}

/// A file system whose answers are looked at, whoever gives them.
pub fn with_checks(fs: Box<dyn FileSystem>) -> Box<dyn FileSystem> {
    Box::new(checked::Checked::new(fs))
}

/// Opens a file system for reading. Nothing is written, whatever state it is in.
///
/// # Errors
///
/// [`Kind::Unsafe`] if it is damaged, [`Kind::Storage`] if it cannot be read.
pub fn open(kind: FsKind, blocks: Arc<dyn Blocks>) -> Result<Opened> {
    let opened = match kind {
        FsKind::Ext => ext::open(blocks),
        FsKind::Xfs => xfs::open(blocks),
        FsKind::Btrfs => btrfs::open(blocks),
        FsKind::Fat => fat::open(blocks),
        FsKind::Iso9660 => iso::open(blocks),
        FsKind::Ntfs => ntfs::open(blocks),
        other => Ok(Opened::NeedsKernel(format!("it is {other}"))),
    }?;
    Ok(match opened {
        Opened::Ready(fs) => Opened::Ready(with_checks(fs)),
        other => other,
    })
}
