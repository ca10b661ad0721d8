//! Damage of every kind, each field of what a file system keeps for itself in
//! turn: the kinds that the test images of e2fsprogs and btrfs-progs are a
//! collection of, made from sound file systems. Checksums are made right again,
//! or nothing behind them would be reached.

use std::fs;
use std::sync::Arc;

use crate::common::{formatted, with_mounts};
use crate::hostile::look_at_all;
use vmkin::error::{Error, Kind, Result};
use vmkin::guest::native::Blocks;
use vmkin::guest::native::fs::FsKind;

/// What a field may be: nothing, one, the smallest negative number and all bits.
const EXTREMES: [u32; 4] = [0, 1, 0x8000_0000, 0xffff_ffff];

/// A sound image with a piece changed.
struct Damaged {
    sound: Arc<Vec<u8>>,
    at: usize,
    with: Vec<u8>,
}

impl Blocks for Damaged {
    fn len(&self) -> u64 {
        self.sound.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let beyond = || Error::new(Kind::Storage, "beyond the end");
        let from = usize::try_from(offset).map_err(|_| beyond())?;
        let sound = self
            .sound
            .get(from..)
            .and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(sound.ok_or_else(beyond)?);
        // What the piece and that which is read have in common.
        let start = from.max(self.at);
        let end = (from + buf.len()).min(self.at + self.with.len());
        if start < end {
            let piece = &self.with[start - self.at..end - self.at];
            buf[start - from..end - from].copy_from_slice(piece);
        }
        Ok(())
    }
}

/// Something that a file system keeps for itself.
#[derive(Clone, Copy)]
struct Structure {
    at: usize,
    /// What the checksum is over.
    length: usize,
    /// Where its checksum is, and what it is over begins.
    checksum: Option<(usize, usize)>,
    /// How much of it is changed, from where.
    fields: (usize, usize),
}

/// Changes each field of each of these, and looks at all that is left.
fn damage(kind: FsKind, sound: Vec<u8>, structures: &[Structure]) {
    assert!(structures.len() > 2, "{} found", structures.len());
    let sound = Arc::new(sound);
    for one in structures {
        let (first, end) = one.fields;
        for field in (first..end.min(one.length)).step_by(4) {
            for value in EXTREMES {
                look_at_all(changed(&sound, *one, field, value, u32::MAX), kind);
            }
            // It may be two of two bytes.
            for half in [0xffff, 0xffff_0000] {
                look_at_all(changed(&sound, *one, field, u32::MAX, half), kind);
            }
        }
    }
}

fn changed(
    sound: &Arc<Vec<u8>>,
    one: Structure,
    field: usize,
    value: u32,
    mask: u32,
) -> Arc<dyn Blocks> {
    let mut with = sound[one.at..one.at + one.length].to_vec();
    let was = u32::from_le_bytes(with[field..field + 4].try_into().unwrap());
    with[field..field + 4].copy_from_slice(&(was & !mask | value & mask).to_le_bytes());
    if let Some((place, from)) = one.checksum {
        with[place..place + 4].fill(0);
        let sum = crc32c(&with[from..]);
        with[place..place + 4].copy_from_slice(&sum.to_le_bytes());
    }
    let sound = Arc::clone(sound);
    Arc::new(Damaged {
        sound,
        at: one.at,
        with,
    })
}

/// The checksum of Castagnoli, as XFS and btrfs have it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !sum
}

