use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Guest, Host};

#[test]
fn a_dry_run_says_which_address_each_clone_gets() {
    let host = Host::golden();
    let before = host.world();
    let steps = host.vmkin(
        "clone -d golden web-{n} --count 2 --ip 192.168.122.50-192.168.122.59 --dry-run \
         --mac 52:54:00:00:01:01 --mac 52:54:00:00:01:02",
    );
    let steps = steps.success();
    for line in [
        "reserve 192.168.122.50 on network 'default' for 'web-1' (52:54:00:00:01:01)",
        "reserve 192.168.122.51 on network 'default' for 'web-2' (52:54:00:00:01:02)",
    ] {
        assert!(steps.stdout().lines().any(|one| one == line), "{steps}");
    }
    assert_eq!(host.world(), before);
}

#[test]
fn a_clone_with_an_address_says_so_and_its_deletion_gives_it_back() {
    let host = Host::golden();
    host.child_with("web", &["--ip", "192.168.122.50"]);
    let shown = host.vmkin("show -d web").success();
    assert!(
        shown
            .stdout()
            .contains("Reserved:    192.168.122.50 as 'web' for 52:54:00:"),
        "{shown}"
    );
    assert_snapshot!(host.vmkin("delete -d web --dry-run"), @"
    Domain 'web' (shut off)
      remove  [host]/images/web.qcow2
      release 192.168.122.50 on network 'default'
    ");
    host.vmkin("delete --yes -d web").success();
    assert_eq!(host.world().images(), ["golden.qcow2"]);
    assert!(host.world().journals().is_empty());
}

#[test]
fn addresses_that_cannot_be_reserved_are_refused_with_what_to_do() {
    let host = Host::golden();
    host.reserve("<host mac='52:54:00:09:09:09' name='db' ip='192.168.122.99'/>");
    let before = host.world();
    for (args, code, says) in [
        ("web --ip fd00::5", 2, "IPv6 addresses cannot be reserved"),
        ("web --ip 192.168.122", 2, "192.168.122.50-192.168.122.69"),
        ("web --ip 10.0.0.5", 2, "192.168.122.0/24 ('default')"),
        ("web --ip 192.168.122.1", 2, "is the host's own"),
        (
            "w{n} --count 3 --ip 192.168.122.5-192.168.122.6",
            2,
            "has 2 addresses",
        ),
        (
            "web.lan --ip 192.168.122.5",
            2,
            "letters, digits and hyphens",
        ),
        (
            "web --ip 192.168.122.99",
            5,
            "reserved for 'db' (52:54:00:09:09:09)",
        ),
        ("db --ip 192.168.122.5", 5, "virsh net-dumpxml default"),
    ] {
        let outcome = host.vmkin(&format!("clone -d golden {args}"));
        assert_eq!(outcome.code(), Some(code), "{args}: {outcome}");
        outcome.says(says);
        assert_eq!(host.world(), before, "{args}");
    }
}

#[test]
fn a_guest_without_a_network_that_has_dhcp_cannot_have_an_address_reserved() {
    let host = Host::new();
    let image = host.raw("golden.img");
    host.add(Guest::new("golden").disk("vda", "raw", &image).device(
        "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>\
         <interface type='network'><mac address='52:54:00:00:00:0a'/>\
         <source network='nowhere'/></interface>",
    ));
    host.vmkin("clone -d golden web --ip 192.168.122.50")
        .fails(4, "no interface on a libvirt network with DHCP")
        .says("virsh net-list --all");
}

/// While one run is at it, the address is taken for all others.
#[test]
fn two_runs_at_once_cannot_reserve_one_address() {
    let host = Host::golden();
    let gate = tempfile::tempdir().unwrap();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(host.state())
        .unwrap();
    let mut first = host
        .command()
        .args("clone -d golden one --ip 192.168.122.50".split(' '))
        .env("VMKIN_FAILPOINTS", "clone.reserved=wait")
        .env("VMKIN_FAILPOINT_GATE", gate.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let waits = gate.path().join("clone.reserved");
    while !waits.exists() {
        assert!(first.try_wait().unwrap().is_none(), "it ended before");
        std::thread::yield_now();
    }
    host.vmkin("clone -d golden two --ip 192.168.122.50")
        .fails(7, "is reserving 192.168.122.50");
    host.vmkin("clone -d golden two --ip 192.168.122.51")
        .success();
    fs::remove_file(waits).unwrap();
    assert!(first.wait().unwrap().success());
    assert_eq!(
        host.world().images(),
        ["golden.qcow2", "one.qcow2", "two.qcow2"]
    );
}

#[test]
fn a_journal_that_reserves_is_recovered() {
    let host = Host::golden();
    let before = host.world();
    let dead = host.vmkin_failing(
        "clone -d golden web --ip 192.168.122.50 --no-seal",
        "clone.reserved=kill",
    );
    assert_eq!(dead.signal(), Some(9), "{dead}");
    assert_eq!(host.world().journals().len(), 1);
    host.vmkin("recover").success();
    assert_eq!(host.world(), before);
}

#[test]
fn waiting_for_an_address_that_nobody_knows_ends_in_time() {
    let host = Host::golden();
    // The test driver gives guests on its networks addresses of its own; one
    // on none gets none.
    let image = host.raw("lonely.img");
    host.add(Guest::new("lonely").disk("vda", "raw", &image));
    host.vmkin("start -d lonely --wait-ip=300ms")
        .fails(3, "no address of domain 'lonely' is known after 300ms");
    let both = host.vmkin("start -d golden lonely --wait-ip=300ms");
    both.fails(12, "1 of 2 domains could not be given an address in time");
    host.vmkin("clone -d lonely copy --start --wait-ip=300ms")
        .fails(3, "no address of domain 'copy' is known after 300ms");
    host.vmkin("clone -d golden x --wait-ip")
        .fails(2, "--start");
    host.vmkin("start -d golden --paused --wait-ip")
        .fails(2, "cannot be used with");
}
