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
