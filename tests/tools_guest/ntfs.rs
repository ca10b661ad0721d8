//! NTFS as `mkntfs` and ntfs-3g write it, read by ntfs-3g and by the engine.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    LIST, Listing, Raw, assert_same, engine_listing, has_no_end, image, in_memory, kernel_listing,
    ready, run, with_mounts,
};
use crate::hostile::{mutants, truncated};
use vmkin::error::Kind;
use vmkin::guest::inspect::inspect;
use vmkin::guest::native::Volumes;
use vmkin::guest::native::fs::{FileKind, FileSystem, FsKind, Health, Node, Opened, open};
use vmkin::guest::system::System;

/// Fills `$MNT` with all sorts of files.
const FILL: &str = r#"
fill() (
    cd "$MNT"
    mkdir big small links deep odd packed many
    for ((i = 0; i < 2500; i++)); do
        printf 'file %d\n' "$i" > "big/file-$i-$(printf '%0*d' $((i % 180 + 1)) 0)"
    done
    for ((i = 0; i < 40; i++)); do printf "$i" > "small/$i"; done
    d=deep
    for ((i = 0; i < 60; i++)); do d="$d/level-$i"; mkdir "$d"; printf "$i" > "$d/here"; done
    : > odd/empty
    printf 'x' > "odd/žluťoučký kůň 中文 🐧"
    printf 'y' > 'odd/Mixed Case.With.Dots.txt'
    printf 'z' > 'odd/$MFT'
    head -c 690 /dev/urandom > odd/in-its-record
    ln -s ../small/1 links/short
    ln -s "/$(printf 'a%.0s' {1..200})" links/long
    printf 'many names' > links/one
    ln links/one links/two
    ln links/one small/three
    # More names than one record has room for.
    printf 'a thousand names' > many/0
    for ((i = 1; i < 300; i++)); do ln many/0 "many/$i-$(printf 'n%.0s' {1..90})"; done
    truncate -s 60M odd/hole
    printf 'in the middle' | dd of=odd/hole bs=1 seek=30000000 conv=notrunc status=none
    truncate -s 1234567 odd/hole-behind
    printf 'start' | dd of=odd/hole-behind conv=notrunc status=none
    # Written in turns, so that both are in many pieces: more than a record has room for.
    for ((i = 0; i < 700; i++)); do
        head -c 9000 /dev/urandom >> odd/torn-1
        head -c 5000 /dev/urandom >> odd/torn-2
    done
    seq 1 400000 > odd/text
    head -c 3000000 /dev/urandom > odd/noise
    setfattr -n system.ntfs_attrib_be -v 0x00000800 packed || true
    seq 1 300000 > packed/text
    head -c 700001 /dev/urandom > packed/noise
    (seq 1 9999; head -c 300000 /dev/urandom; head -c 900000 /dev/zero; seq 1 9999) > packed/mixed
    truncate -s 5M packed/hole; echo end >> packed/hole
    printf 'short' > packed/short
    touch -d '2001-02-03 04:05:06.1234567 UTC' odd/text
    touch -d '2100-01-01 UTC' odd/noise
    touch -d '1969-12-31 UTC' odd/empty
    rm big/file-7*
    setfattr -n user.stream -v 'hidden' odd/text
)
"#;

pub(crate) fn script(options: &str, inner: &str) -> String {
    format!(
        r#"export LC_ALL=C.UTF-8 TZ=UTC
        ntfs-3g -o compression,big_writes{options} "$IMG" "$MNT"
        {inner}
        cd /; umount "$MNT""#
    )
}

/// An empty volume.
pub(crate) fn made(options: &[&str], megabytes: u64) -> (tempfile::TempDir, PathBuf) {
    let (dir, path) = image(megabytes);
    let common = ["-q", "-F", "-Q"];
    let args: Vec<&str> = common.iter().chain(options).copied().collect();
    let args: Vec<&str> = args.into_iter().chain(path.to_str()).collect();
    run("mkntfs", &args);
    (dir, path)
}

