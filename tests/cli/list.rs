use insta::assert_snapshot;

use crate::common::{Guest, Host};

fn host() -> Host {
    let host = Host::golden();
    host.child("web-10");
    host.child("web-9");
    host.add(Guest::new("busy").state(1));
    host.add(Guest::new("still").state(3));
    host.add(Guest::new("asleep").saved());
    host
}

#[test]
fn a_list_has_a_line_for_each_domain() {
    let host = host();
    let outcome = host.vmkin("list").success();
    // The ids are the driver's to choose, and what images take the file system's.
    let text = outcome.stdout().replace("196 KiB", "[disk]");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(
        names,
        [
            "Name", "asleep", "busy", "golden", "still", "web-9", "web-10"
        ]
    );
    let web = text.lines().find(|line| line.contains("web-9")).unwrap();
    assert!(
        web.contains("shut off") && web.contains("golden.qcow2"),
        "{text}"
    );
    assert!(text.contains("saved") && text.contains("paused"), "{text}");
}

#[test]
fn names_only() {
    let host = host();
    assert_snapshot!(host.vmkin("list --name --inactive"), @"
    asleep
    golden
    web-9
    web-10
    ");
    assert_snapshot!(host.vmkin("ls --name --running"), @"
    busy
    still
    ");
}

#[test]
fn an_empty_host_is_no_error() {
    let host = Host::new();
    assert_snapshot!(host.vmkin("list"), @"Id  Name  State  vCPUs  Memory  Disk  Base  Address");
    assert_snapshot!(host.vmkin("list --json"), @"[]");
}

#[test]
fn a_disk_that_is_missing_does_not_stop_a_list() {
    let host = Host::golden();
    host.add(Guest::new("lost").disk("vda", "qcow2", &host.image("none.qcow2")));
    assert_snapshot!(host.vmkin("list --name"), @"
    golden
    lost
    ");
}

#[test]
fn a_list_does_not_need_to_write() {
    let host = host();
    let before = host.world();
    host.vmkin("list").success();
    assert_eq!(host.world(), before);
}
