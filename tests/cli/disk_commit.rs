//! What an overlay holds goes into its base, and the guest sees no difference.

use std::path::{Path, PathBuf};

use crate::common::{Guest, Host, backing, tool};

const UUID: &str = "00000000-0000-4000-8000-000000000007";

/// An overlay on an image, in which something was written.
fn overlay(host: &Host, name: &str, base: &Path, format: &str, size: &str) -> PathBuf {
    let path = host.image(name);
    tool(
        "qemu-img",
        &args![
            "create", "-q", "-f", "qcow2", "-F", format, "-b", base, &path, size
        ],
    );
    write(&path, "write -P 7 0 64k");
    path
}

fn write(image: &Path, command: &str) {
    tool("qemu-io", &args!["-f", "qcow2", "-c", command, image]);
}

fn guest(disk: &Path) -> Guest {
    Guest::new("web").uuid(UUID).disk("vda", "qcow2", disk)
}

/// A guest `web` whose disk is an overlay on `base.qcow2`.
fn web() -> (Host, PathBuf, PathBuf) {
    let host = Host::new();
    let base = host.qcow2("base.qcow2");
    let disk = overlay(&host, "web.qcow2", &base, "qcow2", "1M");
    host.add(guest(&disk));
    (host, base, disk)
}

fn is_sound(image: &Path) {
    let checked = tool("qemu-img", &args!["check", "-f", "qcow2", image]);
    assert!(checked.contains("No errors"), "{checked}");
}

#[test]
fn the_base_becomes_the_disk_and_reads_as_the_overlay_did() {
    let (host, base, disk) = web();
    let before = host.reads(&disk, "qcow2");
    assert_ne!(host.reads(&base, "qcow2"), before);
    let world = host.world();
    let plan = host
        .vmkin("disk commit -d web --dry-run --json")
        .success()
        .json();
    assert_eq!(plan[0]["base"], base.display().to_string());
    assert_eq!(plan[0]["becomes"], "gone");
    assert_eq!(host.world(), world);
    let done = host.vmkin("disk commit -d web --target vda").success();
    assert!(done.stdout().contains("the base is the disk"), "{done}");
    assert_eq!(host.reads(&base, "qcow2"), before);
    is_sound(&base);
    let world = host.world();
    assert_eq!(world.images(), ["base.qcow2"]);
    assert!(world.journals().is_empty());
}

#[test]
fn an_overlay_that_is_kept_is_empty_and_its_disk_the_same() {
    let (host, base, disk) = web();
    // Whose disk the base is does not mind.
    host.add(Guest::new("golden").disk("vda", "qcow2", &base));
    let before = host.reads(&disk, "qcow2");
    host.vmkin("disk commit -d web")
        .fails(4, "also in use as disk vda of domain 'golden'")
        .says("`--keep`");
    host.vmkin("disk commit -d web --keep").success();
    for image in [&base, &disk] {
        assert_eq!(host.reads(image, "qcow2"), before);
    }
    assert_eq!(backing(&disk).unwrap().0, base.display().to_string());
    let of_overlay = |disk: &Path| {
        let map = tool("qemu-img", &args!["map", "-f", "qcow2", disk]);
        map.contains(disk.file_name().unwrap().to_str().unwrap())
    };
    assert!(!of_overlay(&disk));
    // An image that no domain has stays, as with `qemu-img`, or goes if asked for.
    let loose = overlay(&host, "loose.qcow2", &disk, "qcow2", "1M");
    host.remove("web");
    let before = host.reads(&loose, "qcow2");
    let commit = args!["disk", "commit", "-f", "qcow2", "-a", &loose, "--drop"];
    host.vmkin_args(&commit[..6]).success();
    assert!(loose.exists() && !of_overlay(&loose) && of_overlay(&disk));
    assert_eq!(host.reads(&disk, "qcow2"), before);
    host.vmkin_args(&commit).success();
    assert!(!loose.exists());
    assert_eq!(host.reads(&disk, "qcow2"), before);
    assert!(host.world().journals().is_empty());
}

