//! Users that are made.

use super::Tree;
use crate::error::Kind;
use crate::ops::customize::{NewUser, Wishes};

fn with(users: &[&str], admin: bool) -> Wishes {
    let users = users.iter().map(|text| NewUser {
        admin,
        ..text.parse().unwrap()
    });
    Wishes {
        users: users.collect(),
        ..Wishes::default()
    }
}

fn tree() -> Tree {
    let tree = Tree::debian();
    tree.write("etc/group", "root:x:0:\nsudo:x:27:ann\nusers:x:100:\n");
    tree.write("etc/gshadow", "root:*::\nsudo:*::ann\nusers:*::\n");
    tree.write("etc/skel/.profile", "umask 022\n");
    tree.write("etc/skel/.config/deep/file", "deep\n");
    tree.write("bin/bash", "");
    tree
}

#[test]
fn a_new_user_has_a_home_and_its_groups() {
    let tree = tree();
    std::fs::create_dir_all(tree.path("etc/sudoers.d")).unwrap();
    let (drafted, _) = tree
        .draft(&with(&["bob:sudo", "ann:sudo,users"], true))
        .unwrap();
    let text = |path: &str| drafted[path].as_str();
    assert!(text("/etc/passwd").ends_with("\nbob:x:1001:1001::/home/bob:/bin/bash\n"));
    let shadow = text("/etc/shadow");
    assert!(
        shadow.contains("\nbob:!:") && shadow.ends_with(":0:99999:7:::\n"),
        "{shadow}"
    );
    assert_eq!(
        text("/etc/group"),
        "root:x:0:\nsudo:x:27:ann,bob\nusers:x:100:ann\nbob:x:1001:\n"
    );
    assert_eq!(
        text("/etc/gshadow"),
        "root:*::\nsudo:*::ann,bob\nusers:*::ann\nbob:!::\n"
    );
    assert_eq!(text("/home/bob"), "dir 0700 Some((1001, 1001))");
    assert_eq!(text("/home/bob/.profile"), "0644 (1001, 1001) umask 022\n");
    assert_eq!(
        text("/home/bob/.config/deep/file"),
        "0644 (1001, 1001) deep\n"
    );
    assert_eq!(
        text("/etc/sudoers.d/90-vmkin-bob"),
        "0440 bob ALL=(ALL) NOPASSWD:ALL\n"
    );
    assert!(drafted.contains_key("/home/bob/.config/deep"));
    // Who is there keeps what it has.
    assert!(!drafted.contains_key("/home/ann"));
}

#[test]
fn what_a_user_needs_must_be_there() {
    let error = tree().draft(&with(&["bob:wheel"], false)).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("no group 'wheel'"), "{error}");
    let error = tree().draft(&with(&["bob"], true)).unwrap_err();
    assert!(error.to_string().contains("no /etc/sudoers.d"), "{error}");
    let error = Tree::debian().draft(&with(&["bob"], false)).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("no /etc/group"), "{error}");
}
