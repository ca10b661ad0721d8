//! What vmkin cannot read itself is read with libguestfs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::common::{Host, tool};
use crate::guest_volumes::root_image;

/// A guest whose root has a feature that only a kernel reads.
fn needs_kernel(host: &Host) -> PathBuf {
    let image = root_image(host, "", &[]);
    tool("debugfs", &args!["-w", "-R", "feature inline_data", &image]);
    image
}

fn cat(host: &Host, image: &Path, more: &[&str]) -> std::process::Command {
    let mut command = host.command();
    command
        .args(["cat", "-v", "--format", "raw", "-a"])
        .arg(image);
    command.args(more).arg("/etc/hostname");
    command
}

#[track_caller]
fn outcome(mut command: std::process::Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn libguestfs_is_asked_for_what_takes_a_kernel() {
    let host = Host::new();
    let image = needs_kernel(&host);
    let before = fs::read(&image).unwrap();
    let (code, _, said) = outcome(cat(&host, &image, &["--engine", "native"]));
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("inline_data") && said.contains("--engine appliance"),
        "{said}"
    );
    let (code, out, said) = outcome(cat(&host, &image, &[]));
    assert_eq!((code, out.as_str()), (0, "volumes\n"), "{said}");
    assert!(
        said.contains("root.raw: read with libguestfs: no operating system was found"),
        "{said}"
    );
    assert!(fs::read(&image).unwrap() == before);
}

#[test]
fn without_libguestfs_it_is_said_what_to_install() {
    let host = Host::new();
    let image = needs_kernel(&host);
    let nothing = host.root().join("no-tools");
    fs::create_dir(&nothing).unwrap();
    for more in [&[][..], &["--engine", "appliance"]] {
        let mut command = cat(&host, &image, more);
        command.env("VMKIN_TOOL_PATH", &nothing);
        let (code, _, said) = outcome(command);
        assert_eq!(code, 8, "{said}");
        assert!(
            said.contains("the program `guestfish` is not on this host"),
            "{said}"
        );
        assert!(said.contains("apt install libguestfs-tools"), "{said}");
    }
}

/// A `guestfish` that takes disks and does not start.
const BROKEN: &str = r#"#!/bin/sh
while read -r line; do
    case $line in
        "echo "*) echo "${line#echo }" ;;
        -launch) printf '*stdin*:1: libguestfs: error: no kernel \033[2J\nand more\n' >&2 ;;
        -add-drive*) ;;
        -*) echo "${line#-}: unknown command" >&2 ;;
    esac
done
"#;

#[test]
fn an_appliance_that_does_not_start_says_why() {
    let host = Host::new();
    let image = root_image(&host, "", &[]);
    let dir = host.root().join("tools");
    fs::create_dir(&dir).unwrap();
    let program = dir.join("guestfish");
    let scratch = host.root().join("scratch");
    fs::create_dir(&scratch).unwrap();
    for (script, wanted) in [
        (BROKEN, "does not start its appliance: no kernel \\u{1b}[2J"),
        ("#!/bin/sh\nexit 3\n", "`guestfish` ended unexpectedly"),
    ] {
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = cat(&host, &image, &["--engine", "appliance"]);
        command.env("VMKIN_TOOL_PATH", &dir).env("TMPDIR", &scratch);
        let (code, _, said) = outcome(command);
        assert!(said.contains(wanted), "{said}");
        assert_eq!(code, if script == BROKEN { 8 } else { 10 }, "{said}");
    }
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn keys_are_not_on_the_command_line() {
    let host = Host::new();
    let image = root_image(&host, "", &[]);
    for (more, wanted) in [
        (&["--key", "all:key:secret"][..], "can be read by everybody"),
        (&["--key", "all"], "DEVICE:file:PATH"),
        (
            &["--engine", "native", "--key", "all:file:/k"],
            "only libguestfs opens",
        ),
    ] {
        let (code, _, said) = outcome(cat(&host, &image, more));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(wanted), "{said}");
    }
    let (code, _, said) = outcome(cat(&host, &image, &["--key", "all:file:/nowhere"]));
    assert_ne!(code, 0);
    assert!(said.contains("cannot read the key /nowhere"), "{said}");
}
