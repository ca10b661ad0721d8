//! Images that the kernel has filled, and what it sees in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use vmkin::error::{Error, Kind, Result};
use vmkin::guest::native::Blocks;
use vmkin::guest::native::fs::{FileKind, FileSystem, FsKind, Node, Opened, open};
use vmkin::guest::tree::Tree;

#[expect(
    clippy::disallowed_methods,
    reason = "these are the programs to be compared with"
)]
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a script in a mount namespace of its own, with `$IMG` and `$MNT`, and
/// returns what it printed.
#[track_caller]
pub(crate) fn with_mounts(image: &Path, script: &str) -> Vec<u8> {
    let mount = tempfile::tempdir().unwrap();
    let output = command("unshare")
        .args(["-m", "bash", "-euc", script])
        .env("IMG", image)
        .env("MNT", mount.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

#[track_caller]
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = command(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `guestfish`, which boots its appliance. Without KVM, which may be there and
/// not work.
#[track_caller]
pub(crate) fn guestfish(args: &[&str]) {
    let output = command("guestfish")
        .args(args)
        .env("LIBGUESTFS_BACKEND", "direct")
        .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "guestfish {args:?}: {said}");
}

/// An image file of some size in a directory of its own.
pub(crate) fn image(megabytes: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    File::create(&path)
        .unwrap()
        .set_len(megabytes << 20)
        .unwrap();
    (dir, path)
}

/// The same with a file system on it, made by this program with these options.
pub(crate) fn formatted(mkfs: &[&str], megabytes: u64) -> (tempfile::TempDir, PathBuf) {
    let (dir, path) = image(megabytes);
    let (program, args) = mkfs.split_first().unwrap();
    let args: Vec<&str> = args.iter().copied().chain(path.to_str()).collect();
    run(program, &args);
    (dir, path)
}

/// A raw image.
pub(crate) struct Raw(File, u64);

impl Raw {
    pub(crate) fn open(path: &Path) -> Arc<dyn Blocks> {
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len();
        Arc::new(Self(file, len))
    }
}

impl Blocks for Raw {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0
            .read_exact_at(buf, offset)
            .map_err(|error| Error::io("cannot read the image", error))
    }
}

/// An image in memory.
pub(crate) struct Memory(pub(crate) Vec<u8>);

impl Blocks for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let beyond = || Error::new(vmkin::error::Kind::Storage, "beyond the end");
        let at = usize::try_from(offset).map_err(|_| beyond())?;
        let from = self.0.get(at..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(from.ok_or_else(beyond)?);
        Ok(())
    }
}

#[track_caller]
pub(crate) fn ready(kind: FsKind, image: &Path) -> Box<dyn FileSystem> {
    match open(kind, Raw::open(image)).unwrap() {
        Opened::Ready(fs) => fs,
        Opened::NeedsKernel(why) => panic!("needs a kernel: {why}"),
    }
}

/// A file system that is read natively, off these bytes.
#[track_caller]
pub(crate) fn in_memory(kind: FsKind, bytes: Vec<u8>) -> Box<dyn FileSystem> {
    let opened = open(kind, Arc::new(Memory(bytes))).unwrap();
    opened.ready().unwrap()
}

