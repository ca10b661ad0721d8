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
    assert_snapshot!(host.vmkin("list --name --running"), @"
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

#[test]
fn many_domains_are_listed_as_each_is_shown() {
    // From so many on, libvirt is asked about all of them at once.
    let host = Host::new();
    for n in 0..30 {
        let guest = Guest::new(&format!("g{n:02}"));
        host.add(match n % 5 {
            0 => guest.state(1),
            1 => guest.state(3),
            2 => guest.state(5),
            3 => guest.saved(),
            _ => guest.state(1).transient(),
        });
    }
    let all = host.vmkin("list --json").success().json();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 30);
    for (listed, n) in all.iter().zip(0..5) {
        let one = host
            .vmkin(&format!("show --json -d g{n:02}"))
            .success()
            .json();
        for field in [
            "name",
            "state",
            "persistent",
            "autostart",
            "memory",
            "vcpus",
        ] {
            assert_eq!(listed[field], one[0][field], "{field} of {listed}");
        }
    }
    let states: Vec<&str> = all.iter().filter_map(|one| one["state"].as_str()).collect();
    let five = ["running", "paused", "shut off", "saved", "running"];
    assert_eq!(states, five.repeat(6));
}
