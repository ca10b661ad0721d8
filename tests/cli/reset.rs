use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::common::{Guest, Host, tool};

/// Writes into an image as its guest would.
fn write_into(path: &Path) {
    let write = "write -P 7 0 64k";
    tool("qemu-io", &args!["-f", "qcow2", "-c", write, path]);
}

/// Whether the first bytes are what the golden image has there.
fn is_as_golden(host: &Host, path: &Path) -> bool {
    host.reads(path, "qcow2") == crate::common::contents()
}

#[test]
fn a_guest_goes_back_to_its_base() {
    let host = Host::golden();
    let disk = host.child("web-01");
    let other = host.child("web-02");
    write_into(&disk);
    write_into(&other);
    assert!(!is_as_golden(&host, &disk));
    let before = host.world();
    // How much it takes on the host is a matter of the file system.
    let outcome = host.vmkin("reset -d web-01 --dry-run").success();
    let image = disk.display();
    let golden = host.image("golden.qcow2");
    assert!(outcome.stdout().contains(&format!("vda  {image} (drops ")));
    assert!(
        outcome
            .stdout()
            .contains(&format!("back to {}", golden.display()))
    );
    host.vmkin("reset -d web-01")
        .fails(2, "no terminal to ask on")
        .says("--yes");
    assert_eq!(host.world(), before);
    let outcome = host.vmkin("reset --yes -d web-01");
    assert_snapshot!(outcome, @"
    --- stderr ---
    Reset 'web-01': vda as new.
    ");
    assert!(is_as_golden(&host, &disk));
    assert!(!is_as_golden(&host, &other));
    let world = host.world();
    assert_eq!(world.images(), before.images());
    assert!(world.journals().is_empty());
    host.vmkin("reset --yes -d web-01 web-02").success();
    assert!(is_as_golden(&host, &other));
    host.vmkin("base verify -d golden").success();
}

#[test]
fn what_cannot_go_back_is_refused_and_stays() {
    let host = Host::golden();
    host.child("web-01");
    let disk = host.child("web-02");
    host.remove("web-02");
    let uuid = "00000000-0000-4000-8000-000000000007";
    let busy = || Guest::new("busy").uuid(uuid).disk("vda", "qcow2", &disk);
    host.add(busy().saved());
    host.vmkin("reset --yes -d busy")
        .fails(4, "is saved, and must be shut off");
    host.add(busy().state(1));
    let before = host.world();
    for (args, code, words) in [
        ("-d golden", 4, "no disk that is an overlay"),
        ("-d golden --target vda", 6, "'web-01'"),
        ("-d busy", 4, "is running, and must be shut off"),
        ("-d web-01 --target vdz", 3, "no disk vdz"),
        ("-d nobody", 3, "nobody"),
    ] {
        host.vmkin(&format!("reset --yes {args}"))
            .fails(code, words);
        assert_eq!(host.world(), before, "{args}");
    }
    // None is reset if one is refused.
    host.vmkin("reset --yes -d web-01 golden")
        .fails(4, "none of 2 domains was reset: 1 of them cannot be");
    assert_eq!(host.world(), before);
}

#[test]
fn an_image_that_somebody_has_open_stays() {
    use std::io::Read as _;
    let host = Host::golden();
    let disk = host.child("web-01");
    let before = host.world();
    let lease = vmkin::image::Guard::base(&disk).unwrap();
    host.vmkin("reset --yes -d web-01").fails(7, "is in use by");
    host.vmkin("delete --yes -d web-01")
        .fails(7, "is in use by");
    assert_eq!(host.world(), before);
    drop(lease);
    let mut byte = [0];
    fs::File::open(&disk)
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    host.vmkin("reset --yes -d web-01").success();
}
