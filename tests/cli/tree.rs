use std::fs;

use insta::{assert_snapshot, with_settings};

use crate::common::{Guest, Host};

/// A golden domain, two clones, and an overlay that no domain uses.
fn family() -> Host {
    let host = Host::golden();
    host.child("web-01");
    host.child("web-02");
    let orphan = host.image("web-02.qcow2");
    fs::copy(orphan, host.image("orphan.qcow2")).unwrap();
    host
}

#[test]
fn the_family_of_a_golden_image() {
    let host = family();
    let images = host.root().join("images").display().to_string();
    let filters = [
        (r"  [0-9.]+ [KM]iB", "  [size]"),
        (images.as_str(), "[images]"),
    ];
    with_settings!({filters => filters}, {
        assert_snapshot!(host.vmkin("tree").success(), @"
        [images]/golden.qcow2  qcow2  [size]  sealed  [golden vda: shut off]
        ├─ orphan.qcow2  qcow2  (no domain uses it)
        ├─ web-01.qcow2  qcow2  [size]  [web-01 vda: shut off]
        └─ web-02.qcow2  qcow2  [size]  [web-02 vda: shut off]
        ");
    });
}

#[test]
fn the_same_as_a_graph() {
    let host = family();
    let outcome = host.vmkin("tree --dot").success();
    let images = host.root().join("images").display().to_string();
    for what in [
        "digraph vmkin {\n",
        &format!("  \"{images}/golden.qcow2\" -> \"{images}/web-01.qcow2\";\n"),
        &format!("  \"{images}/web-01.qcow2\" -> \"domain web-01\" [label=\"vda\"];\n"),
        &format!("  \"{images}/orphan.qcow2\" [style=dashed];\n"),
    ] {
        assert!(outcome.stdout().contains(what), "{what}: {outcome}");
    }
    assert_eq!(host.vmkin("tree --dot --json").code(), Some(2));
}

#[test]
fn what_is_missing_or_not_trusted_is_told_and_the_rest_is_drawn() {
    let host = family();
    fs::remove_file(host.image("web-01.qcow2")).unwrap();
    host.add(Guest::new("lost").disk("vda", "raw", &host.image("gone.img")));
    let outcome = host.vmkin("tree").success();
    assert!(outcome.stdout().contains("web-02.qcow2"), "{outcome}");
    assert!(outcome.stderr().contains("domain 'lost'"), "{outcome}");
    assert!(outcome.stderr().contains("domain 'web-01'"), "{outcome}");
}
