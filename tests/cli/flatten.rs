//! A guest that needs its base no longer.

use crate::common::{Guest, Host, backing, tool};

/// The domain as it is afterwards, which the test driver forgets.
pub(crate) fn without_chain(xml: &str) -> String {
    let (before, rest) = xml.split_once("<backingStore type").unwrap();
    let (_, after) = rest.rsplit_once("</backingStore>").unwrap();
    format!("{before}<backingStore/>{after}")
}

#[test]
fn a_flattened_guest_needs_no_base() {
    let host = Host::golden();
    let path = host.written_child("web-01");
    let other = host.child("web-02");
    let before = host.reads(&path, "qcow2");
    let world = host.world();
    let plan = host
        .vmkin("flatten -d web-01 --dry-run --json")
        .success()
        .json();
    let base = host.image("golden.qcow2");
    assert_eq!(plan[0]["disks"][0]["layers"][0], base.display().to_string());
    assert_eq!(host.world(), world);
    host.vmkin("flatten -d golden").fails(4, "it stands alone");
    let guard = vmkin::image::Guard::base(&path).unwrap();
    host.vmkin("flatten -d web-01").fails(7, "is in use by");
    drop(guard);
    assert_eq!(host.world(), world);
    host.vmkin("flatten -d web-01")
        .success()
        .says("needs no base any more");
    assert!(backing(&path).is_none());
    assert!(backing(&other).is_some());
    assert_eq!(host.reads(&path, "qcow2"), before);
    let after = host.world();
    assert_eq!(after.images(), world.images());
    assert!(after.journals().is_empty());
    host.edit("web-01", without_chain);
    let children = host.vmkin("base children -d golden").success();
    assert_eq!(children.stdout(), "web-02\n");
    host.vmkin("flatten -d web-01").fails(4, "it stands alone");
}

#[test]
fn what_is_killed_while_it_is_flattened_is_one_or_the_other() {
    let steps = [
        ("journal", false),
        ("file", false),
        ("made", false),
        ("committed", false),
        ("aside", true),
        ("defined", true),
        ("published", true),
        ("removed", true),
    ];
    for (step, done) in steps {
        let host = Host::golden();
        let path = host.written_child("web-01");
        let before = host.reads(&path, "qcow2");
        let killed = host.vmkin_failing("flatten -d web-01", &format!("relayer.{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}: {killed}");
        host.vmkin("recover").success();
        assert_eq!(backing(&path).is_none(), done, "{step}");
        assert_eq!(host.reads(&path, "qcow2"), before, "{step}");
        let world = host.world();
        assert_eq!(world.images(), ["golden.qcow2", "web-01.qcow2"], "{step}");
        assert!(world.journals().is_empty(), "{step}");
    }
}

#[test]
fn a_guest_that_runs_or_is_a_base_itself_is_not_flattened() {
    let host = Host::golden();
    let path = host.written_child("web-01");
    let uuid = "00000000-0000-4000-8000-000000000007";
    host.add(
        Guest::new("busy")
            .uuid(uuid)
            .disk("vda", "qcow2", &path)
            .state(1),
    );
    host.remove("web-01");
    // The test driver has no block jobs; those of QEMU are in `tests/qemu`.
    let plan = host.vmkin("flatten -d busy --dry-run --json").success();
    assert_eq!(plan.json()[0]["disks"][0]["target"], "vda");
    host.vmkin("flatten -d busy")
        .fails(1, "cannot flatten disk vda");
    let saved = || Guest::new("busy").uuid(uuid).disk("vda", "qcow2", &path);
    host.add(saved().saved());
    host.vmkin("flatten -d busy")
        .fails(4, "is saved, and must be shut off");
    host.add(Guest::new("busy").uuid(uuid).disk("vda", "qcow2", &path));
    // A child that no domain has, in another storage pool.
    host.pool("other", &host.root().join("other"));
    let child = host.root().join("other/child.qcow2");
    tool(
        "qemu-img",
        &args![
            "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &path, &child
        ],
    );
    let world = host.world();
    for command in ["flatten -d busy", "start -d busy", "reset --yes -d busy"] {
        host.vmkin(command).fails(6, "child.qcow2");
    }
    assert_eq!(host.world(), world);
}
