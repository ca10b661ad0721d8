//! What is to be changed in a guest: thought through before anything is begun,
//! and carried out by whoever has a kernel.

use std::fmt;
use std::path::PathBuf;

use crate::guest::native::fs::{FsKind, Time};
use crate::guest::tree::{End, Place, Tree};

/// Where something is or will be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spot {
    /// The file system, by its number in [`Tree::mounts`].
    pub fs: usize,
    /// The path in it: empty or with a slash in front, and free of symbolic
    /// links but at its end.
    pub inner: Vec<u8>,
    /// The path in the guest.
    pub path: Vec<u8>,
}

impl Spot {
    /// Where a file is.
    pub fn of(tree: &Tree, place: &Place) -> Self {
        let (fs, inner) = tree.spot(place);
        Self {
            fs,
            inner: if inner == b"/" { Vec::new() } else { inner },
            path: place.path.clone(),
        }
    }

    /// Where a path ends.
    pub fn at_end(tree: &Tree, end: &End) -> Self {
        match &end.there {
            Some(there) => Self::of(tree, there),
            None => Self::of(tree, &end.dir).child(&end.name),
        }
    }

    /// A name in this directory, on the same file system.
    pub fn child(&self, name: &[u8]) -> Self {
        let joined = |dir: &[u8]| {
            let dir = dir.strip_suffix(b"/").unwrap_or(dir);
            [dir, b"/", name].concat()
        };
        Self {
            fs: self.fs,
            inner: joined(&self.inner),
            path: joined(&self.path),
        }
    }

    /// The directory that it is in, in its file system.
    pub fn inner_dir(&self) -> &[u8] {
        let at = self.inner.iter().rposition(|&byte| byte == b'/');
        self.inner.get(..at.unwrap_or(0)).unwrap_or_default()
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.escape_ascii().fmt(f)
    }
}

/// What something new is given. It gets the SELinux label of its directory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Given {
    /// The lower twelve bits of `st_mode`.
    pub mode: Option<u32>,
    /// User and group; else root, and the group as the directory has it.
    pub owner: Option<(u32, u32)>,
    /// When it was last changed; else now.
    pub modified: Option<Time>,
    /// The type in its SELinux label, where there are labels; else that of its
    /// directory.
    pub label_type: Option<&'static str>,
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A file gets other contents, those of a file of the host. All else that it
    /// has stays: its names, mode, owner, label, ACL and attributes.
    Contents {
        /// The file.
        at: Spot,
        /// The file of the host.
        from: PathBuf,
        /// Its mode, which the kernel would take set-id bits off.
        mode: u32,
        /// Whether it has capabilities, which the kernel would take off.
        capable: bool,
    },
    /// There is a new file, with the contents of a file of the host.
    File {
        /// The file.
        at: Spot,
        /// The file of the host; an empty one without.
        from: Option<PathBuf>,
        /// What it gets.
        given: Given,
    },
    /// There is a new directory.
    Directory {
        /// The directory.
        at: Spot,
        /// What it gets.
        given: Given,
    },
    /// There is a new symbolic link.
    Link {
        /// The link.
        at: Spot,
        /// Where it leads.
        target: Vec<u8>,
        /// What it gets. It has no mode.
        given: Given,
    },
    /// A file has one more name, on the same file system.
    Name {
        /// The name.
        at: Spot,
        /// The file.
        of: Spot,
    },
    /// A file is copied, with all that it has.
    Copy {
        /// The file.
        from: Spot,
        /// The copy.
        to: Spot,
    },
    /// A file has another name or place. What had that is gone.
    Move {
        /// What it was.
        from: Spot,
        /// What it is.
        to: Spot,
    },
    /// A file is gone; or a directory and all that is in it.
    Remove {
        /// The file.
        at: Spot,
        /// Whether it is a directory.
        directory: bool,
    },
    /// A file has another mode.
    Mode {
        /// The file.
        at: Spot,
        /// The lower twelve bits of `st_mode`.
        mode: u32,
    },
    /// A file belongs to somebody else.
    Owner {
        /// The file itself, also if it is a symbolic link.
        at: Spot,
        /// User and group.
        owner: (u32, u32),
        /// The mode to give it again, which the kernel would take set-id bits
        /// off; `None` for a link.
        mode: Option<u32>,
    },
    /// A file was read and changed just now; or then.
    Touched {
        /// The file.
        at: Spot,
        /// When.
        time: Option<Time>,
    },
}

