use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::error::{Kind, Result};
use crate::guest::native::fs::{Node, Time};
use crate::guest::tree::Tree;
use crate::guest::tree::fake::{Fake, What};
use crate::interrupt::Interrupt;

fn tree(nodes: Vec<What>) -> Tree {
    Tree::new("/dev/sda".to_owned(), Rc::new(Fake(nodes)), Node(0))
}

fn good() -> Tree {
    tree(vec![
        What::Dir(&[(b"etc", 1), (b"log", 4)]),
        What::Dir(&[(b"file", 2), (b"link", 3), (b"again", 2)]),
        What::File(b"text"),
        What::Link(b"/etc/shadow"),
        What::Link(b"etc/file"),
    ])
}

fn copy_of(tree: &Tree, path: &str, to: &Path) -> Result<Vec<Copied>> {
    let done = Cell::new(0);
    let progress = |more| done.set(done.get() + more);
    let interrupt = Interrupt::default();
    let paths = [path.to_owned()];
    let copied = copy(tree, &paths, to, Keep::default(), &interrupt, &progress)?;
    // All that there is to do is done in the end.
    let all: u64 = copied.iter().map(|one| one.bytes).sum();
    assert_eq!((done.get(), measure(tree, path, &interrupt)?), (all, all));
    Ok(copied)
}

#[test]
fn a_tree_is_copied_with_modes_times_and_links() {
    let to = tempfile::tempdir().unwrap();
    let copied = copy_of(&good(), "/etc", to.path()).unwrap();
    assert_eq!((copied[0].files, copied[0].links), (2, 1));
    let at = |name: &str| to.path().join("etc").join(name);
    assert_eq!(fs::read(at("file")).unwrap(), b"text");
    assert_eq!(fs::read_link(at("link")).unwrap(), Path::new("/etc/shadow"));
    let meta = fs::metadata(at("file")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o755);
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_000_000, 5));
    // One file of two names.
    assert_eq!(fs::metadata(at("again")).unwrap().ino(), meta.ino());
    let dir = fs::metadata(to.path().join("etc")).unwrap();
    assert_eq!((dir.mtime(), dir.mtime_nsec()), (1_000_000, 5));
    // Nothing but what was asked for.
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    assert_eq!(Time::default().seconds, 0);
}

#[test]
fn a_link_that_is_named_is_followed_and_keeps_its_name() {
    let to = tempfile::tempdir().unwrap();
    copy_of(&good(), "/log", to.path()).unwrap();
    assert_eq!(fs::read(to.path().join("log")).unwrap(), b"text");
    assert!(
        !fs::symlink_metadata(to.path().join("log"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn what_is_there_is_not_replaced() {
    let to = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), to.path().join("etc")).unwrap();
    let error = copy_of(&good(), "/etc", to.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    let error = copy_of(&good(), "/etc", &to.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn several_are_copied_together_or_not_at_all() {
    let to = tempfile::tempdir().unwrap();
    let tree = good();
    let (interrupt, keep) = (Interrupt::default(), Keep::default());
    let all = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        copy(&tree, &paths, to.path(), keep, &interrupt, &|_| {})
    };
    let left = || fs::read_dir(to.path()).unwrap().count();
    let kind = |paths: &[&str]| all(paths).unwrap_err().kind();
    assert_eq!(kind(&["/etc/file", "/nowhere"]), Kind::NotFound);
    assert_eq!(kind(&["/etc/file", "/etc/../etc/file"]), Kind::Usage);
    assert_eq!(left(), 0);
    assert_eq!(all(&["/etc/file", "/log"]).unwrap().len(), 2);
    assert_eq!(left(), 2);
    assert_eq!(kind(&["/etc", "/log"]), Kind::Exists);
    assert_eq!(left(), 2);
}

#[test]
fn hostile_names_lead_nowhere() {
    for evil in [
        vec![
            What::Dir(&[(b"d", 1)]),
            What::Dir(&[(b"..", 2)]),
            What::File(b"x"),
        ],
        vec![
            What::Dir(&[(b"d", 1)]),
            What::Dir(&[(b"../x", 2)]),
            What::File(b"x"),
        ],
        vec![
            What::Dir(&[(b"d", 1)]),
            What::Dir(&[(b"a", 2), (b"a", 3)]),
            What::Link(b"/tmp"),
            What::Dir(&[(b"x", 4)]),
            What::File(b"x"),
        ],
        // A file and a directory of one name.
        vec![
            What::Dir(&[(b"d", 1)]),
            What::Dir(&[(b"a", 2), (b"a", 3)]),
            What::File(b"x"),
            What::Dir(&[]),
        ],
    ] {
        let to = tempfile::tempdir().unwrap();
        let inner = to.path().join("inner");
        fs::create_dir(&inner).unwrap();
        copy_of(&tree(evil), "/d", &inner).unwrap_err();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
    }
}

#[test]
fn an_archive_holds_the_same() {
    let mut archive = Vec::new();
    let paths = ["/etc".to_owned()];
    write_tar(&good(), &paths, &mut archive, &Interrupt::default()).unwrap();
    let mut archive = ::tar::Archive::new(archive.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let link = entry.link_name().unwrap();
        let link = link.map_or(String::new(), |link| format!(" -> {}", link.display()));
        format!("{:?} {path}{link}", entry.header().entry_type())
    });
    let entries: Vec<String> = entries.collect();
    assert_eq!(
        entries,
        [
            "Directory etc",
            "Regular etc/again",
            "Link etc/file -> etc/again",
            "Symlink etc/link -> /etc/shadow",
        ]
    );
}
