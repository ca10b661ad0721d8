//! What the answers of `guestfish` mean.

use std::collections::HashMap;

use super::session::odd;
use crate::error::Result;
use crate::guest::native::fs::{FileKind, FsKind, Links, Stat, Time, Usage};

/// The fields of a structure, which are all numbers.
struct Fields(HashMap<String, i64>);

impl Fields {
    fn of(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let fields = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.trim().to_owned(), value.trim().parse().ok()?))
        });
        Self(fields.collect())
    }

    fn signed(&self, name: &str) -> Result<i64> {
        let value = self.0.get(name).copied();
        value.ok_or_else(|| odd(&format!("did not say its {name}")))
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<T> {
        let value = T::try_from(self.signed(name)?);
        value.map_err(|_| odd(&format!("said a {name} that cannot be")))
    }

    fn time(&self, name: &str) -> Result<Time> {
        Ok(Time {
            seconds: self.signed(&format!("{name}_sec"))?,
            nanoseconds: self.number(&format!("{name}_nsec"))?,
        })
    }
}

/// What `lstatns` says.
pub(super) fn stat(text: &[u8]) -> Result<Stat> {
    let fields = Fields::of(text);
    let mode: u32 = fields.number("st_mode")?;
    Ok(Stat {
        kind: FileKind::of_mode(mode).ok_or_else(|| odd("said a mode of no kind"))?,
        mode: u16::try_from(mode & 0o7777).unwrap_or(0),
        uid: fields.number("st_uid")?,
        gid: fields.number("st_gid")?,
        size: fields.number("st_size")?,
        links: Some(Links {
            inode: fields.signed("st_ino")?.cast_unsigned(),
            count: fields.number("st_nlink")?,
        }),
        accessed: fields.time("st_atime")?,
        modified: fields.time("st_mtime")?,
        changed: Some(fields.time("st_ctime")?),
    })
}

/// What `statvfs` says.
pub(super) fn usage(text: &[u8]) -> Result<Usage> {
    let fields = Fields::of(text);
    let block: u64 = fields.number("frsize")?;
    let bytes = |name| -> Result<u64> { Ok(fields.number::<u64>(name)?.saturating_mul(block)) };
    let (size, free) = (bytes("blocks")?, bytes("bfree")?);
    let files: u64 = fields.number("files")?;
    let free_files: u64 = fields.number("ffree")?;
    Ok(Usage {
        size,
        used: size.saturating_sub(free),
        available: bytes("bavail")?,
        inodes: (files > 0).then_some(files),
        inodes_used: (files > 0).then_some(files.saturating_sub(free_files)),
    })
}

/// Devices and what is on them, of `list-filesystems`. Subvolumes, whose names
/// a guest has chosen, are reached by the options of a mount.
pub(super) fn file_systems(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.lines().filter_map(|line| {
        let (device, kind) = line.split_once(": ")?;
        is_device(device).then(|| (device.to_owned(), kind.trim().to_owned()))
    });
    pairs.collect()
}

/// The devices among the lines of an answer.
pub(super) fn devices(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| is_device(line));
    lines.map(ToOwned::to_owned).collect()
}

fn is_device(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || "/_.+-".contains(c);
    name.starts_with("/dev/") && name.chars().all(sound)
}

/// One line that is an answer; `None` if it is empty.
pub(super) fn line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.trim_end_matches('\n');
    (!line.is_empty()).then(|| line.to_owned())
}

/// The names in an answer of `ls0`.
pub(super) fn names(text: &[u8]) -> Vec<Vec<u8>> {
    let names = text.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    names.map(<[u8]>::to_vec).collect()
}

/// What kind of file system a word of `blkid` means.
pub(super) fn kind(word: &str) -> FsKind {
    match word {
        "ext2" | "ext3" | "ext4" => FsKind::Ext,
        "xfs" => FsKind::Xfs,
        "btrfs" => FsKind::Btrfs,
        "vfat" | "msdos" => FsKind::Fat,
        "iso9660" => FsKind::Iso9660,
        "ntfs" | "ntfs3" => FsKind::Ntfs,
        "exfat" => FsKind::ExFat,
        "udf" => FsKind::Udf,
        "f2fs" => FsKind::F2fs,
        "squashfs" => FsKind::Squashfs,
        _ => FsKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_is_a_stat() {
        let text = b"st_ino: 13\nst_mode: 33261\nst_nlink: 2\nst_uid: 1\nst_gid: 2\nst_size: 3\n\
            st_atime_sec: 4\nst_atime_nsec: 5\nst_mtime_sec: -6\nst_mtime_nsec: 7\n\
            st_ctime_sec: 8\nst_ctime_nsec: 9\n";
        let known = stat(text).unwrap();
        assert_eq!((known.kind, known.mode), (FileKind::File, 0o755));
        assert_eq!(known.modified.seconds, -6);
        assert_eq!(known.links.unwrap().count, 2);
        assert!(stat(b"").is_err());
        assert!(stat(b"st_mode: -1\n").is_err());
    }

    #[test]
    fn only_devices_are_devices() {
        let text =
            b"/dev/sda1: ext4\nbtrfsvol:/dev/sdb/a: btrfs\n/dev/vg/lv: xfs\n/dev/x y: ext4\n";
        let found = file_systems(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], ("/dev/vg/lv".to_owned(), "xfs".to_owned()));
        assert_eq!(names(b"a\nb\0c\0"), [&b"a\nb"[..], b"c"]);
        assert_eq!(line(b"\n"), None);
    }
}