/// What is behind the end of the base has data further down, which the overlay has
/// never seen.
#[test]
fn a_base_that_is_smaller_grows_and_nothing_comes_to_light() {
    let host = Host::new();
    let deep = host.image("deep.img");
    std::fs::write(&deep, vec![5; 3 << 20]).unwrap();
    let base = overlay(&host, "base.qcow2", &deep, "raw", "1M");
    let disk = overlay(&host, "web.qcow2", &base, "qcow2", "2M");
    write(&disk, "write -P 9 1600k 64k");
    host.add(guest(&disk));
    let before = host.reads(&disk, "qcow2");
    assert_eq!(before[1 << 20], 0);
    let done = host.vmkin("disk commit -d web").success();
    assert!(done.stdout().contains("from 1 MiB to 2 MiB"), "{done}");
    assert_eq!(host.reads(&base, "qcow2"), before);
    // A raw base grows too.
    host.remove("web");
    let top = overlay(&host, "top.qcow2", &deep, "raw", "4M");
    let before = host.reads(&top, "qcow2");
    std::fs::remove_file(&base).unwrap();
    host.add(guest(&top));
    host.vmkin("disk commit -d web").success();
    assert_eq!(host.reads(&deep, "raw"), before);
}

#[test]
fn what_others_need_is_not_written_to() {
    let (host, base, disk) = web();
    let refused = |code: i32, why: &str| {
        let world = host.world();
        let outcome = host.vmkin("disk commit -d web").fails(code, why);
        assert_eq!(host.world(), world);
        outcome
    };
    // Another child: of a domain, and of nobody, in another pool.
    let other = overlay(&host, "other.qcow2", &base, "qcow2", "1M");
    host.add(Guest::new("other").disk("vda", "qcow2", &other));
    refused(6, "base of 1 child: 'other'");
    host.remove("other");
    refused(6, "other.qcow2");
    let far = host.root().join("far/other.qcow2");
    std::fs::create_dir_all(far.parent().unwrap()).unwrap();
    host.pool("far", far.parent().unwrap());
    std::fs::rename(&other, &far).unwrap();
    refused(6, "far/other.qcow2");
    std::fs::remove_file(&far).unwrap();
    // A seal.
    host.vmkin_args(&args!["base", "seal", &base]).success();
    refused(6, "is sealed").says("`vmkin base unseal --force");
    host.vmkin_args(&args!["base", "unseal", "--force", "--yes", &base])
        .success();
    // Somebody who has it open.
    for image in [&base, &disk] {
        let guard = vmkin::image::Guard::base(image).unwrap();
        refused(7, "is in use by");
        drop(guard);
    }
    host.add(guest(&disk).state(1));
    refused(4, "is running");
    host.add(guest(&disk).saved());
    refused(4, "is saved");
    host.add(guest(&base));
    refused(4, "no disk that is an overlay");
    let small = overlay(&host, "small.qcow2", &base, "qcow2", "512k");
    std::fs::remove_file(&disk).unwrap();
    host.add(guest(&small));
    refused(4, "the disk would be larger then").says("`vmkin disk resize`");
    let second = overlay(&host, "second.qcow2", &base, "qcow2", "1M");
    host.add(guest(&small).disk("vdb", "qcow2", &second));
    host.vmkin("disk commit -d web --target vdb")
        .fails(6, "is the base of 1 child: 'web'");
}

/// A guest with two overlays, each on a base of its own, and a disk that is none.
fn with_two() -> (Host, [PathBuf; 2], [PathBuf; 2]) {
    let host = Host::new();
    let bases = ["base.qcow2", "data.qcow2"].map(|name| host.qcow2(name));
    let disks = [("web.qcow2", &bases[0]), ("web-vdb.qcow2", &bases[1])];
    let disks = disks.map(|(name, base)| overlay(&host, name, base, "qcow2", "1M"));
    let plain = host.raw("plain.img");
    let guest = guest(&disks[0]).disk("vdb", "qcow2", &disks[1]);
    host.add(guest.disk("vdc", "raw", &plain));
    (host, bases, disks)
}

