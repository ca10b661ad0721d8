//! What keeps a base as it is, and what is noticed when it is not.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use vmkin::image::{Guard, Lease};

use crate::lab::{Lab, tool};

/// Opens the seal and changes one byte, as somebody who knows better might.
fn overwrite(lab: &Lab) {
    vmkin::image::unseal(&lab.image(), 0o644).unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(lab.image())
        .unwrap();
    let end = file.metadata().unwrap().size();
    file.write_all_at(b"x", end - 1).unwrap();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_golden_domain_with_clones_does_not_start() {
    let lab = Lab::new("sealed");
    lab.ok(&format!("clone -d {} {}", lab.golden, lab.name("a")));
    let refused = lab.fails(6, &format!("start -d {}", lab.golden));
    assert!(
        refused.stderr.contains("vmkin clone -d"),
        "{}",
        refused.stderr
    );
    // Neither for those who do not ask vmkin.
    lab.virsh_start(&lab.golden).unwrap_err();
    lab.fails(6, &format!("base unseal -d {}", lab.golden));
    let image = lab.image();
    fs::write(&image, b"").unwrap_err();
    fs::remove_file(&image).unwrap_err();
    fs::rename(&image, lab.dir.join("moved")).unwrap_err();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_host_on_which_all_of_this_works_is_told_so() {
    let lab = Lab::new("doctor");
    let said = lab.ok("doctor").stdout;
    for what in [
        "good  libvirt: qemu:///system answers",
        "heeds image locks",
        "nothing is unfinished",
    ] {
        assert!(said.contains(what), "{said}");
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_base_that_changed_is_noticed_by_everything() {
    let lab = Lab::new("changed");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    overwrite(&lab);
    lab.fails(9, &format!("start -d {clone}"));
    lab.fails(9, &format!("clone -d {} {}", lab.golden, lab.name("b")));
    lab.fails(9, &format!("base verify -d {}", lab.golden));
    assert!(lab.ok("base list").stdout.contains("changed"));
    assert_eq!(lab.clones(), [clone]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_base_that_was_replaced_moved_or_cut_is_noticed() {
    let lab = Lab::new("replaced");
    let clone = lab.name("a");
    lab.ok(&format!("base seal -d {}", lab.golden));
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    let (image, aside) = (lab.image(), lab.dir.join("aside"));
    vmkin::image::unseal(&image, 0o644).unwrap();

    fs::rename(&image, &aside).unwrap();
    let missing = lab.fails(9, &format!("start -d {clone}"));
    assert!(missing.stderr.contains("missing"), "{}", missing.stderr);
    lab.fails(9, &format!("base verify {}", image.display()));

    tool(
        "cp",
        &[
            "--preserve=all",
            &aside.display().to_string(),
            &image.display().to_string(),
        ],
    );
    lab.fails(9, &format!("start -d {clone}"));
    // The same bytes after all: a comparison of the whole contents accepts it.
    lab.ok(&format!("base verify {}", image.display()));
    lab.ok(&format!("start -d {clone}"));
    lab.ready(&clone);
    lab.virsh_destroy(&clone);

    fs::remove_file(&image).unwrap();
    fs::rename(&aside, &image).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.set_len(file.metadata().unwrap().len() - 65536)
        .unwrap();
    lab.fails(9, &format!("start -d {clone}"));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_image_locks_keep_others_out_and_others_keep_us_out() {
    let lab = Lab::new("locks");
    let image = lab.image();
    {
        // What vmkin holds while it clones.
        let _guard = Guard::base(&image).unwrap();
        let refused = lab.virsh_start(&lab.golden).unwrap_err();
        assert!(refused.contains("lock"), "{refused}");
        lab.ok(&format!(
            "clone -d {} {} --no-seal",
            lab.golden,
            lab.name("a")
        ));
    }
    {
        // What a tool that writes holds.
        let _lease = Lease::exclusive(&image).unwrap();
        lab.fails(7, &format!("clone -d {} {}", lab.golden, lab.name("b")));
    }
    // A guest that writes to the image, by another domain's name.
    let other = lab
        .golden_xml()
        .replace(
            &format!("<name>{}</name>", lab.golden),
            &format!("<name>{}</name>", lab.name("other")),
        )
        .lines()
        .filter(|line| !line.contains("<uuid>") && !line.contains("<mac "))
        .collect::<Vec<_>>()
        .join("\n");
    lab.ok(&format!("delete --yes -d {}", lab.name("a")));
    lab.define(&other);
    lab.virsh_start(&lab.name("other")).unwrap();
    lab.fails(7, &format!("clone -d {} {}", lab.golden, lab.name("b")));
    lab.virsh_destroy(&lab.name("other"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_snapshots_files_go_with_the_guest_and_the_base_stays() {
    let lab = Lab::new("snapfiles");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    tool(
        "virsh",
        &["-q", "snapshot-create-as", &clone, "s1", "--disk-only"],
    );
    assert_eq!(lab.files().len(), 3);
    lab.fails(4, &format!("delete --yes -d {clone}"));
    lab.ok(&format!("delete --yes --snapshots -d {clone}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
