//! What `image build` refuses, and what it would make; what it makes is compared
//! with the kernel in `tests/tools_guest/building.rs`.

use std::fs;

use crate::common::Host;

/// A host with a directory of files.
fn host() -> Host {
    let host = Host::new();
    let dir = host.root().join("home/src");
    fs::create_dir_all(dir.join("sub")).unwrap();
    fs::write(dir.join("sub/big"), vec![1; 9 << 20]).unwrap();
    host
}

#[test]
fn what_cannot_be_made_is_refused_before_anything_is_begun() {
    let host = host();
    fs::write(host.root().join("home/there.img"), "mine").unwrap();
    fs::write(host.root().join("home/no.tar"), vec![7; 4096]).unwrap();
    let before = host.world();
    for (args, code, says) in [
        ("there.img --from src", 5, "there is something at"),
        ("new.img --from gone", 3, "cannot read gone"),
        ("new.img --from no.tar", 2, "no tar archive"),
        ("src/new.img --from src", 2, "a part of itself"),
        (
            "new.img --from src --size 5M",
            2,
            "the disk is too small: it has 5 MiB, and needs about",
        ),
        (
            "new.img --from src --type zfs",
            2,
            "no file system 'zfs' is made",
        ),
        ("new.img --type vfat --label TWELVE-CHARS", 2, "can have 11"),
        ("new.img --type xfs --size 20M", 2, "needs about 320 MiB"),
        ("new.img --from src --floppy", 2, "a floppy is too small"),
        (
            "new.img --from src --part 1M:ext4:/sub --part rest:ext4:/",
            2,
            "/dev/sda1 is too small",
        ),
        (
            "new.img --from src --part rest:ext4:/sub",
            2,
            "has no file system to go into",
        ),
        (
            "new.img --from src --part 8M:ext4 --part rest:ext4",
            2,
            "which file system the source goes into",
        ),
        (
            "new.img --part rest:ext4:/ --lv vg/a:1G:ext4",
            2,
            "is in a group that is on no partition",
        ),
        ("new.img --partition=x --from src", 2, "is gpt or mbr"),
        ("new.img -N bootroot:zfs", 2, "no file system 'zfs'"),
        ("new.img --iso", 2, "--from"),
        ("nowhere/new.img --floppy", 3, "nowhere"),
    ] {
        let mut command = host.command();
        command.args(["image", "build"]).args(args.split(' '));
        let outcome = command.output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{args}: {said}");
        assert!(said.contains(says), "{args}: {said}");
    }
    // Without the programs.
    for (args, says) in [
        ("new.img --from src", "guestfish"),
        ("new.iso --iso --from src", "xorriso"),
    ] {
        let mut command = host.command();
        command.env("VMKIN_TOOL_PATH", host.root().join("home"));
        command.args(["image", "build"]).args(args.split(' '));
        let outcome = command.output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(8), "{args}: {said}");
        assert!(said.contains(says), "{args}: {said}");
    }
    assert_eq!(host.world(), before);
}

#[test]
fn the_size_that_is_said_to_be_needed_is_enough() {
    let host = host();
    let run = |args: &str| {
        let mut command = host.command();
        command.args(["image", "build", "new.img", "--from", "src", "--dry-run"]);
        command.args(args.split(' '));
        let outcome = command.output().unwrap();
        String::from_utf8_lossy(&[outcome.stdout, outcome.stderr].concat()).into_owned()
    };
    for kind in ["ext4", "xfs", "btrfs", "vfat", "ntfs"] {
        let said = run(&format!("--size 5M --type {kind}"));
        let needed = said
            .split("take ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let said = run(&format!(
            "--size {} --type {kind}",
            needed.unwrap_or("nothing")
        ));
        assert!(said.starts_with("Would make "), "{kind}: {said}");
    }
}
