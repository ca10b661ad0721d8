//! Names that are taken, come twice or are of another kind: refused before anything
//! is begun, in guests that are changed and on the host that is copied to.

use std::fs;
use std::path::PathBuf;

use crate::common::{Guest, Host, tool};

/// A guest with two files of one name, one of two names, and a pipe.
fn guest(host: &Host) {
    let tree = host.root().join("names");
    for dir in ["bin", "etc", "lib", "d1", "d2", "dst"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    for (path, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
        ("etc/fstab", "/dev/vda / ext4 rw 0 1\n"),
        ("d1/x", "one"),
        ("d2/x", "two"),
        ("k1", "both"),
    ] {
        fs::write(tree.join(path), text).unwrap();
    }
    fs::hard_link(tree.join("k1"), tree.join("k2")).unwrap();
    tool("mkfifo", &args![&tree.join("pipe")]);
    let image = host.image("web-01.img");
    let args = args![
        "-q",
        "-t",
        "ext4",
        "-O",
        "^has_journal",
        "-d",
        &tree,
        &image,
        "16M"
    ];
    tool("mke2fs", &args);
    host.add(Guest::new("web-01").disk("vda", "raw", &image));
}

/// Files of the host with one name in two directories.
fn local(host: &Host) -> [PathBuf; 2] {
    ["s1", "s2"].map(|dir| {
        let dir = host.root().join(dir);
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("f");
        fs::write(&file, dir.as_os_str().as_encoded_bytes()).unwrap();
        file
    })
}

#[test]
fn nothing_is_replaced_by_what_is_named_with_it() {
    let host = Host::new();
    guest(&host);
    let [one, other] = local(&host).map(|path| path.display().to_string());
    let before = host.world();
    let copied = format!("copy-in -d web-01 {one} {other} /dst");
    for (args, exit, why) in [
        (
            "mv -d web-01 /d1/x /d2/x /dst",
            2,
            "two of them would be '/dst/x'",
        ),
        (copied.as_str(), 2, "two of them would be '/dst/f'"),
        ("mv -d web-01 /k1 /k2", 4, "names of the same file"),
        ("chown -d web-01 4294967295 /k1", 2, "no user has"),
        ("chown -d web-01 :4294967295 /k1", 2, "no group has"),
    ] {
        host.vmkin(args).fails(exit, why);
        assert_eq!(host.world(), before, "{args}");
    }
}

#[test]
fn what_cannot_be_copied_out_is_told_before_anything_is() {
    let host = Host::new();
    guest(&host);
    let to = host.root().join("home/to");
    fs::create_dir(&to).unwrap();
    for (args, exit, why) in [
        ("/k1 /nowhere", 3, "no '/nowhere'"),
        ("/d1/x /d2/x", 2, "two of them would be 'x' in to"),
        ("/k1 /pipe", 4, "pipes and sockets are not copied"),
    ] {
        host.vmkin(&format!("copy-out -d web-01 {args} to"))
            .fails(exit, why);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "{args}");
    }
    // One that is not named is left out.
    host.vmkin("copy-out -d web-01 / to")
        .success()
        .says("1 devices, pipes or sockets were not copied.");
    assert!(to.join("k2").exists() && !to.join("pipe").exists());
}

#[test]
fn a_command_of_a_session_may_begin_with_a_dash() {
    let host = Host::new();
    guest(&host);
    let shell = ["shell", "-d", "web-01", "-e", "-cat x", "-e", "cat k1"];
    let said = host.vmkin_args(&shell).success();
    assert_eq!(said.stdout(), "both");
}

#[test]
fn a_length_has_a_unit_or_none() {
    let host = Host::new();
    guest(&host);
    for (size, found) in [("0", true), ("4", true), ("1K", false), ("1.5G", false)] {
        let args = format!("find -d web-01 --name k1 --min-size {size}");
        let said = host.vmkin(&args).success();
        assert_eq!(said.stdout().contains("/k1"), found, "{size}");
    }
}
