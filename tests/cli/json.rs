//! The documents of `--json`: their fields are a contract.

use crate::common::{Guest, Host};

/// The document has these fields, and what it has is of these types.
#[track_caller]
fn has(value: &serde_json::Value, fields: &[&str]) {
    let mut there: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    there.sort_unstable();
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    assert_eq!(there, fields, "{value:#}");
}

const LISTED: [&str; 13] = [
    "host",
    "name",
    "uuid",
    "id",
    "state",
    "persistent",
    "autostart",
    "memory",
    "vcpus",
    "disk_used",
    "base",
    "base_export",
    "addresses",
];

#[test]
fn documents_have_their_fields() {
    let host = Host::golden();
    host.child("web-01");
    host.add(Guest::new("busy").state(1));

    let list = host.vmkin("list --json").success().json();
    for one in list.as_array().unwrap() {
        has(one, &LISTED);
    }
    let show = host.vmkin("show --json -d web-01").success().json();
    let more = [
        "domain_type",
        "title",
        "disks",
        "nics",
        "graphics",
        "snapshots",
        "children",
        "lineage",
        "problems",
    ];
    has(&show[0], &[&LISTED[..], &more].concat());
    has(
        &show[0]["lineage"],
        &[
            "golden_name",
            "golden_uuid",
            "reservations",
            "time",
            "mode",
            "disks",
            "files",
        ],
    );
    let made = host.vmkin("clone --json -d golden web-02").success().json();
    has(&made, &["clones"]);
    has(
        &made["clones"][0],
        &[
            "host",
            "name",
            "uuid",
            "macs",
            "disks",
            "reservations",
            "addresses",
        ],
    );
    let steps = host
        .vmkin("clone --json -d golden web-03 --dry-run")
        .success()
        .json();
    assert!(
        steps
            .as_array()
            .unwrap()
            .iter()
            .all(serde_json::Value::is_string)
    );
    let xml = host
        .vmkin("clone --json -d golden web-03 --print-xml")
        .success()
        .json();
    assert!(xml[0].as_str().unwrap().starts_with("<domain"));
    let started = host.vmkin("start --json -d web-01").success().json();
    has(
        &started[0],
        &["host", "name", "uuid", "changed", "addresses"],
    );
    let plan = host
        .vmkin("delete --json -d web-01 --dry-run")
        .success()
        .json();
    has(
        &plan[0],
        &[
            "host",
            "domain",
            "state",
            "remove",
            "keep",
            "release",
            "snapshots",
        ],
    );
    let sealed = host.vmkin("base seal --json -d golden").success().json();
    has(
        &sealed[0],
        &[
            "path",
            "format",
            "identity",
            "mode_before",
            "immutable",
            "sha256",
            "sealed_at",
            "same_contents",
        ],
    );
    let bases = host.vmkin("base list --json").success().json();
    let base = [
        "path",
        "format",
        "size",
        "sealed",
        "immutable",
        "children",
        "strays",
        "known",
        "problems",
        "warnings",
        "hashed",
    ];
    has(&bases[0], &base);
    has(
        &host.vmkin("base verify --json -d golden").success().json()[0],
        &base,
    );
    has(
        &host
            .vmkin("base children --json -d golden")
            .success()
            .json()[0],
        &base,
    );
    assert_eq!(
        host.vmkin("recover --json").success().json(),
        serde_json::json!([])
    );
}

#[test]
fn errors_are_documents_too() {
    let host = Host::golden();
    host.add(Guest::new("busy").state(1));
    for (args, kind, code) in [
        ("show -d nope", "not-found", 3),
        ("clone -d busy x", "wrong-state", 4),
        ("clone -d golden busy", "exists", 5),
        ("clone -d golden x y x", "usage", 2),
        (
            "list -c qemu+unix:///system?socket=/nowhere",
            "environment",
            8,
        ),
    ] {
        let outcome = host.vmkin(&format!("--json {args}"));
        assert_eq!(outcome.code(), Some(code), "{args}: {outcome}");
        let document: serde_json::Value = serde_json::from_str(outcome.stderr()).unwrap();
        let error = &document["error"];
        has(
            error,
            &["kind", "exit_code", "message", "causes", "parts", "hints"],
        );
        assert_eq!(error["kind"], kind, "{args}");
        assert_eq!(error["exit_code"], code, "{args}");
        assert!(!error["message"].as_str().unwrap().contains('\n'));
    }
    let outcome = host.vmkin("start --json -d golden nope");
    assert_eq!(outcome.code(), Some(12), "{outcome}");
    assert_eq!(outcome.json()[0]["name"], "golden");
}
