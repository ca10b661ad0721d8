use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tar::{Builder, EntryType, Header};

use super::*;
use crate::guest::native::fs::{Node, Time};
use crate::guest::tree::fake::{Fake, What};

fn tree() -> Tree {
    let nodes = vec![
        What::Dir(&[(b"d1", 1), (b"d2", 2), (b"dst", 3), (b"k1", 6), (b"k2", 6)]),
        What::Dir(&[(b"x", 4)]),
        What::Dir(&[(b"x", 5)]),
        What::Dir(&[(b"old", 7)]),
        What::File(b"one"),
        What::File(b"two"),
        What::File(b"both"),
        What::File(b"one"),
    ];
    Tree::new("/dev/sda".to_owned(), Rc::new(Fake(nodes)), Node(0))
}

/// What comes of a draft, as it is told to the user.
fn drafted(plan: impl FnOnce(&mut Draft<'_>) -> Result<()>) -> Result<Vec<String>> {
    let (tree, scratch, interrupt) = (tree(), Scratch::new().unwrap(), Interrupt::default());
    let mut draft = Draft::over(&tree, &scratch, &interrupt);
    plan(&mut draft)?;
    let (changes, _) = draft.finish();
    Ok(changes.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_takes_the_place_of_what_was_just_moved_or_copied_there() {
    for copied in [false, true] {
        let put = |draft: &mut Draft<'_>, from: &[u8], to: &[u8]| match copied {
            true => draft.cp(from, to),
            false => draft.mv(from, to),
        };
        let error = drafted(|draft| {
            put(draft, b"/d1/x", b"/dst")?;
            put(draft, b"/d2/x", b"/dst")
        });
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("'/dst/x'"), "{error}");
        // What was there before is replaced.
        let done = drafted(|draft| put(draft, b"/d1/x", b"/dst/old"));
        assert!(!done.unwrap().is_empty());
    }
}

#[test]
fn two_names_of_one_file_are_not_moved_to_each_other() {
    let error = drafted(|draft| draft.mv(b"/k1", b"/k2")).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("same file"), "{error}");
}

#[test]
fn directories_of_one_name_come_together_and_files_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.as_os_str().as_encoded_bytes()).unwrap();
    };
    let both = || {
        drafted(|draft| {
            draft.copy_in(&dir.path().join("a/new"), b"/dst")?;
            draft.copy_in(&dir.path().join("b/new"), b"/dst")
        })
    };
    file("a/new/one");
    file("b/new/two");
    let made = |what: &str| both().unwrap().iter().filter(|one| *one == what).count();
    assert_eq!(made("make the directory /dst/new"), 1);
    assert_eq!(
        (made("make /dst/new/one"), made("make /dst/new/two")),
        (1, 1)
    );
    file("b/new/one");
    assert_eq!(both().unwrap_err().kind(), Kind::Usage);
}

#[test]
fn no_owner_has_the_last_number() {
    let owner = |text: &str| text.parse::<OwnerChange>().unwrap();
    for text in ["4294967295", ":4294967295"] {
        let error = drafted(|draft| draft.chown(b"/k1", &owner(text), false));
        assert_eq!(error.unwrap_err().kind(), Kind::Usage, "{text}");
    }
    let done = drafted(|draft| draft.chown(b"/k1", &owner("4294967294"), false));
    assert_eq!(done.unwrap().len(), 1);
}

/// An archive with these: each has a kind, a name, and what is in it or where it
/// leads.
fn archive(dir: &Path, members: &[(EntryType, &str, &str)]) -> PathBuf {
    let mut builder = Builder::new(Vec::<u8>::new());
    for (kind, name, text) in members {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if *kind == EntryType::Regular {
            header.set_size(text.len() as u64);
            builder
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        } else {
            header.set_size(0);
            builder.append_link(&mut header, name, text).unwrap();
        }
    }
    let path = dir.join("a.tar");
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    path
}

#[test]
fn of_names_that_come_twice_only_plain_files_are_unpacked() {
    use EntryType::{Link, Regular, Symlink};

    let dir = tempfile::tempdir().unwrap();
    let unpacked = |members: &[(EntryType, &str, &str)]| {
        let archive = archive(dir.path(), members);
        drafted(|draft| draft.tar_in(&archive, b"/dst"))
    };
    for (members, why) in [
        (
            &[
                (Regular, "a", "hi"),
                (Link, "b", "a"),
                (Regular, "a", "new"),
            ][..],
            "has 'a' more than once",
        ),
        (
            &[
                (Regular, "a", "hi"),
                (Link, "b", "a"),
                (Regular, "b", "new"),
            ],
            "has 'b' more than once",
        ),
        (
            &[(Symlink, "l", "x"), (Symlink, "l", "x")],
            "has 'l' more than once",
        ),
        (
            &[(Symlink, "l", "x"), (Link, "m", "l")],
            "which is a symbolic link",
        ),
    ] {
        let error = unpacked(members).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(why), "{error}");
    }
    // The last counts, also if it is what the guest has.
    let done = unpacked(&[(Regular, "old", "new"), (Regular, "old", "one")]);
    assert_eq!(done.unwrap(), ["change /dst/old", "change /dst/old"]);
    let linked = [(Regular, "a", ""), (Link, "b", "a"), (Link, "c", "b")];
    assert_eq!(unpacked(&linked).unwrap().len(), 3);
}

#[test]
fn extended_headers_tell_of_sparse_files_and_of_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let pack = |records: &[(&str, &[u8])]| {
        let mut builder = Builder::new(Vec::<u8>::new());
        builder
            .append_pax_extensions(records.iter().copied())
            .unwrap();
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(1);
        builder.append_data(&mut header, "a", &b"x"[..]).unwrap();
        fs::write(&path, builder.into_inner().unwrap()).unwrap();
    };
    pack(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]);
    let error = drafted(|draft| draft.tar_in(&path, b"/dst")).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("sparse files"), "{error}");

    pack(&[("mtime", b"-86400")]);
    let (tree, scratch, interrupt) = (tree(), Scratch::new().unwrap(), Interrupt::default());
    let mut draft = Draft::over(&tree, &scratch, &interrupt);
    draft.tar_in(&path, b"/dst").unwrap();
    let (changes, _) = draft.finish();
    let Some(Change::File { given, .. }) = changes.first() else {
        panic!("{changes:?}");
    };
    let wanted = Time {
        seconds: -86_400,
        nanoseconds: 0,
    };
    assert_eq!(given.modified, Some(wanted));
}
