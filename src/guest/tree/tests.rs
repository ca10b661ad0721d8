use super::fake::{Fake, What};
use super::*;

fn tree() -> Tree {
    let root = Fake(vec![
        What::Dir(&[
            (b"etc", 1),
            (b"boot", 2),
            (b"bin", 3),
            (b"circle", 4),
            (b"out", 5),
        ]),
        What::Dir(&[(b"os-release", 6), (b"issue", 7)]),
        What::Dir(&[(b"hidden", 7)]),
        What::Link(b"../../../etc"),
        What::Link(b"/circle"),
        What::Link(b"/../../etc/issue"),
        What::Link(b"../bin/./issue"),
        What::File(b"text"),
    ]);
    let boot = Fake(vec![
        What::Dir(&[(b"vmlinuz", 1), (b"up", 2)]),
        What::File(b"kernel"),
        What::Link(b"../etc/issue"),
    ]);
    let mut tree = Tree::new("/dev/sda2".to_owned(), Rc::new(root), Node(0));
    let device = "/dev/sda1".to_owned();
    tree.mount(b"/boot", device, Rc::new(boot), Node(0))
        .unwrap();
    tree
}

fn text(tree: &Tree, path: &str) -> Result<String> {
    let place = tree.find(path.as_bytes())?;
    Ok(String::from_utf8(tree.contents(&place, 100)?).unwrap())
}

#[test]
fn links_stay_in_the_guest() {
    let tree = tree();
    for path in [
        "/etc/issue",
        "etc//./issue",
        "/../../etc/issue",
        "/bin/issue",
        "/out",
        "/etc/os-release",
        "/boot/up",
        "/boot/../etc/issue",
        "/bin/../etc/issue",
    ] {
        assert_eq!(text(&tree, path).unwrap(), "text", "{path}");
    }
    assert_eq!(tree.find(b"/bin/os-release").unwrap().path, b"/etc/issue");
    assert_eq!(tree.find_itself(b"/bin").unwrap().path, b"/bin");
    assert_eq!(tree.find_itself(b"/bin/").unwrap().path, b"/etc");
}

#[test]
fn what_is_mounted_hides_what_is_below_it() {
    let tree = tree();
    assert_eq!(text(&tree, "/boot/vmlinuz").unwrap(), "kernel");
    assert_eq!(
        text(&tree, "/boot/hidden").unwrap_err().kind(),
        Kind::NotFound
    );
    let mut seen = Vec::new();
    let root = tree.find(b"/").unwrap();
    tree.visit(&root, &mut |place, _, depth| {
        seen.push(format!("{depth}{}", place.path.escape_ascii()));
        Ok(true)
    })
    .unwrap();
    assert_eq!(
        seen,
        [
            "0/",
            "1/bin",
            "1/boot",
            "2/boot/up",
            "2/boot/vmlinuz",
            "1/circle",
            "1/etc",
            "2/etc/issue",
            "2/etc/os-release",
            "1/out",
        ]
    );
}

#[test]
fn what_leads_nowhere_is_told() {
    let tree = tree();
    for (path, kind) in [
        ("/none", Kind::NotFound),
        ("/etc/none/..", Kind::NotFound),
        ("/etc/issue/x", Kind::NotFound),
        ("/circle", Kind::Unsafe),
        ("/circle/x", Kind::Unsafe),
        ("/etc", Kind::WrongState),
    ] {
        assert_eq!(text(&tree, path).unwrap_err().kind(), kind, "{path}");
    }
}

#[test]
fn a_directory_that_is_in_itself_has_an_end() {
    let endless = Fake(vec![What::Dir(&[(b"again", 0)])]);
    let tree = Tree::new("/dev/sda".to_owned(), Rc::new(endless), Node(0));
    let root = tree.find(b"/").unwrap();
    let error = tree.visit(&root, &mut |_, _, _| Ok(true)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
}

#[test]
fn paths_begin_where_somebody_went() {
    let mut tree = tree();
    assert_eq!(text(&tree, "issue").unwrap_err().kind(), Kind::NotFound);
    tree.go_to(b"/bin").unwrap();
    // The directory, and not the link to it.
    assert_eq!(tree.current(), Some(&b"/etc"[..]));
    for path in ["issue", "./issue", "../etc/issue", "/etc/issue"] {
        assert_eq!(text(&tree, path).unwrap(), "text", "{path}");
    }
    let end = tree.end_of(b"new", true).unwrap();
    assert_eq!(
        (end.dir.path, end.there.is_none()),
        (b"/etc".to_vec(), true)
    );
    assert_eq!(tree.go_to(b"issue").unwrap_err().kind(), Kind::WrongState);
    tree.go_to(b"..").unwrap();
    assert_eq!(text(&tree, "boot/vmlinuz").unwrap(), "kernel");
}

#[test]
fn what_is_mounted_can_be_taken_away_or_read_by_another() {
    let mut tree = tree();
    tree.go_to(b"/boot").unwrap();
    let left = tree.without(b"/boot").unwrap();
    assert_eq!(left.mounts().len(), 1);
    assert_eq!(text(&left, "hidden").unwrap(), "text");
    assert_eq!(tree.without(b"/etc").err().unwrap().kind(), Kind::NotFound);
    assert_eq!(tree.without(b"/").unwrap().mounts().len(), 0);
    let other: Rc<dyn FileSystem> = Rc::new(Fake(vec![
        What::Dir(&[(b"vmlinuz", 1)]),
        What::File(b"another"),
    ]));
    let read = tree.read_by(|number, mount| match number {
        1 => Ok((Rc::clone(&other), Node(0))),
        _ => Ok((Rc::clone(&mount.fs), mount.root())),
    });
    let read = read.unwrap();
    assert_eq!(text(&read, "vmlinuz").unwrap(), "another");
    assert_eq!(text(&read, "/etc/issue").unwrap(), "text");
}

#[test]
fn reading_stops_when_the_user_wants_it_to() {
    let mut tree = tree();
    let interrupt = Interrupt::default();
    tree.stopped_by(&interrupt);
    assert_eq!(text(&tree, "/etc/issue").unwrap(), "text");
    let set = |seen| {
        let flag = interrupt.flag();
        flag.store(seen, std::sync::atomic::Ordering::Relaxed);
    };
    set(true);
    assert_eq!(
        text(&tree, "/etc/issue").unwrap_err().kind(),
        Kind::Interrupted
    );
    interrupt.forget();
    assert_eq!(text(&tree, "/etc/issue").unwrap(), "text");
    // What only ends with the program does not hear of it.
    let only = interrupt.only_ending();
    set(true);
    assert!(interrupt.check().is_err() && only.check().is_ok());
}
