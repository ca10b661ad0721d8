//! The golden domain must be shut off, and stored.

use insta::assert_snapshot;

use crate::common::{Guest, Host};

fn host(guest: impl FnOnce(Guest) -> Guest) -> Host {
    let host = Host::new();
    host.add(guest(host.golden_guest()));
    host
}

#[track_caller]
fn refused(host: &Host) -> String {
    let before = host.world();
    for way in ["", "--full", "--dry-run", "--print-xml", "--start"] {
        let outcome = host
            .vmkin(&format!("clone -d golden web-01 {way}"))
            .fails(4, "'golden'");
        assert!(outcome.stdout().is_empty(), "{way}: {outcome}");
        assert_eq!(host.world(), before, "{way}");
    }
    host.vmkin("clone -d golden web-01").to_string()
}

#[test]
fn a_running_domain_is_not_cloned() {
    assert_snapshot!(refused(&host(|g| g.state(1))), @"
    --- stderr ---
    error: domain 'golden' is running, and must be shut off
      hint: shut it down first: `vmkin shutdown -d golden --wait`
    --- exit 4 ---
    ");
}

#[test]
fn a_paused_domain_is_not_cloned() {
    assert_snapshot!(refused(&host(|g| g.state(3))), @"
    --- stderr ---
    error: domain 'golden' is paused, and must be shut off
      hint: let it go on and shut it down: `vmkin resume -d golden && vmkin shutdown -d golden --wait`
    --- exit 4 ---
    ");
}

#[test]
fn a_domain_with_saved_memory_is_not_cloned() {
    assert_snapshot!(refused(&host(Guest::saved)), @"
    --- stderr ---
    error: domain 'golden' is saved, and must be shut off
      hint: its memory is on disk and would not match changed disks; start it and shut it down, or drop the memory: `vmkin restore --discard -d golden`
    --- exit 4 ---
    ");
}

#[test]
fn a_transient_domain_is_not_cloned() {
    assert_snapshot!(refused(&host(|g| g.transient().state(1))), @"
    --- stderr ---
    error: domain 'golden' is transient, and must have a stored definition
      hint: store it while it runs: `umask 077; virsh dumpxml --security-info golden > guest.xml && virsh define guest.xml`
    --- exit 4 ---
    ");
}

#[test]
fn a_domain_that_is_shutting_down_or_crashed_is_not_cloned() {
    for state in [2, 4, 7] {
        refused(&host(|g| g.state(state)));
    }
}

#[test]
fn a_domain_that_is_not_there_is_not_cloned() {
    let host = Host::golden();
    assert_snapshot!(host.vmkin("clone -d glden web-01"), @"
    --- stderr ---
    error: no domain 'glden' on test://[host]/host.xml
      hint: see which there are: `vmkin list`
    --- exit 3 ---
    ");
    assert_eq!(host.world().images(), ["golden.qcow2"]);
}
