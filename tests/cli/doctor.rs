use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Host, Outcome};

/// `vmkin doctor` where `qemu-img` is this script.
fn with_qemu_img(host: &Host, script: &str) -> Outcome {
    let tools = host.root().join("tools");
    fs::create_dir_all(&tools).unwrap();
    let path = tools.join("qemu-img");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = host.command();
    let command = command.env("VMKIN_TOOL_PATH", &tools).arg("doctor");
    Outcome::of(command.output().unwrap())
}

#[test]
fn a_qemu_img_that_does_not_heed_locks_is_found() {
    let host = Host::new();
    let real = "exec /usr/bin/qemu-img \"$@\"";
    let good = with_qemu_img(&host, real);
    assert!(good.stdout().contains("heeds image locks"), "{good}");
    for (script, fault) in [
        // As with -U: it reads whatever is locked.
        (
            "case $1 in map) exit 0 ;; esac",
            "reads an image that is locked",
        ),
        (
            "case $1 in map) exit 1 ;; esac",
            "cannot be let through vmkin's own lock",
        ),
        (
            "case $1 in commit) exit 0 ;; esac",
            "writes to a base that is guarded",
        ),
    ] {
        let outcome = with_qemu_img(&host, &format!("{script}\n{real}"));
        assert!(outcome.stdout().contains(fault), "{fault}:\n{outcome}");
        assert_eq!(outcome.code(), Some(8), "{outcome}");
    }
}
