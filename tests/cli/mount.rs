//! Which guests are mounted, and which are not.

use std::fs;

use crate::common::{Guest, Host};
use crate::guest_files::guest_image;

#[test]
fn a_guest_that_runs_is_read_with_a_warning_and_not_written_to() {
    let host = Host::new();
    let raw = guest_image(&host, "disk", "vmtest01");
    host.add(Guest::new("busy").disk("vda", "raw", &raw).state(1));
    host.add(
        Guest::new("asleep")
            .disk("vda", "raw", &host.raw("asleep"))
            .saved(),
    );
    let mount = host.root().join("mnt");
    fs::create_dir(&mount).unwrap();
    for (words, code) in [
        (&["mount", "--rw", "-d", "busy"][..], 4),
        (&["mount", "--rw", "-d", "asleep"], 4),
        (&["mount", "-o", "rw", "-d", "busy"], 4),
        (&["mount", "--consistent", "-d", "busy"], 4),
        (&["mount", "-o", "ro,rw", "-d", "busy"], 2),
        (&["mount", "-o", "suid", "-d", "busy"], 2),
        (&["mount", "-d", "none"], 3),
        (&["mount", "-d", "*"], 2),
        (&["mount", "--rw", "--snapshot", "a", "-d", "busy"], 2),
    ] {
        let words = words.iter().map(|word| (*word).into());
        let words: Vec<std::ffi::OsString> = words.chain([mount.clone().into()]).collect();
        let outcome = host.vmkin_args(&words);
        assert_eq!(
            outcome.code(),
            Some(code),
            "{words:?}: {}",
            outcome.stderr()
        );
    }
    assert!(host.world().journals().is_empty());
    host.vmkin("mount -d busy")
        .fails(2, "no directory is named");
    host.vmkin("mount").success();
    host.vmkin("umount -d busy")
        .fails(3, "no guest named 'busy' is mounted");
    let words = args!["mount", "-d", "busy", &mount];
    host.vmkin_args(&words)
        .success()
        .says("may be old in one part and new in another");
    let name = fs::read_to_string(mount.join("etc/hostname")).unwrap();
    assert_eq!(name, "vmtest01\n");
    host.vmkin("umount -d busy").success();
    assert!(!mount.join("etc").exists());
}
