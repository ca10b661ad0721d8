//! Guests that are told who they are, on QEMU's driver: its schema takes the
//! XML, its firmware the tables, and the disk is there to be read.

use std::os::unix::fs::MetadataExt as _;

use crate::lab::{Lab, tool};

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_is_told_who_it_is_and_its_disk_goes_with_it() {
    let lab = Lab::new("told");
    let [a, b, c] = ["a", "b", "c"].map(|name| lab.name(name));
    lab.ok(&format!(
        "clone -d {} {a} --hostname h-one.lab --start",
        lab.golden
    ));
    lab.ready(&a);
    let seed = lab.dir.join(format!("{a}-seed.img"));
    // QEMU's user reads it, and nobody else but root.
    let meta = std::fs::metadata(&seed).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert_ne!(meta.uid(), 0);
    let xml = lab.xml(&a);
    assert!(
        xml.contains("-seed.img") && xml.contains("<readonly/>"),
        "{xml}"
    );
    assert!(
        xml.contains("credential:system.hostname=h-one.lab"),
        "{xml}"
    );
    let label = tool(
        "blkid",
        &[
            "-p",
            "-s",
            "LABEL",
            "-o",
            "value",
            &seed.display().to_string(),
        ],
    );
    assert_eq!(label.trim(), "CIDATA");
    lab.virsh_destroy(&a);

    // A clone of it is told by its firmware alone, and one of that not at all.
    lab.ok(&format!(
        "clone -d {a} {b} --hostname h-two --identity smbios --start"
    ));
    lab.ready(&b);
    let xml = lab.xml(&b);
    assert!(!xml.contains("seed.img"), "{xml}");
    assert!(xml.contains(";h=h-two</entry>"), "{xml}");
    lab.virsh_destroy(&b);
    lab.ok(&format!("clone -d {b} {c} --start"));
    lab.ready(&c);
    let xml = lab.xml(&c);
    assert!(!xml.contains("=h-") && !xml.contains("ds=nocloud"), "{xml}");
    lab.virsh_destroy(&c);

    for name in [&c, &b, &a] {
        lab.ok(&format!("delete --yes --force -d {name}"));
    }
    assert!(!seed.exists());
}
