use std::path::Path;

use insta::assert_snapshot;

use crate::common::{Guest, Host, tool};

fn size(image: &Path, format: &str) -> u64 {
    let said = tool(
        "qemu-img",
        &args!["info", "--output=json", "-f", format, image],
    );
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    said["virtual-size"].as_u64().unwrap()
}

#[test]
fn a_disk_grows_and_has_what_it_had() {
    let host = Host::golden();
    let disk = host.child("web-01");
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 7 0 64k", &disk],
    );
    let before = size(&disk, "qcow2");
    let golden = host.world();
    host.vmkin("disk resize -d golden +1G")
        .fails(6, "is the base of");
    host.vmkin("disk resize -d web-01 +1G --dry-run").success();
    assert_eq!(host.world(), golden);
    host.vmkin("disk resize -d web-01 +1G").success();
    assert_eq!(size(&disk, "qcow2"), before + (1 << 30));
    let read = tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "read -P 7 0 64k", &disk],
    );
    assert!(!read.contains("failed"), "{read}");
    // What is behind the end of the base is zeros.
    let read = format!("read -P 0 {before} 1M");
    let read = tool("qemu-io", &args!["-f", "qcow2", "-c", &read, &disk]);
    assert!(!read.contains("failed"), "{read}");
    host.vmkin("disk resize -d web-01 +1G").success();
    assert_eq!(size(&disk, "qcow2"), before + (2 << 30));
}

#[test]
fn a_raw_disk_and_one_with_snapshots_grow() {
    let host = Host::new();
    let [raw, new, old] = ["raw.img", "new.qcow2", "old.qcow2"].map(|name| host.image(name));
    tool("qemu-img", &args!["create", "-q", "-f", "raw", &raw, "8M"]);
    tool(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", &new, "8M"],
    );
    tool(
        "qemu-img",
        &args![
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            "compat=0.10",
            &old,
            "8M"
        ],
    );
    for image in [&new, &old] {
        tool("qemu-img", &args!["snapshot", "-c", "s1", image]);
    }
    for (image, format) in [(&raw, "raw"), (&new, "qcow2")] {
        let resize = format!("disk resize -a {} --format {format} 16M", image.display());
        host.vmkin(&resize).success();
        assert_eq!(size(image, format), 16 << 20);
    }
    let resize = format!("disk resize -a {} --format qcow2 16M", old.display());
    host.vmkin(&resize).fails(4, "has 1 internal snapshots");
    assert_eq!(size(&old, "qcow2"), 8 << 20);
}

#[test]
fn what_would_lose_something_is_refused_with_what_to_type() {
    let host = Host::new();
    let image = host.image("web.qcow2");
    tool(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", &image, "64M"],
    );
    host.add(Guest::new("web").disk("vda", "qcow2", &image));
    assert_snapshot!(host.vmkin("disk resize -d web -16M"), @"
    --- stderr ---
    error: [host]/images/web.qcow2 has 64 MiB, and would be smaller, with 48 MiB: what is behind that would be lost
      hint: have its file system and partition made smaller first: `vmkin disk resize -d web --target vda --shrink 50331648`
    --- exit 2 ---
    ");
    host.vmkin("disk resize -d web --shrink +16M")
        .fails(2, "and would be larger, with 80 MiB");
    host.vmkin("disk resize -d web 0").fails(2, "");
    host.vmkin("disk resize -d web -64M")
        .fails(2, "leaves nothing");
    host.vmkin("disk resize -d web --grow-fs +16M")
        .fails(4, "holds nothing that is known");
    // Data that nobody knows is behind the end.
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 7 60M 64k", &image],
    );
    host.vmkin("disk resize -d web --shrink 32M")
        .fails(4, "holds nothing that is known");
    assert_eq!(size(&image, "qcow2"), 64 << 20);
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -z 60M 64k", &image],
    );
    host.vmkin("disk resize -d web --shrink 32M").success();
    assert_eq!(size(&image, "qcow2"), 32 << 20);
}

/// Killed at any step, it is taken back or finished, by the next run.
#[test]
fn a_killed_change_of_size_is_taken_back_or_finished() {
    for (step, wanted) in [
        ("write.redo", 64 << 20),
        ("write.aside", 64 << 20),
        ("write.committed", 32 << 20),
        ("write.merged", 32 << 20),
        ("write.resized", 32 << 20),
    ] {
        let host = Host::new();
        let image = host.image("web.qcow2");
        tool(
            "qemu-img",
            &args!["create", "-q", "-f", "qcow2", &image, "64M"],
        );
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", "write -P 7 0 64k", &image],
        );
        host.add(Guest::new("web").disk("vda", "qcow2", &image));
        host.vmkin_failing("disk resize -d web --shrink 32M", &format!("{step}=kill"));
        host.vmkin("recover").success();
        assert_eq!(size(&image, "qcow2"), wanted, "{step}");
        let checked = tool("qemu-img", &args!["check", "-f", "qcow2", &image]);
        assert!(checked.contains("No errors"), "{step}: {checked}");
    }
}

#[test]
fn a_disk_of_a_guest_that_runs_only_grows() {
    let host = Host::new();
    let image = host.image("web.qcow2");
    tool(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", &image, "64M"],
    );
    host.add(Guest::new("off").disk("vda", "qcow2", &image));
    assert_snapshot!(host.vmkin("disk resize -d off --live +16M"), @"
    --- stderr ---
    error: domain 'off' does not run, and must for `--live`
      hint: leave `--live` out
    --- exit 4 ---
    ");
    let image = host.image("on.qcow2");
    tool(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", &image, "64M"],
    );
    host.add(Guest::new("on").disk("vda", "qcow2", &image).state(1));
    assert_snapshot!(host.vmkin("disk resize -d on +16M"), @"
    --- stderr ---
    error: domain 'on' is running, and must be shut off
      hint: shut it down first: `vmkin shutdown -d on --wait`
      hint: a disk can grow while the guest runs, and the guest can grow its file system then: `vmkin disk resize -d on --target vda --live +10G`
    --- exit 4 ---
    ");
    assert_snapshot!(host.vmkin("disk resize -d on --live -16M"), @"
    --- stderr ---
    error: [host]/images/on.qcow2 has 64 MiB, and would be smaller, with 48 MiB: the disk of a guest that runs can only grow
      hint: shut it down, and have its file system made smaller first: `vmkin disk resize -d on --target vda --shrink 50331648`
    --- exit 2 ---
    ");
    host.vmkin("disk resize -d on --live --grow-fs +16M")
        .fails(2, "cannot be used with");
    assert_snapshot!(host.vmkin("disk resize -d on --live +16M --dry-run"), @"
    vda  [host]/images/on.qcow2: 64 MiB to 80 MiB
    ");
    // The driver for tests cannot.
    host.vmkin("disk resize -d on --live +16M")
        .fails(1, "cannot grow disk vda of domain 'on'");
    assert_eq!(size(&image, "qcow2"), 64 << 20);
}

#[test]
fn a_disk_may_become_larger_than_anybody_has_one() {
    let host = Host::new();
    let disk = host.image("huge.qcow2");
    tool(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", &disk, "8M"],
    );
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 7 0 64k", &disk],
    );
    host.add(Guest::new("huge").disk("vda", "qcow2", &disk));
    host.vmkin("disk resize -d huge 1P").success();
    assert_eq!(size(&disk, "qcow2"), 1 << 50);
    let read = tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "read -P 7 0 64k", &disk],
    );
    assert!(!read.contains("failed"), "{read}");
    assert!(host.world().journals().is_empty());
}