/// What ntfs-3g shows, when it only reads.
fn shown(path: &Path) -> Listing {
    let list = script(",ro", LIST);
    kernel_listing(&with_mounts(path, &list))
}

/// Kind, names, time, length and contents: there are no modes and owners that
/// could be compared.
fn common_facts(listing: Listing) -> Listing {
    let facts = listing.into_iter().map(|(path, facts)| {
        let words: Vec<&str> = facts.splitn(8, ' ').collect();
        let names = match words[0] {
            "d" => "-",
            _ => words[4],
        };
        let facts = [words[0], names, words[5], words[6], words[7]].join(" ");
        (path, facts)
    });
    facts.collect()
}

fn same(options: &[&str], megabytes: u64) {
    let (_dir, path) = made(options, megabytes);
    with_mounts(&path, &format!("{FILL}\n{}", script("", "fill")));
    let theirs = common_facts(shown(&path));
    assert!(theirs.len() > 2500, "{}", theirs.len());
    let fs = ready(FsKind::Ntfs, &path);
    assert_eq!(fs.health(), Health::Clean);
    let engine = common_facts(engine_listing(fs.as_ref(), fs.root()));
    assert_same(&engine, &theirs);
    // It counts the clusters, too.
    let count = script(",ro", r#"stat -f -c '%S %b %f' "$MNT""#);
    let count = String::from_utf8(with_mounts(&path, &count)).unwrap();
    let count: Vec<u64> = count
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let usage = fs.usage().unwrap();
    assert_eq!(usage.size, count[0] * count[1]);
    assert_eq!(usage.available, count[0] * count[2]);
    assert_eq!(usage.used, usage.size - usage.available);
}

#[test]
fn ntfs_reads_as_ntfs_3g_reads_it() {
    same(&[], 200);
}

#[test]
fn ntfs_with_small_clusters_reads_as_ntfs_3g_reads_it() {
    same(&["-c", "512"], 200);
}

#[test]
fn ntfs_with_large_clusters_reads_as_ntfs_3g_reads_it() {
    same(&["-c", "65536"], 400);
}

#[test]
fn large_sectors_are_left_to_a_kernel() {
    let (_dir, path) = made(&["-s", "4096", "-c", "4096"], 16);
    let opened = open(FsKind::Ntfs, Raw::open(&path)).unwrap();
    assert!(matches!(opened, Opened::NeedsKernel(_)));
}

#[test]
fn a_volume_is_named_as_blkid_names_it() {
    for options in [&["-L", "Daten žlu"][..], &[]] {
        let (_dir, path) = made(options, 8);
        let said = run("blkid", &["-p", "-o", "export", path.to_str().unwrap()]);
        let value = |name: &str| {
            let line = said.lines().find(|line| line.starts_with(name));
            line.map(|line| line[name.len()..].to_owned())
        };
        let fs = ready(FsKind::Ntfs, &path);
        assert_eq!(fs.uuid(), value("UUID="));
        let label = fs.label().map(|label| String::from_utf8(label).unwrap());
        assert_eq!(label.as_deref(), options.last().copied());
    }
}

/// The node at a path.
fn at(fs: &dyn FileSystem, path: &str) -> Node {
    let names = path.split('/');
    names.fold(fs.root(), |dir, name| {
        let found = fs.lookup(dir, name.as_bytes()).unwrap();
        found.unwrap_or_else(|| panic!("there is no {name}"))
    })
}

#[test]
fn names_are_found_in_any_case_and_shown_once() {
    let (_dir, path) = made(&[], 8);
    let fill = r#"cd "$MNT"; mkdir -p 'Program Files' Löschen
        echo short > 'Program Files/A long name.text'
        setfattr -n system.ntfs_dos_name -v ALONGN~1.TEX 'Program Files/A long name.text'
        echo 1 > both; echo 2 > Both"#;
    with_mounts(&path, &script("", fill));
    let fs = ready(FsKind::Ntfs, &path);
    let root = fs.root();
    let programs = at(fs.as_ref(), "program FILES");
    assert_eq!(programs, at(fs.as_ref(), "Program Files"));
    let entries = fs.entries(programs).unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0].name, b"A long name.text");
    assert_eq!(fs.stat(entries[0].node).unwrap().links.unwrap().count, 1);
    assert!(fs.lookup(root, "LÖSCHEN".as_bytes()).unwrap().is_some());
    // Two names that differ in case alone are two files.
    assert_ne!(at(fs.as_ref(), "both"), at(fs.as_ref(), "Both"));
    for name in [&b"Program"[..], b"\xff", b"$MFT", b"$Extend"] {
        assert_eq!(fs.lookup(root, name).unwrap(), None);
    }
}

