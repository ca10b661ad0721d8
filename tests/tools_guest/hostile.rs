//! Damaged and hostile file systems: an error, and neither a wrong answer nor
//! the end of the program.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Memory, formatted, has_no_end, image, in_memory, run, with_mounts};
use vmkin::error::{Kind, Result};
use vmkin::guest::native::Blocks;
use vmkin::guest::native::fs::{FileKind, FileSystem, FsKind, Node, Opened, open};
use vmkin::guest::tree::Tree;

/// How long anything may take that is done with one damaged image.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many files are looked at: in a damaged file system there may be no end.
const ENOUGH: usize = 3000;

/// A small file system with some of everything.
fn sound(mkfs: &[&str], megabytes: u64) -> Vec<u8> {
    let (_dir, path) = formatted(mkfs, megabytes);
    let script = r"
        mount -o loop $IMG $MNT; cd $MNT; mkdir -p a/b/c big
        for i in {1..300}; do echo $i > big/file-$i; done
        seq 1 30000 > text; head -c 200000 /dev/urandom > noise
        truncate -s 1M hole; echo x >> hole; ln -s a/b link
        ln -s $(printf 'x%.0s' {1..200}) long; ln text other
        setfattr -n user.a -v b text; cd /; umount $MNT";
    with_mounts(&path, script);
    fs::read(&path).unwrap()
}

/// Looks at everything, and goes on where something cannot be read.
pub(crate) fn look_at_all(image: Arc<dyn Blocks>, kind: FsKind) {
    let begun = Instant::now();
    if let Ok(Opened::Ready(fs)) = open(kind, image) {
        let mut todo = vec![fs.root()];
        let mut seen = 0;
        let mut buf = vec![0; 128 << 10];
        while let Some(node) = todo.pop().filter(|_| seen < ENOUGH) {
            seen += 1;
            look_at(fs.as_ref(), node, &mut buf, &mut todo).ok();
        }
        fs.usage().ok();
    }
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
}

