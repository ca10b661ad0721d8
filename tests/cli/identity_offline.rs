//! Clones that are told who they are on their disks: what is written, what is left
//! when it fails, and what cannot be. `tests/qemu` boots such clones.

use std::fs;

use crate::common::tool;
use crate::customize::{changed, command, guests};
use crate::write_files::tools;

const CLONE: &str = "clone -d golden --name web-{n:02} --count 3 --identity offline \
                     --hostname {name}.lab --ssh-key key.pub --password-file secret";

/// Linked clones have one appliance, and so have full ones.
#[test]
fn each_clone_has_its_own_identity_on_its_disk() {
    for full in ["", " --full"] {
        let host = guests(&["golden"]);
        let golden = host.image("golden.img");
        // Netplan, which a part cannot be taken from.
        let netplan = host.root().join("netplan");
        let card = |mac: &str| {
            format!("network: {{ethernets: {{a: {{match: {{macaddress: {mac}}}}}}}}}\n")
        };
        fs::write(&netplan, card("52:54:00:00:00:01")).unwrap();
        let put = tools(&host).join("put");
        tool(
            put.to_str().unwrap(),
            &args![&netplan, "/etc/netplan/a.yaml", &golden],
        );
        let before = fs::read(&golden).unwrap();
        let launches = tools(&host).join("launches");
        fs::write(&launches, "").unwrap();
        let outcome = changed(&host, &format!("{CLONE}{full} --json"));
        let made = outcome.success().json();
        let starts = fs::read_to_string(&launches).unwrap().lines().count();
        assert_eq!(starts, 1, "{full}");
        let clones = made["clones"].as_array().unwrap();
        let mut keys = Vec::new();
        for (clone, name) in clones.iter().zip(["web-01", "web-02", "web-03"]) {
            let image = clone["disks"][0].as_str().unwrap();
            let format = if full.is_empty() { "qcow2" } else { "raw" };
            let cat = |path: &str| {
                let args = format!("cat -q -a {image} --format {format} {path}");
                host.vmkin(&args).success().stdout().to_owned()
            };
            assert_eq!(clone["hostname"], format!("{name}.lab"));
            assert_eq!(cat("/etc/hostname"), format!("{name}.lab\n"));
            assert!(cat("/root/.ssh/authorized_keys").starts_with("ssh-ed25519 AAAA"));
            assert!(cat("/etc/shadow").starts_with("root:$6$"));
            let mac = clone["macs"][0].as_str().unwrap();
            assert_ne!(mac, "52:54:00:00:00:01");
            assert_eq!(cat("/etc/netplan/a.yaml"), card(mac));
            let uuid = clone["uuid"].as_str().unwrap().replace('-', "");
            assert_eq!(cat("/etc/machine-id"), format!("{uuid}\n"));
            keys.push(cat("/etc/ssh/ssh_host_ed25519_key.pub"));
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 3);
        assert!(fs::read(&golden).unwrap() == before);
    }
}

#[test]
fn what_fails_leaves_no_clone() {
    let host = guests(&["golden"]);
    let images = host.world().images();
    for fails in ["launch", "write", "shutdown"] {
        fs::write(tools(&host).join("fail"), fails).unwrap();
        let code = if fails == "launch" { 8 } else { 10 };
        changed(&host, CLONE).fails(code, "it is broken");
        fs::remove_file(tools(&host).join("fail")).unwrap();
        assert_eq!(host.world().images(), images, "{fails}");
    }
    for point in [
        "write.started",
        "write.changed",
        "write.closed",
        "clone.made",
    ] {
        let mut killed = command(&host, CLONE);
        killed.env("VMKIN_FAILPOINTS", format!("{point}=kill"));
        assert_eq!(killed.output().unwrap().status.code(), None, "{point}");
        changed(&host, "recover").success();
        assert_eq!(host.world().images(), images, "{point}");
        assert!(host.world().journals().is_empty(), "{point}");
    }
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_made() {
    let host = guests(&["golden"]);
    changed(
        &host,
        "clone -q -d golden --dry-run --name web-01 --identity offline",
    )
    .success();
    let before = host.world();
    let clone = "clone -q -d golden --name web-01 --identity offline";
    for (args, code, wanted) in [
        (
            "--user-data secret",
            2,
            "--user-data cannot be written into the disks",
        ),
        ("--user new --ssh-key key.pub", 4, "no /etc/group"),
    ] {
        changed(&host, &format!("{clone} {args}")).fails(code, wanted);
    }
    fs::remove_file(tools(&host).join("guestfish")).unwrap();
    changed(&host, clone).fails(8, "guestfish");
    assert_eq!(host.world().images(), before.images());
}