impl Change {
    /// The places that it changes.
    pub fn spots(&self) -> Vec<&Spot> {
        match self {
            Self::Contents { at, .. }
            | Self::File { at, .. }
            | Self::Directory { at, .. }
            | Self::Link { at, .. }
            | Self::Remove { at, .. }
            | Self::Mode { at, .. }
            | Self::Owner { at, .. }
            | Self::Touched { at, .. } => vec![at],
            Self::Name { at, of } => vec![at, of],
            Self::Copy { from, to } | Self::Move { from, to } => vec![from, to],
        }
    }

    /// How long the file of the host is that goes into the guest, in bytes; 0 if
    /// none does.
    pub fn host_bytes(&self) -> u64 {
        let (Self::Contents { from, .. }
        | Self::File {
            from: Some(from), ..
        }) = self
        else {
            return 0;
        };
        // One that is not there is told when it is read.
        std::fs::metadata(from).map_or(0, |meta| meta.len())
    }

    /// The word for it, in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Contents { .. } => "change",
            Self::File { .. } => "make",
            Self::Directory { .. } => "mkdir",
            Self::Link { .. } => "symlink",
            Self::Name { .. } => "link",
            Self::Copy { .. } => "copy",
            Self::Move { .. } => "move",
            Self::Remove { .. } => "remove",
            Self::Mode { .. } => "chmod",
            Self::Owner { .. } => "chown",
            Self::Touched { .. } => "touch",
        }
    }

    /// What is there afterwards, or was before: for messages.
    pub fn subject(&self) -> &Spot {
        match self {
            Self::Contents { at, .. }
            | Self::File { at, .. }
            | Self::Directory { at, .. }
            | Self::Link { at, .. }
            | Self::Name { at, .. }
            | Self::Remove { at, .. }
            | Self::Mode { at, .. }
            | Self::Owner { at, .. }
            | Self::Touched { at, .. } => at,
            Self::Copy { to, .. } | Self::Move { to, .. } => to,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contents { at, .. } => write!(f, "change {at}"),
            Self::File { at, .. } => write!(f, "make {at}"),
            Self::Directory { at, .. } => write!(f, "make the directory {at}"),
            Self::Link { at, target, .. } => {
                write!(f, "make {at}, a link to {}", target.escape_ascii())
            }
            Self::Name { at, of } => write!(f, "make {at}, another name of {of}"),
            Self::Copy { from, to } => write!(f, "copy {from} to {to}"),
            Self::Move { from, to } => write!(f, "move {from} to {to}"),
            Self::Remove { at, directory } => match directory {
                true => write!(f, "remove {at} and all that is in it"),
                false => write!(f, "remove {at}"),
            },
            Self::Mode { at, mode } => write!(f, "give {at} the mode {mode:04o}"),
            Self::Owner { at, owner, .. } => {
                write!(f, "give {at} to {}:{}", owner.0, owner.1)
            }
            Self::Touched { at, .. } => write!(f, "touch {at}"),
        }
    }
}

/// A file system that changes are made on, as a kernel mounts it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mountable {
    /// Its device in the guest.
    pub device: String,
    /// Which file system it is.
    pub kind: FsKind,
    /// The option that names a subvolume, or nothing.
    pub options: String,
}

impl Mountable {
    /// What is mounted in a tree, in the order of [`Tree::mounts`].
    pub fn all_of(tree: &Tree) -> Vec<Self> {
        let mounts = tree.mounts().iter();
        mounts
            .map(|mount| Self {
                device: mount.device.clone(),
                kind: mount.fs.kind(),
                options: mount.options.clone(),
            })
            .collect()
    }

    /// Whether files there have owners, modes and labels of their own.
    pub fn has_owners(&self) -> bool {
        !matches!(self.kind, FsKind::Fat | FsKind::ExFat | FsKind::Ntfs)
    }
}
