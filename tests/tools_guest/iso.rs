//! CD images as xorriso writes them, compared with what was put into them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    LIST, Listing, assert_same, command, engine_listing, has_no_end, image, in_memory,
    kernel_listing, ready, run,
};
use crate::hostile::{mutants, truncated};
use vmkin::guest::native::fs::{FsKind, Health};

/// Fills `$SOURCE`, and writes it to `$IMG`.
const FILL: &str = r#"
    mkdir -p "$SOURCE"; cd "$SOURCE"
    mkdir -p big odd boot/grub
    for ((i = 0; i < 600; i++)); do
        printf 'file %d\n' "$i" > "big/file-$i-$(printf '%0*d' $((i % 40 + 1)) 0)"
    done
    d=deep; mkdir deep
    for ((i = 0; i < 12; i++)); do d="$d/level-$i"; mkdir "$d"; printf "$i" > "$d/here"; done
    : > odd/empty
    printf 'x' > "odd/žluťoučký kůň 中文"
    printf 'y' > 'odd/Mixed Case.With.Dots.txt'
    seq 1 60000 > odd/text
    head -c 3000001 /dev/urandom > boot/noise
    touch -d '2001-02-03 04:05:06 UTC' odd/text
"#;

/// What only Rock Ridge can keep.
const MORE: &str = r#"
    ln -s ../odd/text boot/link
    ln -s "/$(printf 'a%.0s' {1..200})/$(printf 'b%.0s' {1..240})/../$(printf 'c%.0s' {1..200})" odd/long
    ln -s / odd/root
    printf 'l' > odd/"$(printf 'ý%.0s' {1..100})"
    ln odd/text big/again
    chmod 4750 odd/text; chown 1000:100 odd/text; chmod 1777 big
    mkfifo odd/pipe; mknod odd/null c 1 3
"#;

