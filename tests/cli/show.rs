use insta::assert_snapshot;

use crate::common::{GOLDEN_UUID, Guest, Host};

#[test]
fn all_that_is_known_of_a_clone() {
    let host = Host::golden();
    host.child("web-01");
    let outcome = host.vmkin("show -d web-01").success();
    for what in [
        "State:       shut off",
        "web-01.qcow2 (qcow2, 1 MiB, ",
        "└ ",
        "golden.qcow2 (qcow2)",
        "Clone of:    golden (linked, ",
    ] {
        assert!(outcome.stdout().contains(what), "{what}: {outcome}");
    }
}

#[test]
fn a_base_names_its_clones() {
    let host = Host::golden();
    host.child("web-01");
    host.child("web-02");
    let outcome = host.vmkin("show -d golden").success();
    assert!(
        outcome.stdout().contains("Clones:      web-01, web-02"),
        "{outcome}"
    );
}

#[test]
fn a_domain_is_found_by_name_uuid_and_id() {
    let host = Host::golden();
    host.add(Guest::new("busy").state(1));
    for which in ["golden", GOLDEN_UUID, &GOLDEN_UUID.replace('-', "")] {
        let outcome = host.vmkin_args(&["show", "-d", which]).success();
        assert!(
            outcome.stdout().starts_with("Name:        golden\n"),
            "{outcome}"
        );
    }
    let outcome = host.vmkin("show -d 1").success();
    assert!(
        outcome.stdout().starts_with("Name:        busy\n"),
        "{outcome}"
    );
}

#[test]
fn what_means_two_domains_is_refused() {
    let host = Host::new();
    host.add(Guest::new("busy").state(1));
    host.add(Guest::new("1"));
    host.vmkin("show -d 1").fails(2, "1");
    // Named twice in one command, it is still one domain.
    let outcome = host.vmkin("show --json -d busy -d busy").success();
    assert_eq!(outcome.json().as_array().unwrap().len(), 1);
}

#[test]
fn a_domain_that_is_not_there() {
    let host = Host::golden();
    assert_snapshot!(host.vmkin("show -d glden"), @"
    --- stderr ---
    error: no domain 'glden' on test://[host]/host.xml
      hint: see which there are: `vmkin list`
    --- exit 3 ---
    ");
    assert_snapshot!(host.vmkin("show -d golden nope nada --json").stderr(), @r#"
    {
      "error": {
        "causes": [],
        "exit_code": 12,
        "hints": [
          "see which there are: `vmkin list`"
        ],
        "kind": "partial",
        "message": "2 of 3 domains could not be shown",
        "parts": [
          "nope: no domain 'nope' on test://[host]/host.xml",
          "nada: no domain 'nada' on test://[host]/host.xml"
        ]
      }
    }
    "#);
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let host = Host::golden();
    let outcome = host
        .vmkin_args(&["show", "-d", "a\u{1b}[2Jb\nc"])
        .fails(3, "no domain");
    assert!(!outcome.stderr().contains('\u{1b}'), "{outcome}");
}