#[test]
fn all_overlays_of_a_guest_go_one_after_the_other() {
    let reads = |host: &Host, images: &[PathBuf; 2]| {
        let [one, other] = images;
        [host.reads(one, "qcow2"), host.reads(other, "qcow2")]
    };
    let (host, bases, disks) = with_two();
    let before = reads(&host, &disks);
    // All are looked at before the first is touched.
    let guard = vmkin::image::Guard::base(&bases[1]).unwrap();
    let world = host.world();
    host.vmkin("disk commit -d web").fails(7, "is in use by");
    assert_eq!(host.world(), world);
    drop(guard);
    let plan = host.vmkin("disk commit -d web --dry-run --json");
    let plan = plan.success().json();
    assert_eq!(
        [&plan[0]["target"], &plan[1]["target"]],
        ["vda", "vdb"],
        "{plan}"
    );
    host.vmkin("disk commit -d web").success();
    assert_eq!(reads(&host, &bases), before);
    assert!(!disks[0].exists() && !disks[1].exists());

    // One that fails stays as it was, and the other is done.
    let (host, bases, disks) = with_two();
    let before = reads(&host, &disks);
    host.vmkin_failing("disk commit -d web", "commit.merged@2=error")
        .fails(12, "1 of 2 disks could not be put into their bases")
        .says("vdb: ");
    assert!(!disks[0].exists());
    let now = [bases[0].clone(), disks[1].clone()];
    assert_eq!(reads(&host, &now), before);
    // The test driver has forgotten the one that is done.
    let rest = guest(&bases[0]).disk("vdb", "qcow2", &disks[1]);
    host.add(rest);
    host.vmkin("disk commit -d web").success();
    assert_eq!(reads(&host, &bases), before);
    assert!(host.world().journals().is_empty());
}

#[test]
fn what_is_killed_reads_the_same_and_can_be_done_again() {
    // Whether the next run finishes it without being told to.
    for (step, done) in [
        ("journal", false),
        ("merged", false),
        ("compared", false),
        ("committed", true),
        ("defined", true),
        ("removed", true),
    ] {
        let (host, base, disk) = web();
        let before = host.reads(&disk, "qcow2");
        let killed = host.vmkin_failing("disk commit -d web", &format!("commit.{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        if disk.exists() {
            assert_eq!(host.reads(&disk, "qcow2"), before, "{step}");
        }
        host.vmkin("recover").success();
        assert_eq!(disk.exists(), !done, "{step}");
        if !done {
            assert_eq!(host.reads(&disk, "qcow2"), before, "{step}");
            host.vmkin("disk commit -d web").success();
        }
        assert_eq!(host.reads(&base, "qcow2"), before, "{step}");
        is_sound(&base);
        let world = host.world();
        assert_eq!(world.images(), ["base.qcow2"], "{step}");
        assert!(world.journals().is_empty(), "{step}");
    }
    for step in ["compared", "fresh", "emptied"] {
        let (host, base, disk) = web();
        let before = host.reads(&disk, "qcow2");
        let killed =
            host.vmkin_failing("disk commit --keep -d web", &format!("commit.{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        host.vmkin("disk commit --keep -d web").success();
        for image in [&base, &disk] {
            assert_eq!(host.reads(image, "qcow2"), before, "{step}");
        }
        assert_eq!(host.world().images(), ["base.qcow2", "web.qcow2"], "{step}");
    }
}

/// From the mark on it is finished, but not if the guest has gone on meanwhile, or
/// others have come to use the base.
#[test]
fn what_has_changed_since_it_was_killed_is_not_given_up() {
    for by_guest in [true, false] {
        let (host, base, disk) = web();
        host.vmkin_failing("disk commit -d web", "commit.committed=kill");
        if by_guest {
            write(&disk, "write -P 8 128k 64k");
        } else {
            overlay(&host, "child.qcow2", &base, "qcow2", "1M");
        }
        let before = host.reads(&disk, "qcow2");
        host.vmkin("recover").success().says(if by_guest {
            "written to since"
        } else {
            "child.qcow2"
        });
        assert_eq!(host.reads(&disk, "qcow2"), before);
        assert!(host.world().journals().is_empty());
    }
}
