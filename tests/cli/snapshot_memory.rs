//! Snapshots of guests that run, as far as the test driver goes: it writes to
//! no image.

use crate::common::{Guest, Host, tool};

fn host() -> Host {
    let host = Host::new();
    for (name, state) in [("busy", 1), ("still", 3)] {
        let image = host.qcow2(&format!("{name}.qcow2"));
        host.add(Guest::new(name).state(state).disk("vda", "qcow2", &image));
    }
    let raw = host.raw("raw.img");
    host.add(Guest::new("raw").state(1).disk("vda", "raw", &raw));
    let image = host.qcow2("off.qcow2");
    host.add(Guest::new("off").disk("vda", "qcow2", &image));
    let image = host.qcow2("asleep.qcow2");
    host.add(Guest::new("asleep").disk("vda", "qcow2", &image).saved());
    host
}

#[test]
fn only_what_is_in_memory_is_kept_with_it() {
    let host = host();
    let before = host.world();
    for (guest, says, hint) in [
        ("off", "is shut off", "vmkin snapshot create -d off"),
        ("asleep", "is saved", "vmkin restore -d asleep"),
        ("raw", "in the format raw", ""),
    ] {
        host.vmkin(&format!("snapshot create --memory -d {guest} s1"))
            .fails(4, says)
            .says(hint);
    }
    host.vmkin("snapshot create -d busy s1")
        .fails(4, "must be shut off")
        .says("vmkin snapshot create --memory -d busy");
    host.vmkin("snapshot create --memory -d nope")
        .fails(3, "no domain 'nope'");
    host.vmkin("snapshot create --memory -a off.qcow2 --format qcow2 s1")
        .fails(2, "cannot be used with");
    for guest in ["busy", "still"] {
        let planned = host
            .vmkin(&format!(
                "snapshot create --memory --dry-run --json -d {guest} s1"
            ))
            .success()
            .json();
        assert_eq!(planned["images"][0]["target"], "vda");
    }
    assert_eq!(host.world(), before);
}

#[test]
fn a_name_that_is_taken_in_an_image_alone_is_refused() {
    let host = host();
    let image = host.image("busy.qcow2");
    tool("qemu-img", &args!["snapshot", "-c", "s1", &image]);
    host.vmkin("snapshot create --memory -d busy s1")
        .fails(5, "vda of domain 'busy' has a snapshot 's1' already");
}

#[test]
fn what_was_said_to_be_made_and_is_not_is_an_error_and_leaves_nothing() {
    let host = host();
    let before = host.world();
    host.vmkin("snapshot create --memory -d busy s1")
        .fails(10, "was said to be made, and vda does not have it");
    assert_eq!(host.world(), before);
}

#[test]
fn a_snapshot_without_memory_starts_no_guest() {
    let host = host();
    let image = host.image("off.qcow2");
    tool("qemu-img", &args!["snapshot", "-c", "s1", &image]);
    let before = host.world();
    for how in ["--running", "--paused"] {
        host.vmkin(&format!("snapshot apply --yes {how} -d off s1"))
            .fails(2, "snapshot 's1' has no memory to go on with");
    }
    host.vmkin("snapshot apply --running --paused -d off s1")
        .fails(2, "cannot be used with");
    assert_eq!(host.world(), before);
}
