//! Guests whose files were changed while they were shut off.

use std::fs;

use crate::lab::Lab;

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_what_was_edited_is_what_the_guest_boots_with() {
    let lab = Lab::new("editing");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    let disk = lab.dir.join(format!("{clone}.qcow2"));
    let base = fs::read(lab.image()).unwrap();
    // A base with children, and a guest that runs, are not written to.
    let edit = |name: &str| format!("edit -d {name} -e s/golden/edited-host/ /etc/hostname");
    lab.fails(6, &edit(&lab.golden));
    lab.ok(&edit(&clone));
    let note = lab.dir.join("note");
    fs::write(&note, "from the host\n").unwrap();
    lab.ok(&format!("copy-in -d {clone} {} /root", note.display()));
    lab.ok(&format!("start -d {clone}"));
    assert_eq!(lab.ready(&clone)["host"], "edited-host");
    lab.said(&clone, "/ # ");
    lab.type_in(&clone, "cat /root/note; echo VMKIN-RE''AD\n");
    lab.said(&clone, "from the host");
    lab.fails(4, &edit(&clone));
    lab.virsh_destroy(&clone);

    // Killed while the disk is written to: nobody starts a half of it.
    let again = format!("edit -d {clone} -e s/edited/again/ /etc/hostname");
    let ran = lab.vmkin_with("write.committed=kill", &again);
    assert_eq!(ran.code, None, "{}", ran.stderr);
    assert!(!disk.exists());
    let error = lab.virsh_start(&clone).unwrap_err();
    assert!(error.contains("No such file"), "{error}");
    let started = lab.ok(&format!("start -d {clone}"));
    let said = "All changes are on its disks now.";
    assert!(started.stderr.contains(said), "{}", started.stderr);
    assert_eq!(lab.ready(&clone)["host"], "again-host");
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));
    lab.ok(&format!("delete --yes -d {clone}"));
    assert!(fs::read(lab.image()).unwrap() == base);
    lab.ok(&format!("base unseal {}", lab.image().display()));
}