/// A file system with one of each form that a directory, a file and its extents
/// have on the disk; few files, for each mutant is walked through.
fn sound(mkfs: &[&str], megabytes: u64) -> Vec<u8> {
    let (_dir, path) = formatted(mkfs, megabytes);
    let script = r"
        mount -o loop $IMG $MNT; cd $MNT; mkdir -p a/b big; seq 1 30000 > text
        for i in {1..400}; do echo $i | dd of=pieces bs=4096 seek=$((i * 2)) conv=notrunc status=none; sync pieces; done
        truncate -s 1M hole; echo x >> hole; ln -s a/b link; ln -s $(printf 'x%.0s' {1..200}) long; ln text other
        setfattr -n user.a -v b text; setfattr -n user.b -v $(printf 'y%.0s' {1..300}) text
        for i in {1..60}; do : > big/a-name-that-takes-some-place-in-the-directory-$i; done; cd /; umount $MNT";
    with_mounts(&path, script);
    fs::read(&path).unwrap()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Those of ext4 without checksums, with blocks of 1 KiB.
/// <https://docs.kernel.org/filesystems/ext4/>
fn of_ext4(bytes: &[u8]) -> Vec<Structure> {
    const BLOCK: usize = 1024;
    let plain = |at, length| Structure {
        at,
        length,
        checksum: None,
        fields: (0, length),
    };
    // Of the superblock what is looked at, and the first group descriptor.
    let mut all = vec![plain(1024, 0x168), plain(2 * BLOCK, 32)];
    let table = u32_at(bytes, 2 * BLOCK + 8) * BLOCK;
    let size = usize::from(u16_at(bytes, 1024 + 0x58));
    // Root, then those that were made first.
    for inode in [2].into_iter().chain(12..=20) {
        let at = table + (inode - 1) * size;
        assert!(u16_at(bytes, at) != 0, "inode {inode} is not in use");
        all.push(plain(at, 0x84));
    }
    let blocks = (3 * BLOCK..bytes.len()).step_by(BLOCK);
    for at in blocks {
        let block = &bytes[at..at + BLOCK];
        let is_directory = block[4..9] == [12, 0, 1, 2, b'.'];
        if is_directory && u16_at(block, 16) > 12 {
            all.push(plain(at, 0x48));
        }
        // A node of extents, and extended attributes.
        if block[..2] == [0x0a, 0xf3] {
            all.push(plain(at, 48));
        }
        if block[..4] == [0, 0, 2, 0xea] {
            all.push(plain(at, 64));
        }
    }
    all
}

#[test]
fn each_field_of_ext4_may_be_damaged() {
    let options = [
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-b",
        "1024",
        "-O",
        "^metadata_csum,^has_journal",
    ];
    let sound = sound(&options, 8);
    let structures = of_ext4(&sound);
    damage(FsKind::Ext, sound, &structures);
}

/// Those of XFS, version 5, found by their magic numbers.
/// <https://www.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf>
fn of_xfs(bytes: &[u8]) -> Vec<Structure> {
    let structure = |at, length, checksum, fields| Structure {
        at,
        length,
        checksum: Some((checksum, 0)),
        fields,
    };
    let mut all = vec![structure(0, 512, 224, (4, 224))];
    let mut inodes = 0;
    // The first allocation group has all of it.
    for at in (512..bytes.len() / 4).step_by(512) {
        let block = &bytes[at..at + 512];
        match &block[..4] {
            b"XAGF" => all.push(structure(at, 512, 216, (4, 64))),
            b"XAGI" => all.push(structure(at, 512, 312, (4, 40))),
            b"XDB3" | b"XDD3" => all.push(structure(at, 4096, 4, (48, 112))),
            b"BMA3" => all.push(structure(at, 4096, 64, (4, 104))),
            b"IAB3" => all.push(structure(at, 4096, 52, (4, 80))),
            b"XSLM" => all.push(structure(at, 4096, 12, (4, 64))),
            _ if block[..2] == *b"IN" && block[2..4] != [0, 0] && inodes < 7 => {
                inodes += 1;
                all.push(structure(at, 512, 100, (2, 232)));
            }
            _ => {}
        }
    }
    all
}

#[test]
fn each_field_of_xfs_may_be_damaged() {
    let sound = sound(&["mkfs.xfs", "-q"], 300);
    let structures = of_xfs(&sound);
    damage(FsKind::Xfs, sound, &structures);
}

/// Those of btrfs: the superblock, and each node.
/// <https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html>
fn of_btrfs(bytes: &[u8]) -> Vec<Structure> {
    const SUPER: usize = 0x1_0000;
    const NODE: usize = 16 << 10;
    let structure = |at, length, fields| Structure {
        at,
        length,
        checksum: Some((0, 32)),
        fields,
    };
    let mut all = vec![structure(SUPER, 4096, (0x40, 0x120))];
    let identity = &bytes[SUPER + 32..SUPER + 48];
    let mut newest: Vec<(u64, usize)> = Vec::new();
    for at in (SUPER + NODE..bytes.len()).step_by(NODE) {
        if bytes[at + 32..at + 48] == *identity {
            let generation = bytes[at + 0x50..at + 0x58].try_into().unwrap();
            newest.push((u64::from_le_bytes(generation), at));
        }
    }
    // Older nodes are not looked at any more; and of two copies only one is.
    newest.sort_unstable_by(|a, b| b.cmp(a));
    for (_, at) in newest.into_iter().take(6) {
        // The header's last fields, and the first items.
        all.push(structure(at, NODE, (0x30, 0xf0)));
    }
    all
}

#[test]
fn each_field_of_btrfs_may_be_damaged() {
    let sound = sound(&["mkfs.btrfs", "-q", "-m", "single"], 120);
    let structures = of_btrfs(&sound);
    damage(FsKind::Btrfs, sound, &structures);
}