fn look_at(fs: &dyn FileSystem, node: Node, buf: &mut [u8], todo: &mut Vec<Node>) -> Result<()> {
    let stat = fs.stat(node)?;
    fs.xattrs(node).ok();
    match stat.kind {
        FileKind::Directory => {
            for entry in fs.entries(node)? {
                fs.lookup(node, &entry.name).ok();
                todo.push(entry.node);
            }
        }
        FileKind::Link => drop(fs.link(node)?),
        FileKind::File => {
            for offset in [0, 100_000, stat.size / 2, stat.size.saturating_sub(5)] {
                fs.read(node, offset, buf)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Numbers that look like chance and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Images with some bytes changed, where there were any: mostly in what the file
/// system keeps for itself.
pub(crate) fn mutants(sound: &[u8], kind: FsKind, count: u64) {
    // Blocks that are not empty.
    let blocks: Vec<usize> = sound
        .chunks(1024)
        .enumerate()
        .filter(|(_, block)| block.iter().any(|&byte| byte != 0))
        .map(|(index, _)| index * 1024)
        .collect();
    for seed in 1..=count {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = sound.to_vec();
        for _ in 0..=numbers.below(6) {
            // The first blocks say where all others are.
            let few = blocks
                .len()
                .min(if seed % 2 == 0 { 64 } else { usize::MAX });
            let at = blocks[numbers.below(few)] + numbers.below(1024);
            let evil = [0, 1, 0x7f, 0x80, 0xff, 0xfe];
            let value = evil[numbers.below(evil.len())];
            for byte in bytes.iter_mut().skip(at).take(1 << numbers.below(4)) {
                *byte = value;
            }
        }
        look_at_all(Arc::new(Memory(bytes)), kind);
    }
}

pub(crate) fn truncated(sound: &[u8], kind: FsKind) {
    for part in 0..40 {
        let length = sound.len() / 40 * part + part * 13;
        look_at_all(Arc::new(Memory(sound[..length].to_vec())), kind);
    }
    for length in [0, 1, 511, 1024, 1500, 2048, 4096, 65536, 65600] {
        look_at_all(Arc::new(Memory(sound[..length].to_vec())), kind);
    }
}

#[test]
fn damaged_ext4_is_survived() {
    // Without checksums, damage gets further.
    let args = ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum"];
    let sound = sound(&args, 16);
    truncated(&sound, FsKind::Ext);
    mutants(&sound, FsKind::Ext, 300);
}

#[test]
fn damaged_xfs_is_survived() {
    let sound = sound(&["mkfs.xfs", "-q"], 300);
    // What comes after is empty.
    truncated(&sound[..20 << 20], FsKind::Xfs);
    mutants(&sound, FsKind::Xfs, 40);
}

#[test]
fn damaged_btrfs_is_survived() {
    let sound = sound(&["mkfs.btrfs", "-q"], 120);
    truncated(&sound[..40 << 20], FsKind::Btrfs);
    mutants(&sound, FsKind::Btrfs, 60);
}

#[test]
fn damaged_fat_is_survived() {
    for (options, size) in [
        (&["-F", "12"][..], 2 << 10),
        (&["-F", "32", "-s", "1"], 34 << 10),
    ] {
        let (_dir, path) = crate::fat::made(options, size);
        let script = r#"cd "$MNT"; mkdir -p a/b/c big; for i in {1..40}; do echo $i > "big/a file $i"; done
            seq 1 3000 > text; mcopy -s -i "$IMG" a big text ::/"#;
        crate::fat::shell(&path, script);
        let sound = fs::read(&path).unwrap();
        truncated(&sound, FsKind::Fat);
        mutants(&sound, FsKind::Fat, 60);
    }
}

/// An ext4 whose names and entries can be changed without anybody noticing.
fn patched(tree: &Path, changes: &[(&[u8], &[u8])]) -> Tree {
    let (_dir, path) = image(8);
    let args = [
        "-q",
        "-t",
        "ext4",
        "-O",
        "^metadata_csum,^dir_index,^has_journal",
        "-d",
        tree.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    run("mke2fs", &args);
    let mut bytes = fs::read(&path).unwrap();
    for (old, new) in changes {
        assert_eq!(old.len(), new.len());
        let at = bytes.windows(old.len()).position(|window| window == *old);
        let at = at.unwrap_or_else(|| panic!("there is no {old:?}"));
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    let fs = in_memory(FsKind::Ext, bytes);
    let root = fs.root();
    Tree::new("/dev/sda".to_owned(), Rc::from(fs), root)
}

#[test]
fn names_that_no_kernel_gives_out_are_errors() {
    let tree = tempfile::tempdir().unwrap();
    for name in ["aaaaaa", "bbbbbb"] {
        fs::write(tree.path().join(name), name).unwrap();
    }
    for evil in [b"../../", b"a/b/cc", b"aa\0aaa", b"bbbbbb", b"/etc/x"] {
        let tree = patched(
            tree.path(),
            &[(b"\x06\x01aaaaaa", &[b"\x06\x01", &evil[..]].concat())],
        );
        let root = tree.find(b"/").unwrap();
        let error = tree.entries(&root).unwrap_err();
        assert_eq!(
            error.kind(),
            Kind::Unsafe,
            "{}: {error}",
            evil.escape_ascii()
        );
        let to = tempfile::tempdir().unwrap();
        let inner = to.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let keep = vmkin::guest::extract::Keep::default();
        let interrupt = vmkin::interrupt::Interrupt::default();
        vmkin::guest::extract::copy(&tree, &["/".to_owned()], &inner, keep, &interrupt, &|_| {})
            .unwrap_err();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_directory_that_is_in_itself_has_an_end() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("outer/inner")).unwrap();
    // The name leads to the root: inode 2 in the place of its own.
    let (_dir, path) = image(8);
    let args = [
        "-q",
        "-t",
        "ext4",
        "-O",
        "^metadata_csum,^dir_index,^has_journal",
        "-d",
        tree.path().to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    run("mke2fs", &args);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes
        .windows(7)
        .position(|window| window == b"\x05\x02inner")
        .unwrap();
    bytes[at - 6..at - 2].copy_from_slice(&2_u32.to_le_bytes());
    let fs = in_memory(FsKind::Ext, bytes);
    let tree = has_no_end(fs);
    // A path through it ends all the same.
    tree.find(b"/outer/inner/outer/inner/outer").unwrap();
}
