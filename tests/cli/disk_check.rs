use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use insta::assert_snapshot;

use crate::common::{Guest, Host, tool};

/// The overlay of a clone, with 64 KiB written into it: its L2 table is at 256
/// KiB, and its only cluster of data, the sixth of the file, at 320 KiB.
fn written(host: &Host) -> std::path::PathBuf {
    let disk = host.child("web-01");
    let write = "write -P 7 0 64k";
    tool("qemu-io", &args!["-f", "qcow2", "-c", write, &disk]);
    disk
}

fn patch(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// The cluster of data belongs to nothing any more.
fn leak(disk: &Path) {
    patch(disk, 256 << 10, &[0; 8]);
}

/// The cluster of data is in use, and counted as free.
fn corrupt(disk: &Path) {
    patch(disk, (128 << 10) + 2 * 5, &[0, 0]);
}

#[test]
fn a_sound_image_is_told_so() {
    let host = Host::golden();
    let disk = written(&host);
    let before = host.world();
    assert_snapshot!(host.vmkin("disk check -d web-01"), @"vda  [host]/images/web-01.qcow2: sound");
    let by_path = format!("disk check -a {}", disk.display());
    assert_snapshot!(host.vmkin(&by_path), @"[host]/images/web-01.qcow2: sound");
    // A base has children that may go on reading it.
    host.vmkin("disk check -d golden").success();
    assert_eq!(host.world(), before);
}

#[test]
fn leaks_are_no_damage_and_can_be_given_back() {
    let host = Host::golden();
    let disk = written(&host);
    leak(&disk);
    assert_snapshot!(host.vmkin("disk check -d web-01").success(), @"vda  [host]/images/web-01.qcow2: sound, 1 leaked clusters");
    assert_snapshot!(
        host.vmkin("disk check -d web-01 --repair leaks").success(),
        @"vda  [host]/images/web-01.qcow2: sound, 1 leaked clusters given back"
    );
    assert_snapshot!(host.vmkin("disk check -d web-01"), @"vda  [host]/images/web-01.qcow2: sound");
}

#[test]
fn damage_is_told_and_mended_only_when_asked() {
    let host = Host::golden();
    let disk = written(&host);
    corrupt(&disk);
    let before = host.world();
    assert_snapshot!(host.vmkin("disk check -d web-01"), @"
    vda  [host]/images/web-01.qcow2: 2 wrong entries
    --- stderr ---
    error: [host]/images/web-01.qcow2 is damaged: 2 wrong entries in its tables
      hint: what can be saved, save first (`vmkin clone --full`, or a copy of the file); then repair it: `--repair all`
    --- exit 9 ---
    ");
    host.vmkin("disk check -d web-01").fails(9, "is damaged");
    host.vmkin("disk check -d web-01 --repair all")
        .fails(2, "no terminal to ask on");
    assert_eq!(host.world(), before);
    assert_snapshot!(
        host.vmkin("disk check --yes -d web-01 --repair all"),
        @"vda  [host]/images/web-01.qcow2: sound, 1 wrong entries repaired"
    );
    host.vmkin("disk check -d web-01").success();
}

#[test]
fn an_image_that_is_marked_corrupt_is_used_for_nothing_else() {
    let host = Host::golden();
    let disk = written(&host);
    corrupt(&disk);
    patch(&disk, 79, &[2]);
    host.vmkin("start -d web-01").fails(9, "marked corrupt");
    host.vmkin("reset --yes -d web-01")
        .fails(9, "marked corrupt");
    host.vmkin("disk check -d web-01").fails(9, "is damaged");
    host.vmkin("disk check --yes -d web-01 --repair all")
        .success();
    host.vmkin("disk check -d web-01").success();
    host.vmkin("start -d web-01").success();
}

#[test]
fn a_repair_needs_the_disk_for_itself() {
    let host = Host::golden();
    let disk = written(&host);
    leak(&disk);
    let golden = host.image("golden.qcow2");
    let guard = vmkin::image::Guard::base(&disk).unwrap();
    host.vmkin("disk check -d web-01").success();
    let before = host.world();
    host.vmkin("disk check -d web-01 --repair leaks")
        .fails(7, "is in use by");
    drop(guard);
    host.vmkin("disk check -d golden --repair leaks")
        .fails(6, "'web-01'");
    host.vmkin(&format!(
        "disk check --repair leaks -a {}",
        golden.display()
    ))
    .fails(6, "'web-01'");
    let lease = host.vmkin_failing("disk check -d web-01 --repair leaks", "check.locked=error");
    lease.fails(10, "failpoint");
    assert_eq!(host.world(), before);
    host.remove("web-01");
    let by_path = format!("disk check -a {}", disk.display());
    host.vmkin(&by_path).fails(2, "--format qcow2");
    host.vmkin(&format!("{by_path} --format qcow2 --repair leaks"))
        .success();
    for state in [1, 3] {
        host.add(Guest::new("busy").disk("vda", "qcow2", &disk).state(state));
        host.vmkin("disk check -d busy")
            .fails(4, "must be shut off");
        host.vmkin(&format!("{by_path} --repair leaks"))
            .fails(4, "must be shut off");
    }
}

#[test]
fn what_has_no_tables_has_nothing_to_check() {
    let host = Host::new();
    let raw = host.raw("raw.img");
    host.add(Guest::new("guest").disk("vda", "raw", &raw));
    assert_snapshot!(host.vmkin("disk check -d guest"), @"vda  [host]/images/raw.img: raw has nothing to check");
}