/// Fails unless a directory that is in itself is seen to be.
#[track_caller]
pub(crate) fn has_no_end(fs: Box<dyn FileSystem>) -> Tree {
    let root = fs.root();
    let tree = Tree::new("/dev/sda".to_owned(), fs.into(), root);
    let start = tree.find(b"/").unwrap();
    let error = tree.visit(&start, &mut |_, _, _| Ok(true)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    tree
}

/// All that is compared of one file: what it is and who may use it, how long it
/// is, when it was changed, and a hash of its contents or where it leads.
pub(crate) type Listing = BTreeMap<Vec<u8>, String>;

/// What the kernel sees below `$MNT`.
pub(crate) const LIST: &str = r"
cd $MNT
find . -mindepth 1 -printf '%P\0%y %m %U %G %n %T@ %s %l\0'
printf '\0'
find . -type f -print0 | xargs -0 -r sha256sum -z
";

pub(crate) fn kernel_listing(printed: &[u8]) -> Listing {
    let mut fields = printed.split(|&byte| byte == 0);
    let mut listing = Listing::new();
    while let Some(path) = fields.next().filter(|path| !path.is_empty()) {
        let facts = fields.next().unwrap();
        let facts = String::from_utf8_lossy(facts).into_owned();
        // The length of a directory is the file system's own business.
        let mut words: Vec<&str> = facts.splitn(8, ' ').collect();
        if words[0] == "d" {
            words[6] = "-";
        }
        listing.insert(path.to_vec(), words.join(" "));
    }
    for line in fields.filter(|line| !line.is_empty()) {
        let (hash, path) = line.split_at(64);
        let path = path.strip_prefix(b"  ./").unwrap();
        let entry = listing.get_mut(path).unwrap();
        entry.push_str(&String::from_utf8_lossy(hash));
    }
    listing
}

/// What the engine sees.
pub(crate) fn engine_listing(fs: &dyn FileSystem, root: Node) -> Listing {
    let mut listing = Listing::new();
    let mut todo = vec![(Vec::new(), root)];
    while let Some((at, dir)) = todo.pop() {
        for entry in fs.entries(dir).unwrap() {
            let mut path: Vec<u8> = at.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&entry.name);
            // A name leads to the same file, however it was come by.
            let found = fs.lookup(dir, &entry.name).unwrap().unwrap();
            let stat = fs.stat(entry.node).unwrap();
            assert_eq!(fs.stat(found).unwrap(), stat);
            listing.insert(path.clone(), facts(fs, entry.node));
            if stat.kind == FileKind::Directory {
                todo.push((path, entry.node));
            }
        }
    }
    listing
}

fn facts(fs: &dyn FileSystem, node: Node) -> String {
    let stat = fs.stat(node).unwrap();
    let letter = match stat.kind.letter() {
        '-' => 'f',
        other => other,
    };
    let links = stat
        .links
        .map_or("?".to_owned(), |links| links.count.to_string());
    let time = format!(
        "{}.{:09}0",
        stat.modified.seconds, stat.modified.nanoseconds
    );
    let (size, last) = match stat.kind {
        FileKind::Directory => ("-".to_owned(), String::new()),
        FileKind::Link => (
            stat.size.to_string(),
            String::from_utf8_lossy(&fs.link(node).unwrap()).into_owned(),
        ),
        FileKind::File => (stat.size.to_string(), hash(fs, node, stat.size)),
        _ => (stat.size.to_string(), String::new()),
    };
    format!(
        "{letter} {:o} {} {} {links} {time} {size} {last}",
        stat.mode, stat.uid, stat.gid
    )
}

fn hash(fs: &dyn FileSystem, node: Node, size: u64) -> String {
    let mut hasher = Sha256::new();
    let mut buf = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let count = fs.read(node, offset, &mut buf).unwrap();
        if count == 0 {
            break;
        }
        hasher.update(&buf[..count]);
        offset += count as u64;
    }
    assert_eq!(offset, size);
    format!("{:x}", hasher.finalize())
}

/// Says what differs, not all that there is.
#[track_caller]
pub(crate) fn assert_same(engine: &Listing, kernel: &Listing) {
    let mut wrong = Vec::new();
    for (path, facts) in kernel {
        let ours = engine.get(path);
        if ours != Some(facts) {
            let path = path.escape_ascii();
            wrong.push(format!("{path}: kernel {facts}, engine {ours:?}"));
        }
    }
    for path in engine.keys().filter(|path| !kernel.contains_key(*path)) {
        wrong.push(format!("{}: only the engine has it", path.escape_ascii()));
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