/// Names may be of 255 letters there, and of as many bytes here.
#[test]
fn names_that_are_too_long_are_those_of_dos() {
    let (_dir, path) = made(&[], 8);
    let fill = r#"cd "$MNT"; mkdir short none; name=$(printf '中%.0s' {1..100})
        echo text > "short/$name"; echo text > "none/$name"
        setfattr -n system.ntfs_dos_name -v SHORT~1.TXT "short/$name""#;
    with_mounts(&path, &script("", fill));
    let fs = ready(FsKind::Ntfs, &path);
    let entries = fs.entries(at(fs.as_ref(), "short")).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].name, b"SHORT~1.TXT");
    assert_eq!(fs.stat(entries[0].node).unwrap().size, 5);
    let error = fs.entries(at(fs.as_ref(), "none")).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
}

#[test]
fn links_of_windows_are_links() {
    let (_dir, path) = made(&[], 8);
    let point = |tag: u32, flags: Option<u32>, target: &str| {
        let name: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(name.len()).unwrap();
        let mut data: Vec<u8> = [0, length, 0, length]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        data.extend(flags.into_iter().flat_map(u32::to_le_bytes));
        data.extend(name);
        let length = u16::try_from(data.len()).unwrap();
        let head = [&tag.to_le_bytes()[..], &length.to_le_bytes(), &[0, 0]].concat();
        let bytes = [head, data].concat();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("0x{digits}")
    };
    let set = |name: &str, point: String| {
        format!("setfattr -h -n system.ntfs_reparse_data -v {point} '{name}'\n")
    };
    let mut fill = r#"cd "$MNT"; mkdir -p Users/Public junction elsewhere cloud
        echo text > Users/Public/file; : > relative; : > absolute; echo data > packed
        "#
    .to_owned();
    fill += &set(
        "relative",
        point(0xa000_000c, Some(1), r"Users\Public\file"),
    );
    fill += &set(
        "absolute",
        point(0xa000_000c, Some(0), r"\??\C:\Users\Public"),
    );
    fill += &set("junction", point(0xa000_0003, None, r"\??\C:\Users"));
    fill += &set("elsewhere", point(0xa000_0003, None, r"\??\E:\Data"));
    fill += &set("packed", point(0x8000_0017, None, "xx"));
    fill += &set("cloud", point(0x9000_001a, None, "xx"));
    with_mounts(&path, &script("", &fill));
    let fs = ready(FsKind::Ntfs, &path);
    for (name, target) in [
        ("relative", "Users/Public/file"),
        ("absolute", "/Users/Public"),
        ("junction", "/Users"),
        ("elsewhere", "/E:/Data"),
    ] {
        let node = at(fs.as_ref(), name);
        let stat = fs.stat(node).unwrap();
        assert_eq!(
            (stat.kind, stat.size),
            (FileKind::Link, target.len() as u64)
        );
        assert_eq!(fs.link(node).unwrap(), target.as_bytes(), "{name}");
    }
    // What is not where it seems to be is not shown as something else.
    let packed = at(fs.as_ref(), "packed");
    assert_eq!(fs.stat(packed).unwrap().kind, FileKind::File);
    let error = fs.read(packed, 0, &mut [0; 5]).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
    assert_eq!(fs.entries(at(fs.as_ref(), "cloud")).unwrap(), []);
}

