use std::fs;

use insta::assert_snapshot;

use crate::common::Host;

#[test]
fn there_is_nothing_to_recover() {
    let host = Host::golden();
    assert_snapshot!(host.vmkin("recover"), @"
    --- stderr ---
    There is nothing to recover.
    ");
    assert_snapshot!(host.vmkin("recover --json -q"), @"[]");
}

#[test]
fn what_is_no_journal_is_not_ignored() {
    let host = Host::golden();
    host.vmkin("clone -d golden web-01").success();
    fs::write(host.state().join("journal/x.jsonl"), "{}\n").unwrap();
    let before = host.world();
    for args in [
        "recover",
        "clone -d golden web-02",
        "delete --yes -d golden",
    ] {
        host.vmkin(args).fails(11, "is not a journal");
        assert_eq!(host.world(), before, "{args}");
    }
    // Reading goes on, and says so.
    host.vmkin("list").success().says("warning:");
}

#[test]
fn a_journal_of_another_connection_waits_for_it() {
    // Not on this one: nobody knows here which domains are there.
    let host = Host::golden();
    host.vmkin("clone -d golden web-01").success();
    let stray = host.image("web-01.qcow2");
    let journal = serde_json::json!({
        "version": 1, "pid": 1, "time": "2026-01-01T00:00:00Z", "uri": "test:///nowhere/host.xml",
        "operation": {"kind": "delete", "name": "x", "uuid": "11111111-0000-4000-8000-000000000001",
            "files": [{"path": stray, "file": {"device": 0, "inode": 0}}]},
    });
    let path = host.state().join("journal/x.jsonl");
    fs::write(&path, format!("{journal}\n")).unwrap();
    vmkin_mode(&path);
    host.vmkin("clone -d golden web-02").success();
    assert!(path.exists() && stray.exists());
    host.vmkin("recover").fails(11, "could not be undone");
    assert!(path.exists() && stray.exists());
}

#[test]
fn a_journal_names_files_by_what_they_are() {
    let host = Host::golden();
    host.vmkin("clone -d golden web-01").success();
    let other = host.image("web-01.qcow2");
    let journal = serde_json::json!({
        "version": 1, "pid": 1, "time": "2026-01-01T00:00:00Z", "uri": host.uri(),
        "operation": {"kind": "delete", "name": "x", "uuid": "11111111-0000-4000-8000-000000000001",
            "files": [{"path": other, "file": {"device": 0, "inode": 0}}]},
    });
    let path = host.state().join("journal/x.jsonl");
    fs::write(&path, format!("{journal}\n")).unwrap();
    vmkin_mode(&path);
    assert_snapshot!(host.vmkin("recover"), @"
    --- stderr ---
    Recovered from deleting 'x' (begun by pid 1). The domain was gone already; its files are gone now too.
    ");
    assert!(other.exists(), "another file has that name by now");
    assert!(!path.exists());
}

fn vmkin_mode(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
