//! Starting and stopping.

use insta::assert_snapshot;

use crate::common::{Guest, Host};

fn host() -> Host {
    let host = Host::new();
    host.add(Guest::new("busy").state(1));
    host.add(Guest::new("still").state(3));
    host.add(Guest::new("off"));
    host.add(Guest::new("asleep").saved());
    host
}

#[test]
fn what_changes_and_what_is_so_already() {
    let host = host();
    for (args, says) in [
        ("start -d off", "Domain 'off' was started."),
        ("start -d busy", "Domain 'busy' is running already."),
        ("start -d asleep", "Domain 'asleep' was started."),
        ("shutdown -d busy", "Domain 'busy' was asked to shut down."),
        ("shutdown -d busy --wait", "Domain 'busy' is shut off."),
        ("shutdown -d off", "Domain 'off' is shut off already."),
        ("reboot -d busy", "Domain 'busy'"),
        ("suspend -d busy", "Domain 'busy' is paused."),
        ("suspend -d still", "Domain 'still' is paused already."),
        ("resume -d still", "Domain 'still'"),
        ("resume -d busy", "already."),
        ("save -d busy", "Domain 'busy' is saved."),
        ("save -d still --running", "Domain 'still' is saved."),
        ("save -d asleep", "Domain 'asleep' is saved already."),
        ("restore -d asleep", "Domain 'asleep' was restored."),
        ("restore -d busy", "Domain 'busy' is running already."),
        ("destroy -d busy", "Domain 'busy'"),
        ("destroy -d still", "Domain 'still'"),
        ("destroy -d off", "already."),
    ] {
        let outcome = host.vmkin(args).success().says(says);
        assert!(outcome.stdout().is_empty(), "{args}: {outcome}");
        let quiet = host.vmkin(&format!("{args} -q")).success();
        assert!(quiet.stderr().is_empty(), "{args}: {quiet}");
        let document = host.vmkin(&format!("{args} --json")).success().json();
        let changed = document[0]["changed"].as_bool().unwrap();
        assert_eq!(changed, !says.contains("already"), "{args}");
    }
}

#[test]
fn states_in_which_it_cannot_be_done() {
    let host = host();
    for (args, what, hint) in [
        ("start -d still", "is paused", "vmkin resume -d still"),
        ("shutdown -d still", "is paused", "vmkin resume -d still"),
        ("reboot -d off", "is shut off", "vmkin start -d off"),
        ("suspend -d off", "is shut off", "vmkin start -d off"),
        ("resume -d off", "is shut off", "vmkin start -d off"),
        ("resume -d asleep", "is saved", "vmkin start -d asleep"),
        ("ip -d off", "is shut off", "vmkin start -d off"),
        ("save -d off", "is shut off", "vmkin start -d off"),
        ("restore -d off", "is shut off", "vmkin start -d off"),
        ("restore -d still", "is paused", "vmkin resume -d still"),
    ] {
        host.vmkin(args).fails(4, what).says(hint);
    }
    for command in [
        "start", "shutdown", "reboot", "suspend", "resume", "destroy", "ip", "show", "save",
        "restore",
    ] {
        host.vmkin(&format!("{command} -d nope"))
            .fails(3, "no domain 'nope'");
    }
}

#[test]
fn of_several_those_that_can_be_started_are() {
    let host = host();
    assert_snapshot!(host.vmkin("start -d off still busy nope"), @"
    --- stderr ---
    Domain 'off' was started.
    Domain 'busy' is running already.
    error: 2 of 4 domains could not be started
      still: domain 'still' is paused, and must be shut off
      nope: no domain 'nope' on test://[host]/host.xml
      hint: let it go on: `vmkin resume -d still`
      hint: see which there are: `vmkin list`
    --- exit 12 ---
    ");
    assert_snapshot!(host.vmkin("start -d nope nada"), @"
    --- stderr ---
    error: 2 of 2 domains could not be started
      nope: no domain 'nope' on test://[host]/host.xml
      nada: no domain 'nada' on test://[host]/host.xml
      hint: see which there are: `vmkin list`
    --- exit 3 ---
    ");
}

#[test]
fn saved_memory_is_not_thrown_away_without_asking() {
    let host = host();
    host.vmkin("start -d asleep --force-boot").fails(2, "--yes");
    // What the driver cannot do is said in libvirt's words.
    host.vmkin("start -d asleep --force-boot --yes")
        .fails(1, "cannot start domain 'asleep'")
        .says("caused by: unsupported flags");
    host.vmkin("restore -d asleep --discard").fails(2, "--yes");
    host.vmkin("restore -d busy --discard --yes")
        .fails(4, "is running, and has no saved memory");
    host.vmkin("restore -d asleep off --discard --yes")
        .success()
        .says("Domain 'asleep' is shut off, and its saved memory gone.")
        .says("Domain 'off' is shut off already.");
    host.vmkin("restore -d asleep --discard --paused")
        .fails(2, "cannot be used with");
    host.vmkin("start -d off --paused")
        .fails(1, "caused by: unsupported flags");
}

#[test]
fn a_golden_domain_with_clones_is_not_started() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    assert_snapshot!(host.vmkin("start -d golden"), @"
    --- stderr ---
    error: domain 'golden' must not be started: it would write to the base of others
      caused by: [host]/images/golden.qcow2 is the base of 1 child: 'web-01'
      hint: see all of them: `vmkin base children [host]/images/golden.qcow2`
      hint: start a clone of it instead: `vmkin clone -d golden --start`
    --- exit 6 ---
    ");
    assert_eq!(host.world(), before);
    // The clone is.
    host.vmkin("start -d web-01").success();
}

#[test]
fn a_golden_domain_with_an_overlay_that_no_domain_has_is_not_started() {
    let host = Host::golden();
    host.vmkin("clone -d golden web-01").success();
    host.vmkin("start -d golden").fails(6, "web-01.qcow2");
}

#[test]
fn a_golden_domain_without_clones_is_started() {
    let host = Host::golden();
    host.vmkin("start -d golden").success();
}

#[test]
fn addresses() {
    let host = Host::golden();
    host.add(host.golden_guest().state(1));
    let outcome = host.vmkin("ip -d golden");
    // The driver makes one up.
    outcome.success();
}

#[test]
fn nobody_writes_to_the_disk_of_a_saved_guest() {
    let host = Host::new();
    let disk = host.qcow2("shared.qcow2");
    host.add(Guest::new("asleep").disk("vda", "qcow2", &disk).saved());
    host.add(Guest::new("other").disk("vdb", "qcow2", &disk));
    host.vmkin("start -d other")
        .fails(4, "is disk vda of domain 'asleep', whose memory is saved")
        .says("vmkin restore -d asleep");
    host.add(Guest::new("asleep").disk("vda", "qcow2", &disk));
    host.vmkin("start -d other").success();
}

#[test]
fn a_disk_that_several_may_write_to_is_their_own_business() {
    let host = Host::new();
    let disk = host.raw("shared.raw");
    let both = |name: &str| Guest::new(name).disk_with("vda", "raw", &disk, "<shareable/>");
    host.add(both("asleep").saved());
    host.add(both("other"));
    host.vmkin("start -d other").success();
}
