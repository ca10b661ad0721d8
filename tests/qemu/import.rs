//! Guests of images that are no domain's yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::debian::distinct;
use crate::faults::whole_or_nothing;
use crate::lab::{Lab, Look, look, tool};

/// The words for the disk of guests that have the golden image as their base.
fn on_the_base(lab: &Lab) -> String {
    format!("--disk backing={}", lab.image().display())
}

/// Whether `virt-xml-validate` and libvirt, which has it, agree with the XML.
#[track_caller]
fn is_valid(lab: &Lab, name: &str) {
    let file = lab.dir.join("valid.xml");
    fs::write(&file, lab.xml(name)).unwrap();
    tool(
        "virt-xml-validate",
        &[&file.display().to_string(), "domain"],
    );
    fs::remove_file(file).unwrap();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_an_image_that_is_named_is_the_disk_of_its_guest() {
    let lab = Lab::new("direct");
    let name = lab.name("one");
    let disk = lab.dir.join("disk.qcow2");
    fs::copy(lab.image(), &disk).unwrap();
    lab.import(&format!(
        "--name {name} --memory 256 --disk path={} --console pty,log={} --autostart --start",
        disk.display(),
        lab.dir.join(format!("{name}.log")).display()
    ));
    let guest = lab.ready(&name);
    let facts = lab.facts(&name);
    assert_eq!(guest["mac"], facts.nics[0].mac.unwrap().to_string());
    assert_eq!(lab.ok(&format!("ip -d {name}")).stdout.trim(), guest["ip"]);
    let autostart = tool("virsh", &["dominfo", &name]);
    assert!(
        autostart
            .lines()
            .any(|line| line.split_whitespace().eq(["Autostart:", "enable"])),
        "{autostart}"
    );
    is_valid(&lab, &name);
    lab.ok(&format!("shutdown -d {name} --wait --timeout 3m"));
    // It was there before its guest, and stays when that goes.
    lab.ok(&format!("delete --yes -d {name}"));
    assert_eq!(lab.files(), ["disk.qcow2", "golden.qcow2"]);
    assert_ne!(look(&disk).sha256, look(&lab.image()).sha256);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_three_lean_guests_of_one_base_boot_and_leave_it_as_it_is() {
    let lab = Lab::new("lean");
    let before = look(&lab.image());
    lab.import(&format!(
        "--name {} --count 3 --template lean {} --console pty,log={}/{{name}}.log",
        lab.name("{n}"),
        on_the_base(&lab),
        lab.dir.display()
    ));
    let clones = lab.clones();
    assert_eq!(clones.len(), 3);
    for name in &clones {
        lab.same_contents(name, &lab.image());
        is_valid(&lab, name);
    }
    let all = clones.join(" ");
    let started = lab.ok(&format!("start -d {all} --wait-ip=5m"));
    let guests = clones.iter().map(|name| {
        let guest = lab.ready(name);
        assert_eq!(
            guest["mac"],
            lab.facts(name).nics[0].mac.unwrap().to_string()
        );
        assert!(
            started
                .stdout
                .contains(&format!("{name} {}\n", guest["ip"])),
            "{}",
            started.stdout
        );
        guest
    });
    distinct(&guests.collect::<Vec<_>>(), &["ip", "mac"]);

    let sealed = look(&lab.image());
    assert_eq!(sealed.mode, 0o444);
    let mode = before.mode;
    assert_eq!(Look { mode, ..sealed }, before);
    lab.ok(&format!("shutdown -d {all} --wait --timeout 3m"));
    for name in &clones {
        let overlay = lab.dir.join(format!("{name}.qcow2"));
        let overlay = overlay.display().to_string();
        tool("qemu-img", &["check", "-f", "qcow2", &overlay]);
    }
    lab.ok(&format!("delete --yes -d {all}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
    lab.ok(&format!("base unseal {}", lab.image().display()));
    assert_eq!(look(&lab.image()), before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_after_a_kill_an_import_is_whole_or_not_there() {
    let lab = Lab::new("importkill");
    let before = look(&lab.image());
    let import = format!(
        "--name {} --count 3 --template lean {}",
        lab.name("{n}"),
        on_the_base(&lab)
    );
    for step in ["clone.file", "clone.renamed", "clone.defined"] {
        for nth in 1..=3 {
            let point = format!("{step}@{nth}=kill");
            let ran = lab.import_with(&point, &import);
            assert_eq!(ran.code, None, "{point} was not reached: {}", ran.stderr);
            lab.ok("recover");
            whole_or_nothing(&lab, &before, &point);
            if !lab.clones().is_empty() {
                lab.ok(&format!("delete --yes -d {}", lab.clones().join(" ")));
                lab.ok(&format!("base unseal {}", lab.image().display()));
            }
            assert_eq!(look(&lab.image()), before, "after {point}");
        }
    }
    lab.import(&import);
    whole_or_nothing(&lab, &before, "nothing");
    assert_eq!(lab.clones().len(), 3);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_with_uefi_comes_up_and_takes_its_variables_with_it() {
    let lab = Lab::new("uefi");
    let name = lab.name("one");
    let log = lab.dir.join(format!("{name}.log"));
    lab.ok(&format!(
        "import --name {name} --memory 256 --disk size=1 --dir {} --network none --boot uefi \
         --console pty,log={} --start",
        lab.dir.display(),
        log.display()
    ));
    let since = Instant::now();
    loop {
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // What the firmware has to say when there is nothing on the disk.
        if text.contains("BdsDxe") {
            break;
        }
        let limit = Duration::from_secs(180);
        assert!(since.elapsed() < limit, "no firmware: {text}");
        sleep(Duration::from_millis(200));
    }
    let nvram = lab.facts(&name).nvram.unwrap().path.unwrap();
    assert!(nvram.is_file(), "{}", nvram.display());
    lab.ok(&format!("delete --yes --force -d {name}"));
    assert!(!nvram.exists(), "{}", nvram.display());
    assert_eq!(lab.clones(), [""; 0]);
    assert_eq!(lab.files(), ["golden.qcow2"]);
}

/// The shipped templates, and that of the examples.
fn templates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> = fs::read_dir(root.join("templates/domain"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    all.push(root.join("examples/lab.xml.hbs"));
    all.sort();
    assert!(all.len() > 5, "{all:?}");
    all
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_what_each_template_makes_is_valid() {
    let lab = Lab::new("templates");
    for (n, template) in templates().iter().enumerate() {
        let plain = lab.name(&format!("{n}-plain"));
        let rich = lab.name(&format!("{n}-rich"));
        let import = format!(
            "import --template {} {} --disk size=1,bus=sata,serial=two --dir {}",
            template.display(),
            on_the_base(&lab),
            lab.dir.display()
        );
        lab.ok(&format!("{import} --name {plain}"));
        let mut more = "--vcpus 2,maxvcpus=4 --title a&b --network network=default,mtu=1400 \
             --boot uefi,menu=on --tpm default --graphics vnc --hostname h"
            .to_owned();
        if template.ends_with("lab.xml.hbs") {
            more.push_str(" --set role=<one>");
        }
        lab.ok(&format!("{import} --name {rich} {more}"));
        for name in [plain, rich] {
            is_valid(&lab, &name);
            lab.ok(&format!("delete --yes -d {name}"));
        }
    }
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
