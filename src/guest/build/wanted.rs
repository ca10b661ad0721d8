//! What must be on a disk, and comparing it with what is there.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::item::{Item, ItemKind};
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, FsKind, Stat, Time, Xattr};
use crate::guest::tree::{Place, Tree};
use crate::image::ShownBytes;
use crate::interrupt::Interrupt;

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// Attributes that are the same bytes on every file system. ACLs are not.
const SAME_EVERYWHERE: &[&[u8]] = &[b"user.", b"trusted.", b"security."];

/// What must be there.
#[derive(Default)]
pub struct Wanted {
    items: BTreeMap<Vec<u8>, One>,
}

struct One {
    kind: ItemKind,
    mode: u32,
    owner: (u32, u32),
    modified: Time,
    xattrs: Vec<Xattr>,
    sha256: [u8; 32],
}

impl Wanted {
    /// One more.
    pub fn add(&mut self, item: &Item, sha256: [u8; 32]) {
        let one = One {
            kind: item.kind.clone(),
            mode: item.mode,
            owner: item.owner,
            modified: item.modified,
            xattrs: item.xattrs.clone(),
            sha256,
        };
        self.items.insert(item.path.clone(), one);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Compares all of it with what is in a tree; `progress` is told how many
    /// bytes were read.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if something is missing, something is there besides, or
    /// something is not as it must be.
    pub fn compare(
        &self,
        tree: &Tree,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut done = 0_u64;
        for (path, one) in &self.items {
            interrupt.check()?;
            let place = tree
                .find_itself(path)
                .map_err(|error| wrong(path, &format!("cannot be found: {error}")))?;
            let read = self.compare_one(tree, &place, path, one)?;
            done = done.saturating_add(read);
            progress(done);
        }
        self.nothing_else(tree, interrupt)
    }

    fn compare_one(&self, tree: &Tree, place: &Place, path: &[u8], one: &One) -> Result<u64> {
        let stat = tree.stat(place)?;
        let first = match &one.kind {
            ItemKind::Name(of) => Some(of),
            _ => None,
        };
        if let Some(first) = first {
            let of = tree.find_itself(first)?;
            let same = tree.identity(&of)? == tree.identity(place)?;
            return match same {
                true => Ok(0),
                false => Err(wrong(path, "is not another name of the same file")),
            };
        }
        let kind = match one.kind {
            ItemKind::Directory => FileKind::Directory,
            ItemKind::File(_) | ItemKind::Name(_) => FileKind::File,
            ItemKind::Link(_) => FileKind::Link,
            ItemKind::Char(..) => FileKind::CharDevice,
            ItemKind::Block(..) => FileKind::BlockDevice,
            ItemKind::Pipe => FileKind::Pipe,
        };
        if stat.kind != kind {
            return Err(wrong(path, &format!("is {}", stat.kind.described())));
        }
        let (number, _) = tree.spot(place);
        let fs = tree.mounts().get(number).map(|mount| mount.fs.kind());
        if !matches!(fs, Some(FsKind::Fat | FsKind::Ntfs)) {
            compare_stat(path, one, &stat)?;
        }
        if let ItemKind::Link(target) = &one.kind {
            let there = tree.link(place)?;
            // Rock Ridge has the names between the slashes, and not the slashes.
            let same = match fs {
                Some(FsKind::Iso9660) => names(&there).eq(names(target)),
                _ => there == *target,
            };
            if !same {
                return Err(wrong(path, "leads elsewhere"));
            }
        }
        if matches!(fs, Some(FsKind::Ext | FsKind::Xfs | FsKind::Btrfs)) {
            compare_xattrs(path, one, tree.xattrs(place)?)?;
        }
        let ItemKind::File(size) = one.kind else {
            return Ok(0);
        };
        if stat.size != size {
            return Err(wrong(path, &format!("has {} bytes, not {size}", stat.size)));
        }
        let mut hash = Sha256::new();
        let most = usize::try_from(size.max(1)).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; most];
        let mut offset = 0_u64;
        while offset < size {
            let count = tree.read(place, offset, &mut piece)?;
            if count == 0 {
                break;
            }
            hash.update(piece.get(..count).unwrap_or_default());
            offset = offset.saturating_add(count as u64);
        }
        if <[u8; 32]>::from(hash.finalize()) != one.sha256 {
            return Err(wrong(path, "has other contents"));
        }
        Ok(size)
    }

    /// Makes sure that there is nothing that was not wanted, but for places where
    /// something is mounted and what a file system makes for itself.
    fn nothing_else(&self, tree: &Tree, interrupt: &Interrupt) -> Result<()> {
        let root = tree.find(b"/")?;
        tree.visit(&root, &mut |place, _, _| {
            interrupt.check()?;
            let path = &place.path;
            if self.items.contains_key(path) || path == b"/" {
                return Ok(true);
            }
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            let own = tree.spot(place).1;
            let made = own.iter().filter(|&&byte| byte == b'/').count() == 1
                && (name == b"lost+found" || name == b"System Volume Information");
            if made {
                return Ok(false);
            }
            if tree.holds_mounts(place) {
                return Ok(true);
            }
            Err(wrong(path, "is there, and was not in the source"))
        })
    }
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
}

fn compare_stat(path: &[u8], one: &One, stat: &Stat) -> Result<()> {
    if (stat.uid, stat.gid) != one.owner {
        let what = format!(
            "belongs to {}:{}, not to {}:{}",
            stat.uid, stat.gid, one.owner.0, one.owner.1
        );
        return Err(wrong(path, &what));
    }
    let is_link = stat.kind == FileKind::Link;
    if u32::from(stat.mode) != one.mode && !is_link {
        let what = format!("has the mode {:o}, not {:o}", stat.mode, one.mode);
        return Err(wrong(path, &what));
    }
    // What every file system can hold.
    let holdable = (0..i64::from(i32::MAX)).contains(&one.modified.seconds);
    if holdable && stat.modified.seconds != one.modified.seconds {
        return Err(wrong(path, "has another time"));
    }
    Ok(())
}

fn compare_xattrs(path: &[u8], one: &One, there: Option<Vec<Xattr>>) -> Result<()> {
    let Some(there) = there else {
        return Ok(());
    };
    let comparable = one.xattrs.iter().filter(|(name, _)| {
        SAME_EVERYWHERE
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    for attribute in comparable {
        if !there.contains(attribute) {
            let what = format!("has not the attribute {}", ShownBytes(&attribute.0));
            return Err(wrong(path, &what));
        }
    }
    Ok(())
}

fn wrong(path: &[u8], what: &str) -> Error {
    Error::new(
        Kind::Storage,
        format!(
            "the new disk is not as it must be: '{}' {what}",
            ShownBytes(path)
        ),
    )
}
