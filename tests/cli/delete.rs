use std::fs;

use insta::assert_snapshot;
use vmkin::image::Overlay;
use vmkin::model::ImageFormat;

use crate::common::{DISK, Guest, Host};

#[test]
fn a_clone_goes_with_its_overlay() {
    let host = Host::golden();
    host.child("web-01");
    let clone = host.child("web-02");
    let before = host.world();
    let outcome = host.vmkin("delete -d web-02 --dry-run");
    assert_snapshot!(outcome, @"
    Domain 'web-02' (shut off)
      remove  [host]/images/web-02.qcow2
    ");
    assert_eq!(host.world(), before);
    let outcome = host.vmkin("delete --yes -d web-02");
    assert_snapshot!(outcome, @"
    --- stderr ---
    Deleted 'web-02'.
    ");
    assert!(!clone.exists());
    assert_eq!(host.world().images(), ["golden.qcow2", "web-01.qcow2"]);
    assert!(host.world().journals().is_empty());
}

#[test]
fn nobody_to_ask_is_a_no() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    host.vmkin("delete -d web-01")
        .fails(2, "no terminal to ask on")
        .says("--yes");
    assert_eq!(host.world(), before);
}

#[test]
fn a_base_with_children_stays() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    for args in [
        "delete --yes -d golden --remove-all-storage",
        "delete --yes -d golden --remove-all-storage --force",
        "delete --dry-run -d golden --remove-all-storage",
    ] {
        host.vmkin(args)
            .fails(6, "is the base of 1 child: 'web-01'");
        assert_eq!(host.world(), before, "{args}");
    }
    // Without its disk there is nothing to protect.
    host.vmkin("delete --yes -d golden").success();
    assert_eq!(host.world(), before);
}

#[test]
fn a_clone_of_which_there_are_clones_stays() {
    let host = Host::golden();
    host.child("web-01");
    // A clone of the clone, which libvirt does not know.
    let stray = host.image("stray.qcow2");
    let spec = Overlay {
        virtual_size: DISK,
        backing: &host.image("web-01.qcow2"),
        backing_format: ImageFormat::Qcow2,
    };
    vmkin::image::write(&stray, &spec).unwrap().sync().unwrap();
    let before = host.world();
    host.vmkin("delete --yes -d web-01").fails(6, "stray.qcow2");
    assert_eq!(host.world(), before);
}

#[test]
fn what_is_not_the_domains_own_stays() {
    let host = Host::new();
    let own = host.qcow2("own.qcow2");
    let (shared, iso, both) = (
        host.raw("shared.img"),
        host.raw("cd.iso"),
        host.raw("both.img"),
    );
    host.add(
        Guest::new("guest")
            .disk("vda", "qcow2", &own)
            .disk_with("vdb", "raw", &shared, "<shareable/>")
            .disk_with("vdc", "raw", &iso, "<readonly/>")
            .disk("vdd", "raw", &both),
    );
    host.add(Guest::new("other").disk("vda", "raw", &both));
    assert_snapshot!(host.vmkin("delete --dry-run -d guest"), @"
    Domain 'guest' (shut off)
      keep    [host]/images/own.qcow2 (it is no overlay; --remove-all-storage removes it too)
      keep    [host]/images/shared.img (it is shareable)
      keep    [host]/images/cd.iso (it is read-only to the domain)
      keep    [host]/images/both.img (it is no overlay; --remove-all-storage removes it too)
    ");
    assert_snapshot!(host.vmkin("delete --yes -d guest --remove-all-storage"), @"
    --- stderr ---
    Deleted 'guest'.
    Kept [host]/images/shared.img (it is shareable).
    Kept [host]/images/cd.iso (it is read-only to the domain).
    Kept [host]/images/both.img (domain 'other' uses it too).
    ");
    assert_eq!(host.world().images(), ["both.img", "cd.iso", "shared.img"]);
}

#[test]
fn disks_can_be_kept() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    host.vmkin("delete --yes -d web-01 --keep-storage")
        .success();
    assert_eq!(host.world(), before);
}

#[test]
fn variables_of_uefi_go_with_their_domain() {
    let host = Host::golden();
    let (mine, ours) = (
        host.root().join("nvram/mine.fd"),
        host.root().join("nvram/ours.fd"),
    );
    fs::write(&mine, "x").unwrap();
    fs::write(&ours, "x").unwrap();
    host.add(Guest::new("one").nvram(&mine));
    host.add(Guest::new("two").nvram(&ours));
    host.add(Guest::new("three").nvram(&ours));
    host.vmkin("delete --yes -d one -d two").success();
    assert!(!mine.exists() && ours.exists());
}

#[test]
fn a_domain_that_is_not_shut_off_stays() {
    for (guest, flag, what) in [
        (Guest::new("guest").state(1), "--destroy", "is running"),
        (Guest::new("guest").state(3), "--destroy", "is paused"),
        (
            Guest::new("guest").saved(),
            "--managed-save",
            "has saved memory",
        ),
    ] {
        let host = Host::new();
        let disk = host.raw("guest.img");
        host.add(guest.disk("vda", "raw", &disk));
        let before = host.world();
        host.vmkin("delete --yes -d guest --remove-all-storage")
            .fails(4, what)
            .says(flag);
        assert_eq!(host.world(), before, "{what}");
        host.vmkin(&format!(
            "delete --yes -d guest --remove-all-storage {flag}"
        ))
        .success();
        assert!(host.world().images().is_empty());
    }
}

#[test]
fn one_that_is_refused_keeps_the_others_too() {
    let host = Host::golden();
    host.child("web-01");
    host.add(Guest::new("busy").state(1));
    let before = host.world();
    assert_snapshot!(host.vmkin("delete --yes -d web-01 busy nope"), @"
    --- stderr ---
    error: none of 3 domains was deleted: 2 of them cannot be
      busy: domain 'busy' is running, and must be shut off
      nope: no domain 'nope' on test://[host]/host.xml
      hint: shut it down: `vmkin shutdown -d busy --wait`; or pull its plug: `--destroy`
      hint: see which there are: `vmkin list`
    --- exit 4 ---
    ");
    assert_eq!(host.world(), before);
}

#[test]
fn a_domain_that_is_not_there() {
    let host = Host::golden();
    host.vmkin("delete --yes -d nope")
        .fails(3, "no domain 'nope'");
}

#[test]
fn a_disk_that_is_gone_already_is_no_error() {
    let host = Host::golden();
    fs::remove_file(host.child("web-01")).unwrap();
    host.vmkin("delete --yes -d web-01").success();
}

#[test]
fn a_link_is_not_followed() {
    let host = Host::new();
    let precious = host.root().join("other/precious");
    fs::write(&precious, crate::common::contents()).unwrap();
    std::os::unix::fs::symlink(&precious, host.image("guest.img")).unwrap();
    host.add(Guest::new("guest").disk("vda", "raw", &host.image("guest.img")));
    host.vmkin("delete --yes -d guest --remove-all-storage")
        .success()
        .says("(it is a symbolic link)");
    assert!(precious.exists() && host.image("guest.img").is_symlink());
}