fn shell(image: &Path, script: &str) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let output = command("bash")
        .args(["-euc", script])
        .env("IMG", image)
        .env("SOURCE", scratch.path().join("source"))
        .env("MNT", scratch.path().join("source"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

/// Makes an image of what the script leaves in `$SOURCE`, and lists that.
fn made(script: &str, options: &str) -> (tempfile::TempDir, PathBuf, Listing) {
    let (dir, path) = image(0);
    let script = format!(
        "{script}\nxorrisofs -quiet -input-charset utf-8 {options} -o \"$IMG\" \"$SOURCE\" >&2\n{LIST}"
    );
    let listing = kernel_listing(&shell(&path, &script));
    (dir, path, listing)
}

/// The fields of a listing that an image keeps: kind, mode, owner, group, links, time,
/// length, and contents.
fn kept(listing: Listing, fields: &[usize]) -> Listing {
    let facts = listing.into_iter().map(|(path, facts)| {
        let words: Vec<&str> = facts.splitn(8, ' ').collect();
        let facts: Vec<&str> = fields
            .iter()
            .map(|field| match (*field, words[0]) {
                // How many names a directory has, counts each tool in its own way.
                (4, "d") => "-",
                // Whole seconds are kept.
                (5, _) => words[5].split('.').next().unwrap(),
                _ => words[*field],
            })
            .collect();
        (path, facts.join(" "))
    });
    facts.collect()
}

fn same(script: &str, options: &str, fields: &[usize]) {
    let (_dir, path, source) = made(script, options);
    assert!(source.len() > 600);
    let fs = ready(FsKind::Iso9660, &path);
    assert_eq!(fs.health(), Health::Clean);
    let engine = engine_listing(fs.as_ref(), fs.root());
    assert_same(&kept(engine, fields), &kept(source, fields));
    let has_modes = fields.contains(&1);
    let stat = fs.stat(fs.root()).unwrap();
    assert_eq!(stat.mode == 0o555, !has_modes);
    let usage = fs.usage().unwrap();
    assert_eq!(usage.available, 0);
    assert!(usage.size <= fs::metadata(&path).unwrap().len());
    assert!(usage.size > 3_000_000);
}

#[test]
fn rock_ridge_reads_as_it_was_written() {
    let all = [0, 1, 2, 3, 4, 5, 6, 7];
    same(&format!("{FILL}{MORE}"), "-R", &all);
    // Where there is both, Rock Ridge knows more.
    same(&format!("{FILL}{MORE}"), "-R -J -joliet-long", &all);
}

#[test]
fn joliet_reads_as_it_was_written() {
    same(FILL, "--norock -J -joliet-long", &[0, 5, 6, 7]);
}

#[test]
fn a_plain_image_reads_as_it_was_written() {
    let script = r#"mkdir -p "$SOURCE/DIR/SUB"; cd "$SOURCE"; seq 1 3000 > DIR/FILE.TXT; echo x > DIR/SUB/X
        for i in {1..200}; do echo $i > DIR/SUB/F$i.DAT; done"#;
    let (_dir, path, source) = made(script, "--norock -iso-level 2");
    let fs = ready(FsKind::Iso9660, &path);
    let engine = kept(engine_listing(fs.as_ref(), fs.root()), &[0, 6, 7]);
    // Linux shows such names in lower case, and drops the dot at the end that
    // the one without an extension has in the image.
    let source = kept(source, &[0, 6, 7]);
    let source = source
        .into_iter()
        .map(|(path, facts)| (path.to_ascii_lowercase(), facts));
    assert_same(&engine, &source.collect());
    let dir = fs.lookup(fs.root(), b"dir").unwrap().unwrap();
    assert!(fs.lookup(dir, b"FILE.TXT").unwrap().is_some());
    assert_eq!(fs.stat(dir).unwrap().mode, 0o555);
}

/// As those of more than 4 GiB are.
#[test]
fn a_file_in_several_pieces_is_whole() {
    let script = r#"mkdir "$SOURCE"; cd "$SOURCE"
        head -c 4096 /dev/zero | tr '\0' a > A.DAT; echo the end > B.DAT; echo other > C.DAT"#;
    let (_dir, path, _) = made(script, "--norock -iso-level 2");
    let mut bytes = fs::read(&path).unwrap();
    let name = |name: &[u8]| {
        bytes
            .windows(name.len())
            .position(|some| some == name)
            .unwrap()
    };
    let (first, second) = (name(b"A.DAT;1"), name(b"B.DAT;1"));
    // "Not the final record", of the same name.
    bytes[first - 8] |= 0x80;
    bytes[second] = b'A';
    let fs = in_memory(FsKind::Iso9660, bytes);
    let names: Vec<Vec<u8>> = fs
        .entries(fs.root())
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, [&b"a.dat"[..], b"c.dat"]);
    let file = fs.lookup(fs.root(), b"a.dat").unwrap().unwrap();
    assert_eq!(fs.stat(file).unwrap().size, 4096 + 8);
    let mut buf = [0; 20];
    assert_eq!(fs.read(file, 4090, &mut buf).unwrap(), 14);
    assert_eq!(&buf[..14], b"aaaaaathe end\n");
}

#[test]
fn an_image_is_named_as_blkid_names_it() {
    let script = "mkdir \"$SOURCE\"; echo x > \"$SOURCE/x\"";
    let (_dir, path, _) = made(script, "-R -V 'Install Disc'");
    let said = run("blkid", &["-p", "-o", "export", path.to_str().unwrap()]);
    let value = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name));
        line.map(|line| line[name.len()..].replace('\\', ""))
    };
    let fs = ready(FsKind::Iso9660, &path);
    assert_eq!(fs.uuid(), value("UUID="));
    let label = fs.label().map(|label| String::from_utf8(label).unwrap());
    assert_eq!(label, value("LABEL="));
    assert_eq!(label.unwrap(), "Install Disc");
}

#[test]
fn damaged_images_are_survived() {
    let script = r#"mkdir -p "$SOURCE/a/b/c" "$SOURCE/big"; cd "$SOURCE"
        for i in {1..60}; do echo $i > "big/a file $i"; done
        seq 1 3000 > text; ln text again; ln -s a/b link"#;
    for options in ["-R", "--norock -J", "-R -J"] {
        let (_dir, path, _) = made(script, options);
        let sound = fs::read(&path).unwrap();
        truncated(&sound, FsKind::Iso9660);
        mutants(&sound, FsKind::Iso9660, 60);
    }
}

#[test]
fn a_directory_in_itself_is_seen() {
    let script = r#"mkdir -p "$SOURCE/outer/inner"; echo x > "$SOURCE/outer/inner/x""#;
    let (_dir, path, _) = made(script, "--norock -iso-level 2");
    let mut bytes = fs::read(&path).unwrap();
    // Where OUTER is, goes into the record of INNER.
    let record = |name: &[u8]| {
        let mut windows = bytes.windows(name.len());
        windows.position(|window| window == name).unwrap() - 32
    };
    // Names come after their lengths; in the path tables they do not.
    let (outer, inner) = (record(b"\x05OUTER"), record(b"\x05INNER"));
    let extent: Vec<u8> = bytes[outer + 2..outer + 18].to_vec();
    bytes[inner + 2..inner + 18].copy_from_slice(&extent);
    let fs = in_memory(FsKind::Iso9660, bytes);
    drop(has_no_end(fs));
}
