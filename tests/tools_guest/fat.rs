//! FAT as `mkfs.fat` and mtools write it, read by mtools and by the engine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    LIST, Listing, assert_same, command, engine_listing, has_no_end, image, in_memory,
    kernel_listing, ready, run,
};
use vmkin::error::Kind;
use vmkin::guest::native::fs::{FsKind, Health, Opened, open};

/// Fills `$SOURCE`, and copies it into `$IMG`.
const FILL: &str = r#"
    mkdir "$SOURCE"; cd "$SOURCE"
    mkdir -p EFI/BOOT EFI/debian big odd
    for ((i = 0; i < 400; i++)); do
        printf 'file %d\n' "$i" > "big/file-$i-$(printf '%0*d' $((i % 180 + 1)) 0)"
    done
    d=deep; mkdir deep
    for ((i = 0; i < 30; i++)); do d="$d/level-$i"; mkdir "$d"; printf "$i" > "$d/here"; done
    : > odd/empty
    printf 'x' > "odd/žluťoučký kůň 中文"
    printf 'y' > 'odd/Mixed Case.With.Dots.txt'
    printf 'z' > odd/UPPER.TXT
    printf 'l' > odd/lower.txt
    printf 'm' > odd/lower.TXT2
    printf 'e' > odd/"$(printf 'ý%.0s' {1..100})"
    printf 'penguin' > odd/🐧.txt
    seq 1 60000 > odd/text
    head -c 700000 /dev/urandom > EFI/BOOT/BOOTX64.EFI
    touch -d '2001-02-03 04:05:06 UTC' odd/text
    touch -d '2100-01-01 UTC' odd/empty
    chmod 444 odd/UPPER.TXT
    mcopy -s -m -n -i "$IMG" deep odd EFI ::/
    mmd -i "$IMG" ::/big
    mcopy -m -n -i "$IMG" big/* ::/big
    # Holes in the table, for a file in many pieces.
    mdel -i "$IMG" '::/big/file-*3-*'
    head -c 60000 /dev/urandom > torn
    mcopy -m -n -i "$IMG" torn ::/
    mattrib -i "$IMG" +r ::/odd/UPPER.TXT
"#;

/// What mtools read.
const READ: &str = r#"
    mkdir "$MNT/out"; cd "$MNT/out"
    mcopy -s -m -n -i "$IMG" '::/*' .
    MNT=$MNT/out
"#;

pub(crate) fn shell(image: &Path, script: &str) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let output = command("bash")
        .args(["-euc", script])
        .env("IMG", image)
        .env("MNT", scratch.path())
        .env("SOURCE", scratch.path().join("source"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("MTOOLS_SKIP_CHECK", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

/// Kind, time, length and contents: owners are not written down, and mtools
/// gives directories the time at which it reads them.
fn common_facts(listing: Listing) -> Listing {
    let facts = listing.into_iter().map(|(path, facts)| {
        let words: Vec<&str> = facts.splitn(8, ' ').collect();
        let facts = match words[0] {
            "d" => "d".to_owned(),
            kind => [kind, words[5], words[6], words[7]].join(" "),
        };
        (path, facts)
    });
    facts.collect()
}

/// An empty volume.
pub(crate) fn made(options: &[&str], kilobytes: u64) -> (tempfile::TempDir, PathBuf) {
    let (dir, path) = image(0);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(kilobytes << 10).unwrap();
    let args: Vec<&str> = options.iter().copied().chain(path.to_str()).collect();
    run("mkfs.fat", &args);
    (dir, path)
}

fn same(options: &[&str], megabytes: u64) {
    let (_dir, path) = made(options, megabytes << 10);
    shell(&path, FILL);
    let read = shell(&path, &format!("{READ}{LIST}"));
    let mtools = common_facts(kernel_listing(&read));
    assert!(mtools.len() > 350, "{}", mtools.len());
    let fs = ready(FsKind::Fat, &path);
    assert_eq!(fs.health(), Health::Clean);
    let engine = common_facts(engine_listing(fs.as_ref(), fs.root()));
    assert_same(&engine, &mtools);
    // Another one counts the clusters too: "… 900 files, 1234/5678 clusters".
    let said = run("fsck.fat", &["-n", path.to_str().unwrap()]);
    let counts = said
        .split_whitespace()
        .find(|word| word.contains('/') && !word.contains("image"));
    let (used, total) = counts.unwrap().split_once('/').unwrap();
    let usage = fs.usage().unwrap();
    let total: u64 = total.parse().unwrap();
    let cluster = usage.size / total;
    assert_eq!(usage.size % total, 0);
    assert_eq!(usage.used, used.parse::<u64>().unwrap() * cluster, "{said}");
    assert_eq!(usage.available, usage.size - usage.used);
}

#[test]
fn fat32_reads_as_mtools_read_it() {
    same(&["-F", "32", "-s", "1"], 64);
    same(&["-F", "32", "-f", "1"], 300);
}

#[test]
fn fat16_reads_as_mtools_read_it() {
    same(&["-F", "16"], 32);
    same(&["-F", "16", "-S", "4096"], 100);
}

#[test]
fn fat12_reads_as_mtools_read_it() {
    same(&["-F", "12", "-s", "8"], 12);
}

#[test]
fn a_volume_is_named_as_blkid_names_it() {
    for options in [
        &["-F", "32", "-s", "1", "-n", "ESP", "-i", "1a2bc3d4"][..],
        &["-F", "16", "-i", "00000a01"],
    ] {
        let (_dir, path) = made(options, 64 << 10);
        let said = run("blkid", &["-p", "-o", "export", path.to_str().unwrap()]);
        let value = |name: &str| {
            let line = said.lines().find(|line| line.starts_with(name));
            line.map(|line| line[name.len()..].to_owned())
        };
        let fs = ready(FsKind::Fat, &path);
        assert_eq!(fs.uuid(), value("UUID="));
        let label = fs.label().map(|label| String::from_utf8(label).unwrap());
        assert_eq!(label, value("LABEL="));
        assert_eq!(label.is_some(), options.contains(&"-n"));
    }
}

#[test]
fn names_are_found_in_any_case() {
    let (_dir, path) = made(&["-F", "12"], 4 << 10);
    let fill = r#"mmd -i "$IMG" ::/EFI ::/Löschen
        printf text > "$MNT/Grub.cfg"; mcopy -i "$IMG" "$MNT/Grub.cfg" ::/EFI/"#;
    shell(&path, fill);
    let fs = ready(FsKind::Fat, &path);
    let root = fs.root();
    let efi = fs.lookup(root, b"EFI").unwrap().unwrap();
    assert_eq!(fs.lookup(root, b"efi").unwrap(), Some(efi));
    assert!(fs.lookup(efi, b"GRUB.CFG").unwrap().is_some());
    assert!(fs.lookup(root, "LÖSCHEN".as_bytes()).unwrap().is_some());
    assert!(fs.lookup(root, b"ef").unwrap().is_none());
    assert!(fs.lookup(root, b"\xff").unwrap().is_none());
}

#[test]
fn a_volume_that_was_not_closed_says_so() {
    for (kind, per_cluster, size, flags) in
        [("12", "8", 4 << 10, 0x25), ("32", "1", 64 << 10, 0x41)]
    {
        let (_dir, path) = made(&["-F", kind, "-s", per_cluster], size);
        let mut bytes = fs::read(&path).unwrap();
        bytes[flags] |= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(ready(FsKind::Fat, &path).health(), Health::Unclean);
    }
}

/// The library wants as many clusters as Microsoft says.
#[test]
fn what_the_library_does_not_know_is_left_to_a_kernel() {
    let (_dir, path) = made(&["-F", "32", "-s", "8"], 40 << 10);
    let opened = open(FsKind::Fat, crate::common::Raw::open(&path)).unwrap();
    assert!(matches!(opened, Opened::NeedsKernel(_)));
}

/// A small volume, its root directory, and its table.
fn small() -> (Vec<u8>, usize, usize) {
    let (_dir, path) = made(&["-F", "12", "-s", "1", "-r", "112"], 512);
    let fill = r#"mmd -i "$IMG" ::/DIR
        head -c 3000 /dev/zero > "$MNT/FILE"; mcopy -i "$IMG" "$MNT/FILE" ::/"#;
    shell(&path, fill);
    let bytes = fs::read(&path).unwrap();
    let number = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let table = number(14) * 512;
    let root = table + usize::from(bytes[16]) * number(22) * 512;
    (bytes, root, table)
}

/// Where the entry of that name is.
fn entry(bytes: &[u8], root: usize, name: &[u8; 11]) -> usize {
    let mut entries = (root..).step_by(32).take(112);
    entries.find(|at| bytes[*at..].starts_with(name)).unwrap()
}

#[test]
fn a_directory_without_end_is_damage() {
    let (mut bytes, root, table) = small();
    let dir = entry(&bytes, root, b"DIR        ");
    let cluster = usize::from(bytes[dir + 26]);
    // It goes on with itself; and all entries that are not there were deleted.
    let at = table + cluster + cluster / 2;
    let next = if cluster % 2 == 1 {
        bytes[at] = bytes[at] & 0xf | u8::try_from(cluster).unwrap() << 4;
        0
    } else {
        bytes[at] = u8::try_from(cluster).unwrap();
        bytes[at + 1] & 0xf0
    };
    bytes[at + 1] = next;
    let data = root + 112 * 32 + (cluster - 2) * 512;
    for entry in bytes[data..data + 512].chunks_mut(32).skip(2) {
        entry[0] = 0xe5;
    }
    let fs = in_memory(FsKind::Fat, bytes);
    let dir = fs.lookup(fs.root(), b"DIR").unwrap().unwrap();
    assert_eq!(fs.entries(dir).unwrap_err().kind(), Kind::Unsafe);
}

#[test]
fn a_file_that_is_longer_than_its_clusters_is_damage() {
    let (mut bytes, root, _) = small();
    let file = entry(&bytes, root, b"FILE       ");
    bytes[file + 28..file + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    let fs = in_memory(FsKind::Fat, bytes);
    let file = fs.lookup(fs.root(), b"FILE").unwrap().unwrap();
    let error = fs.read(file, 0, &mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
}

#[test]
fn clusters_that_are_not_there_are_damage() {
    for cluster in [1, 3000, 0xffff] {
        let (mut bytes, root, _) = small();
        let file = entry(&bytes, root, b"FILE       ");
        bytes[file + 26..file + 28].copy_from_slice(&u16::to_le_bytes(cluster));
        let fs = in_memory(FsKind::Fat, bytes);
        let error = fs.entries(fs.root()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{cluster}: {error}");
    }
}

#[test]
fn a_directory_in_itself_is_seen() {
    let (mut bytes, root, _) = small();
    let dir = entry(&bytes, root, b"DIR        ");
    let data = root + 112 * 32 + (usize::from(bytes[dir + 26]) - 2) * 512;
    let inner = bytes[dir..dir + 32].to_vec();
    bytes[data + 64..data + 96].copy_from_slice(&inner);
    let fs = in_memory(FsKind::Fat, bytes);
    drop(has_no_end(fs));
}