#[test]
fn a_volume_that_was_not_closed_says_so() {
    let (_dir, path) = made(&[], 8);
    let mut bytes = fs::read(&path).unwrap();
    let volume = record(&bytes, 3);
    let about = attribute(&bytes, volume, 0x70);
    bytes[about + 0x18 + 10] |= 1;
    let fs = in_memory(FsKind::Ntfs, bytes);
    assert_eq!(fs.health(), Health::Unclean);
}

#[test]
fn windows_that_sleeps_is_seen() {
    for (mark, health) in [("hibr", Health::Hibernated), ("wake", Health::Clean)] {
        let (_dir, path) = made(&[], 8);
        let fill = format!(r#"(printf {mark}; head -c 8000 /dev/zero) > "$MNT/hiberfil.sys""#);
        with_mounts(&path, &script("", &fill));
        assert_eq!(ready(FsKind::Ntfs, &path).health(), health);
    }
}

#[test]
fn windows_is_an_operating_system() {
    let (_dir, path) = made(&["-L", "System"], 8);
    let fill = r#"cd "$MNT"; mkdir -p Windows/System32/drivers/etc Users/alice
        echo '127.0.0.1 localhost' > Windows/System32/drivers/etc/hosts"#;
    with_mounts(&path, &script("", fill));
    let volumes = Volumes::find(&[("sda".to_owned(), Raw::open(&path))]);
    let mut system = System::open(&volumes);
    let tree = system.tree().unwrap();
    assert_eq!(system.problems, Vec::<String>::new());
    let hosts = tree.find(b"/windows/system32/DRIVERS/etc/hosts").unwrap();
    assert_eq!(
        tree.contents(&hosts, 100).unwrap(),
        b"127.0.0.1 localhost\n"
    );
    let inspection = inspect(&tree);
    assert_eq!(inspection.os.kind, "windows");
    assert_eq!(inspection.os.distro.as_deref(), Some("windows"));
    assert_eq!(inspection.mounts[0].label.as_deref(), Some("System"));
    assert_eq!(inspection.problems, Vec::<String>::new());
}

/// Where a record of the table of files is: that is in one piece.
fn record(bytes: &[u8], number: usize) -> usize {
    let cluster = usize::from(bytes[13]) * 512;
    let table = u64::from_le_bytes(bytes[0x30..0x38].try_into().unwrap());
    usize::try_from(table).unwrap() * cluster + number * 1024
}

/// Where in a record the attribute of this type is.
fn attribute(bytes: &[u8], record: usize, kind: u32) -> usize {
    let mut at = record + usize::from(u16::from_le_bytes([bytes[record + 20], bytes[record + 21]]));
    loop {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_ne!(number(at), u32::MAX, "there is no attribute {kind:#x}");
        if number(at) == kind {
            return at;
        }
        at += usize::try_from(number(at + 4)).unwrap();
    }
}

/// A small volume with a file and a directory, and where their records are.
fn small() -> (Vec<u8>, usize, usize) {
    let (_dir, path) = made(&["-c", "512"], 4);
    let fill = r#"cd "$MNT"; head -c 30000 /dev/urandom > file; mkdir dir; echo text > dir/inner"#;
    with_mounts(&path, &script("", fill));
    let bytes = fs::read(&path).unwrap();
    let fs = in_memory(FsKind::Ntfs, bytes.clone());
    let place = |name| {
        let number = at(fs.as_ref(), name).0 & 0xffff_ffff;
        record(&bytes, usize::try_from(number).unwrap())
    };
    let (file, dir) = (place("file"), place("dir"));
    (bytes, file, dir)
}

#[test]
fn what_windows_has_encrypted_is_refused() {
    let (mut bytes, file, _) = small();
    let data = attribute(&bytes, file, 0x80);
    bytes[data + 0xd] |= 0x40;
    let fs = in_memory(FsKind::Ntfs, bytes);
    let error = fs
        .read(at(fs.as_ref(), "file"), 0, &mut [0; 5])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
    assert!(error.to_string().contains("EFS"), "{error}");
}

/// Windows makes files longer without writing to them.
#[test]
fn what_was_never_written_is_zeros() {
    let (mut bytes, file, _) = small();
    let data = attribute(&bytes, file, 0x80);
    bytes[data + 0x38..data + 0x40].copy_from_slice(&1000_u64.to_le_bytes());
    let fs = in_memory(FsKind::Ntfs, bytes);
    let mut buf = vec![1; 30_000];
    let node = at(fs.as_ref(), "file");
    assert_eq!(fs.read(node, 0, &mut buf).unwrap(), buf.len());
    assert!(buf[..1000].iter().any(|byte| *byte != 0));
    assert!(buf[1000..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_file_that_is_longer_than_its_clusters_is_damage() {
    let (mut bytes, file, _) = small();
    let data = attribute(&bytes, file, 0x80);
    bytes[data + 0x30..data + 0x38].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let fs = in_memory(FsKind::Ntfs, bytes);
    let error = fs
        .read(at(fs.as_ref(), "file"), 0, &mut [0; 5])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
}

/// The library would make room for all of it.
#[test]
fn a_list_that_is_longer_than_the_volume_is_damage() {
    let (mut bytes, file, _) = small();
    let data = attribute(&bytes, file, 0x80);
    bytes[data] = 0x20;
    bytes[data + 0x30..data + 0x38].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    let fs = in_memory(FsKind::Ntfs, bytes);
    let error = fs.stat(at(fs.as_ref(), "file")).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
}

#[test]
fn a_volume_that_says_it_is_larger_than_its_disk_is_as_large_as_that() {
    let (mut bytes, _, _) = small();
    bytes[0x28..0x30].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    let length = bytes.len() as u64;
    let usage = in_memory(FsKind::Ntfs, bytes).usage().unwrap();
    assert_eq!(usage.size, length);
}

/// A record is used again: the name of the file before is no name of the new one.
#[test]
fn a_name_of_a_file_that_is_no_more_is_damage() {
    let (mut bytes, file, _) = small();
    bytes[file + 0x10] ^= 0x40;
    let fs = in_memory(FsKind::Ntfs, bytes);
    let error = fs.stat(at(fs.as_ref(), "file")).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
}

#[test]
fn a_directory_in_itself_is_seen() {
    let (mut bytes, _, dir) = small();
    let own = u32::from_le_bytes(bytes[dir + 44..dir + 48].try_into().unwrap());
    let root = attribute(&bytes, dir, 0x90);
    let start = u16::from_le_bytes([bytes[root + 20], bytes[root + 21]]);
    let entry = root + usize::from(start) + 0x20;
    let reference = u64::from(own) | u64::from(bytes[dir + 0x10]) << 48;
    bytes[entry..entry + 8].copy_from_slice(&reference.to_le_bytes());
    let fs = in_memory(FsKind::Ntfs, bytes);
    drop(has_no_end(fs));
}

#[test]
fn a_table_of_files_in_many_pieces_is_left_to_a_kernel() {
    let (mut bytes, _, _) = small();
    let table = record(&bytes, 0);
    // The bitmap of the table becomes a list of attributes, which is empty.
    let bitmap = attribute(&bytes, table, 0xb0);
    bytes[bitmap] = 0x20;
    let opened = open(
        FsKind::Ntfs,
        std::sync::Arc::new(crate::common::Memory(bytes)),
    );
    assert!(matches!(opened, Ok(Opened::NeedsKernel(_))));
}

#[test]
fn damaged_ntfs_is_survived() {
    let (_dir, path) = made(&[], 8);
    let fill = r#"cd "$MNT"; mkdir -p a/b/c big packed
        for i in {1..300}; do echo $i > big/file-$i; done
        seq 1 30000 > text; head -c 200000 /dev/urandom > noise
        truncate -s 1M hole; echo x >> hole; ln -s a/b link; ln text other
        setfattr -n system.ntfs_attrib_be -v 0x00000800 packed; seq 1 30000 > packed/text
        for i in {1..100}; do ln text many-$i-$(printf 'n%.0s' {1..90}); done"#;
    with_mounts(&path, &script("", fill));
    let sound = fs::read(&path).unwrap();
    truncated(&sound, FsKind::Ntfs);
    mutants(&sound, FsKind::Ntfs, 300);
}
