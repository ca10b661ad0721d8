//! Clones that boot.

use crate::lab::{Lab, look, tool};

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_twenty_clones_in_one_command_and_two_of_them_boot_at_once() {
    let lab = Lab::new("boot");
    let before = look(&lab.image());
    let pattern = lab.name("{n:02}");
    let made = lab.ok(&format!(
        "clone -d {} --name {pattern} --count 20",
        lab.golden
    ));
    assert_eq!(made.stdout.lines().count(), 20);
    assert_eq!(lab.clones().len(), 20);

    for clone in lab.clones() {
        lab.same_contents(&clone, &lab.image());
    }

    let (one, two) = (lab.name("01"), lab.name("02"));
    lab.ok(&format!("start -d {one} {two}"));
    let (first, second) = (lab.ready(&one), lab.ready(&two));
    assert!(lab.is_active(&one) && lab.is_active(&two));
    assert_ne!(first["mac"], second["mac"]);
    assert_ne!(first["ip"], second["ip"]);
    // What the guests say is what vmkin says of them.
    let ip = lab.ok(&format!("ip -d {one} --wait"));
    assert_eq!(ip.stdout.trim(), first["ip"]);
    let mac = lab.facts(&two).nics[0].mac.unwrap().to_string();
    assert_eq!(second["mac"], mac);
    let list = lab.ok("list --json");
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let listed = list
        .as_array()
        .unwrap()
        .iter()
        .find(|domain| domain["name"] == one.as_str())
        .unwrap();
    assert_eq!(listed["state"], "running");
    assert_eq!(listed["addresses"][0]["ip"], first["ip"].as_str());

    // The base: the same bytes, owner, inode and time; the mode is the seal's.
    let sealed = look(&lab.image());
    assert_eq!(sealed.mode, 0o444);
    assert_eq!(
        crate::lab::Look {
            mode: before.mode,
            ..sealed
        },
        before
    );
    let flags = tool("lsattr", &[&lab.image().display().to_string()]);
    assert!(
        flags.split_whitespace().next().unwrap().contains('i'),
        "{flags}"
    );

    lab.ok(&format!("shutdown -d {one} {two} --wait --timeout 3m"));
    assert!(!lab.is_active(&one) && !lab.is_active(&two));
    let all = lab.clones().join(" ");
    lab.ok(&format!("delete --yes -d {all}"));
    assert_eq!(lab.clones(), Vec::<String>::new());
    assert_eq!(lab.files(), ["golden.qcow2"]);
    lab.ok(&format!("base unseal {}", lab.image().display()));
    assert_eq!(look(&lab.image()), before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_an_unsealed_base_keeps_its_owner_and_mode_too() {
    let lab = Lab::new("noseal");
    let before = look(&lab.image());
    let clone = lab.name("a");
    lab.ok(&format!(
        "clone -d {} {clone} --no-seal --start",
        lab.golden
    ));
    lab.ready(&clone);
    assert_eq!(look(&lab.image()), before);
    lab.virsh_destroy(&clone);
    assert_eq!(look(&lab.image()), before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_full_clone_needs_nothing_of_its_original() {
    let lab = Lab::new("full");
    let before = look(&lab.image());
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone} --full", lab.golden));
    lab.same_contents(&clone, &lab.image());
    assert_eq!(look(&lab.image()), before);
    // The full copy of a linked clone is one image.
    let (linked, flat) = (lab.name("b"), lab.name("c"));
    lab.ok(&format!("clone -d {} {linked}", lab.golden));
    lab.ok(&format!("clone -d {linked} {flat} --full"));
    lab.same_contents(&flat, &lab.image());
    assert_eq!(lab.facts(&flat).disks[0].declared, []);
    lab.ok(&format!("delete --yes -d {linked}"));
    lab.ok(&format!("base unseal {}", lab.image().display()));
    std::fs::remove_file(lab.image()).unwrap();
    lab.ok(&format!("start -d {clone} {flat}"));
    lab.ready(&clone);
    lab.ready(&flat);
    lab.ok(&format!("destroy -d {clone} {flat}"));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_clone_of_a_clone_boots() {
    let lab = Lab::new("chain");
    let (one, two) = (lab.name("a"), lab.name("b"));
    lab.ok(&format!("clone -d {} {one}", lab.golden));
    lab.ok(&format!("clone -d {one} {two} --start"));
    lab.ready(&two);
    lab.virsh_destroy(&two);
    assert_eq!(lab.facts(&two).disks[0].declared.len(), 2);
    // The clone in the middle is a base now.
    lab.fails(6, &format!("start -d {one}"));
    lab.fails(6, &format!("delete --yes -d {one}"));
    lab.ok(&format!("delete --yes -d {two}"));
    lab.ok(&format!("base unseal -d {one}"));
    lab.ok(&format!("delete --yes -d {one}"));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_states_are_told_and_changed() {
    let lab = Lab::new("states");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone} --start", lab.golden));
    lab.ready(&clone);
    // A running domain is no golden domain, and its disk is nobody's base.
    lab.fails(4, &format!("clone -d {clone} {}", lab.name("b")));
    lab.ok(&format!("suspend -d {clone}"));
    lab.fails(4, &format!("clone -d {clone} {}", lab.name("b")));
    lab.fails(4, &format!("shutdown -d {clone} --wait"));
    lab.fails(4, &format!("start -d {clone}"));
    lab.ok(&format!("resume -d {clone}"));
    lab.fails(4, &format!("delete --yes -d {clone}"));
    tool("virsh", &["-q", "managedsave", &clone]);
    let saved = lab.fails(4, &format!("clone -d {clone} {}", lab.name("b")));
    assert!(saved.stderr.contains("is saved"), "{}", saved.stderr);
    lab.fails(4, &format!("delete --yes -d {clone}"));
    lab.ok(&format!("start -d {clone}"));
    lab.ok(&format!("reboot -d {clone}"));
    lab.ok(&format!("delete --yes --force -d {clone}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
