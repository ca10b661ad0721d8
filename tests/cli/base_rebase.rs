//! Children of a base go to another one, and read what they read before.

use std::path::{Path, PathBuf};

use crate::common::{Guest, Host, backing, contents, tool};
use crate::flatten::without_chain;

/// Another version of the golden image, in another directory: other bytes in the
/// middle.
fn next_version(host: &Host) -> PathBuf {
    let dir = host.root().join("elsewhere");
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("next.qcow2");
    std::fs::rename(host.qcow2("next.qcow2"), &path).unwrap();
    let write = "write -P 9 384k 64k";
    tool("qemu-io", &args!["-f", "qcow2", "-c", write, &path]);
    path
}

#[test]
fn children_on_another_base_read_what_they_read_before() {
    let host = Host::golden();
    let disks = ["web-01", "web-02", "web-03"].map(|name| host.written_child(name));
    let before = disks.each_ref().map(|path| host.reads(path, "qcow2"));
    let (old, new) = (host.image("golden.qcow2"), next_version(&host));
    assert_ne!(host.reads(&new, "qcow2"), contents());
    let to = format!("base rebase {} --onto {}", old.display(), new.display());
    let world = host.world();
    let plan = host
        .vmkin(&format!("{to} --dry-run --json"))
        .success()
        .json();
    assert_eq!(plan["children"].as_array().unwrap().len(), 3);
    assert_eq!(host.world(), world);
    host.vmkin(&format!("{to} -d golden"))
        .fails(3, "no disk of domain 'golden'");
    host.vmkin(&format!("base rebase {0} --onto {0}", old.display()))
        .fails(2, "are one image");
    assert_eq!(host.world(), world);
    // One alone.
    host.vmkin(&format!("{to} -d web-01"))
        .success()
        .says("'web-01' is on");
    let on = |path: &Path| backing(path).unwrap().0;
    assert_eq!(on(&disks[0]), new.display().to_string());
    assert_eq!(on(&disks[1]), old.display().to_string());
    host.edit("web-01", |xml| rebased(xml, &old, &new));
    // The others: one of them is in use.
    let guard = vmkin::image::Guard::base(&disks[2]).unwrap();
    host.vmkin(&to)
        .fails(12, "1 of 2 domains could not be rebased")
        .says("web-03");
    drop(guard);
    assert_eq!(on(&disks[1]), new.display().to_string());
    assert_eq!(on(&disks[2]), old.display().to_string());
    for (path, before) in disks.iter().zip(&before) {
        assert_eq!(host.reads(path, "qcow2"), *before);
    }
    let world = host.world();
    assert!(world.is_sealed("elsewhere/next.qcow2"));
    assert!(world.journals().is_empty());
    let children = host.vmkin_args(&args!["base", "children", &new]).success();
    assert!(children.stdout().contains("web-01"), "{children}");
}

/// The domain as libvirt would have it then. What a lineage says of the new base
/// is looked at in `tests/qemu`.
fn rebased(xml: &str, old: &Path, new: &Path) -> String {
    let (before, rest) = xml.split_once("<metadata>").unwrap();
    let (_, after) = rest.split_once("</metadata>").unwrap();
    let (old, new) = (old.display().to_string(), new.display().to_string());
    format!("{before}{after}").replace(&old, &new)
}

#[test]
fn a_child_that_was_killed_on_its_way_is_on_one_base_or_the_other() {
    for (step, done) in [
        ("file", false),
        ("made", false),
        ("aside", true),
        ("defined", true),
    ] {
        let host = Host::golden();
        let path = host.written_child("web-01");
        let before = host.reads(&path, "qcow2");
        let (old, new) = (host.image("golden.qcow2"), next_version(&host));
        let args = format!("base rebase {} --onto {}", old.display(), new.display());
        let killed = host.vmkin_failing(&args, &format!("relayer.{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        host.vmkin("recover").success();
        let on = if done { &new } else { &old };
        assert_eq!(
            backing(&path).unwrap().0,
            on.display().to_string(),
            "{step}"
        );
        assert_eq!(host.reads(&path, "qcow2"), before, "{step}");
        let world = host.world();
        assert_eq!(world.images(), ["golden.qcow2", "web-01.qcow2"], "{step}");
        assert!(world.journals().is_empty(), "{step}");
    }
}

#[test]
fn a_guest_that_is_promoted_is_golden() {
    let host = Host::golden();
    let path = host.written_child("web-01");
    let other = host.written_child("web-02");
    let (before, base) = (host.reads(&path, "qcow2"), host.image("golden.qcow2"));
    let uuid = "00000000-0000-4000-8000-000000000007";
    host.add(
        Guest::new("busy")
            .uuid(uuid)
            .disk("vda", "qcow2", &other)
            .state(1),
    );
    host.vmkin("promote -d busy")
        .fails(4, "is running, and must be shut off");
    host.remove("busy");
    let world = host.world();
    for (options, how) in [("", "is sealed"), ("--flatten", "stands alone")] {
        let plan = host.vmkin(&format!("promote -d web-01 {options} --dry-run"));
        let plan = plan.success();
        assert!(
            plan.stdout().contains(&format!("web-01.qcow2  {how}")),
            "{plan}"
        );
    }
    assert_eq!(host.world(), world);
    let promoted = host.vmkin("promote -d web-01 --layer");
    let promoted = promoted.success().says("`vmkin clone -d web-01 NAME`");
    assert!(promoted.stderr().contains("Sealed"), "{promoted}");
    assert_eq!(backing(&path).unwrap().0, base.display().to_string());
    host.vmkin("start -d web-01")
        .fails(6, "must not be started");
    host.vmkin("clone -d web-01 x --quiet").success();
    assert_eq!(
        backing(&host.image("x.qcow2")).unwrap().0,
        path.display().to_string()
    );
    assert_eq!(host.reads(&host.image("x.qcow2"), "qcow2"), before);
    // The other one stands alone from then on.
    let before = host.reads(&other, "qcow2");
    let json = host
        .vmkin("promote -d web-02 --flatten --json")
        .success()
        .json();
    assert_eq!(json["flattened"]["disks"][0]["target"], "vda");
    assert_eq!(json["sealed"].as_array().unwrap().len(), 1);
    assert_eq!(host.reads(&other, "qcow2"), before);
    assert!(host.world().is_sealed("images/web-02.qcow2"));
    host.vmkin_args(&args!["base", "unseal", &other]).success();
}

#[test]
fn what_is_killed_while_it_is_promoted_is_finished_by_the_same_command() {
    for step in [
        "relayer.made",
        "relayer.aside",
        "relayer.published",
        "base.recorded",
        "base.sealed",
    ] {
        let host = Host::golden();
        let path = host.written_child("web-01");
        let before = host.reads(&path, "qcow2");
        let promote = "promote -d web-01 --flatten";
        let killed = host.vmkin_failing(promote, &format!("{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        host.vmkin("recover").success();
        if backing(&path).is_none() {
            // Unlike the driver, libvirt remembers what it was told of the chain.
            host.edit("web-01", without_chain);
        }
        host.vmkin(promote).success();
        assert!(backing(&path).is_none(), "{step}");
        assert_eq!(host.reads(&path, "qcow2"), before, "{step}");
        let world = host.world();
        assert!(world.is_sealed("images/web-01.qcow2"), "{step}");
        assert_eq!(world.images(), ["golden.qcow2", "web-01.qcow2"], "{step}");
        assert!(world.journals().is_empty(), "{step}");
    }
}
