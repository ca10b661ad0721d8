//! Snapshots of guests on a real libvirtd, beside virsh and `qemu-img`.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use vmkin::model::{Disk, DiskSource};

use crate::lab::{Lab, Ran, look, tool};

/// A guest without an operating system, with so many disks and UEFI variables.
pub struct Bare {
    pub lab: Lab,
    pub name: String,
    pub disks: Vec<PathBuf>,
    /// In a raw file, or in a qcow2 image.
    variables: Option<PathBuf>,
}

/// Which UEFI variables a guest has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variables {
    None,
    Raw,
    Qcow2,
}

const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

impl Bare {
    pub fn new(test: &str, disks: usize, variables: Variables) -> Self {
        let names: Vec<String> = (0..disks).map(|n| format!("disk, {n}.qcow2")).collect();
        Self::on(test, &names, variables)
    }

    /// The same with disks at these places in the directory of the lab.
    pub fn on(test: &str, disks: &[String], variables: Variables) -> Self {
        let lab = Lab::new(test);
        let name = lab.name("bare");
        let disks: Vec<PathBuf> = disks
            .iter()
            .map(|place| {
                let path = lab.dir.join(place);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                tool(
                    "qemu-img",
                    &["create", "-q", "-f", "qcow2", text(&path), "8M"],
                );
                path
            })
            .collect();
        let file = lab.dir.join(match variables {
            Variables::Qcow2 => "vars.qcow2",
            _ => "vars.fd",
        });
        let format = if variables == Variables::Qcow2 {
            "qcow2"
        } else {
            "raw"
        };
        let mut os = "<type arch='x86_64' machine='q35'>hvm</type>".to_owned();
        if variables != Variables::None {
            tool(
                "qemu-img",
                &["convert", "-f", "raw", "-O", format, VARS, text(&file)],
            );
            os.push_str(&format!(
                "<loader readonly='yes' type='pflash' format='raw'>{CODE}</loader>\
                 <nvram format='{format}'>{}</nvram>",
                file.display()
            ));
        }
        let mut devices = String::new();
        for (path, letter) in disks.iter().zip('a'..) {
            devices.push_str(&format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='{}'/><target dev='vd{letter}' bus='virtio'/></disk>",
                path.display()
            ));
        }
        lab.define(&format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
             <os>{os}</os><features><acpi/></features><devices>{devices}\
             <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>\
             <graphics type='vnc' listen='127.0.0.1' passwd='hunter22'/>\
             <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"
        ));
        let bare = Self {
            lab,
            name,
            disks,
            variables: (variables != Variables::None).then_some(file),
        };
        bare.write(1);
        bare
    }

    fn is_raw(path: &Path) -> bool {
        path.extension().is_some_and(|e| e == "fd")
    }

    /// The images that the disks are now.
    pub fn images(&self) -> Vec<PathBuf> {
        let facts = self.lab.facts(&self.name);
        let own = facts.disks.into_iter().filter(Disk::is_private);
        let disks = own.filter_map(|disk| match disk.source {
            DiskSource::File(path) => Some(path),
            _ => None,
        });
        disks.collect()
    }

    /// The guest and its firmware write to all that they have.
    pub fn write(&self, what: u8) {
        let write = format!("write -P {what} 0 1M");
        for disk in self.images() {
            tool("qemu-io", &["-f", "qcow2", "-c", &write, text(&disk)]);
        }
        if let Some(file) = &self.variables {
            let format = if Self::is_raw(file) { "raw" } else { "qcow2" };
            let write = format!("write -P {what} 64k 64k");
            tool("qemu-io", &["-f", format, "-c", &write, text(file)]);
        }
    }

    /// What the guest would find on its disks and in its variables, hashed.
    pub fn sees(&self) -> Vec<String> {
        let all = self.images().into_iter().chain(self.variables.clone());
        at_once(all.collect(), |path| {
            let raw = path.with_extension("seen");
            let format = if Self::is_raw(path) { "raw" } else { "qcow2" };
            tool(
                "qemu-img",
                &["convert", "-f", format, "-O", "raw", text(path), text(&raw)],
            );
            let hash = Sha256::digest(fs::read(&raw).unwrap());
            fs::remove_file(raw).unwrap();
            hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
        })
    }

    /// The names of the snapshots in each image; they are sound too.
    pub fn tags(&self) -> Vec<Vec<String>> {
        let variables = self.variables.iter().filter(|path| !Self::is_raw(path));
        let images = self.disks.iter().chain(variables).cloned();
        at_once(images.collect(), tags)
    }

    /// The names of the snapshots that libvirt has on record.
    pub fn recorded(&self) -> Vec<String> {
        let names = tool("virsh", &["snapshot-list", &self.name, "--name"]);
        names
            .lines()
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub fn virsh(&self, args: &[&str]) -> String {
        tool("virsh", &[&["-q"], args].concat())
    }

    pub fn snapshot(&self, what: &str, name: &str) -> Ran {
        let args = ["snapshot", what, "--yes", "-d", &self.name, "--", name];
        self.lab.vmkin_args(&args)
    }

    #[track_caller]
    pub fn ok(&self, what: &str, name: &str) {
        let ran = self.snapshot(what, name);
        assert_eq!(ran.code, Some(0), "{what} {name}: {}", ran.stderr);
    }

    pub fn list(&self) -> serde_json::Value {
        let ran = self
            .lab
            .ok(&format!("--json snapshot list -d {}", self.name));
        serde_json::from_str(&ran.stdout).unwrap()
    }

    pub fn current(&self) -> String {
        self.virsh(&["snapshot-current", &self.name, "--name"])
            .trim()
            .to_owned()
    }
}

/// Asks the same of several images at once, for each answer takes a program or two.
fn at_once<T: Send>(images: Vec<PathBuf>, ask: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let ask = &ask;
        let asked: Vec<_> = images
            .iter()
            .map(|path| scope.spawn(move || ask(path)))
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn tags(path: &Path) -> Vec<String> {
    tool("qemu-img", &["check", "-q", "-f", "qcow2", text(path)]);
    let info = tool(
        "qemu-img",
        &["info", "--output=json", "-f", "qcow2", text(path)],
    );
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let tags = info["snapshots"].as_array().cloned().unwrap_or_default();
    tags.iter()
        .map(|tag| tag["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
#[ignore = "needs the private libvirtd"]
fn virsh_and_vmkin_handle_what_the_other_has_made() {
    let bare = Bare::new("snap-both", 2, Variables::Raw);
    let one = bare.sees();
    bare.ok("create", "ours");
    // virsh sees it: the name, that it is the current one, the disks.
    assert_eq!(bare.recorded(), ["ours"]);
    assert_eq!(bare.current(), "ours");
    let info = bare.virsh(&["snapshot-info", &bare.name, "ours"]);
    assert!(
        info.contains("internal") && info.contains("shutoff"),
        "{info}"
    );
    bare.write(2);
    let two = bare.sees();
    bare.virsh(&["snapshot-create-as", &bare.name, "theirs"]);
    let list = bare.list();
    assert_eq!(list["snapshots"][1]["name"], "theirs");
    assert_eq!(list["snapshots"][1]["parent"], "ours");
    assert_eq!(list["snapshots"][1]["current"], true);
    assert_eq!(list["snapshots"][1]["images"].as_array().unwrap().len(), 2);
    bare.write(3);
    // Ours applied by virsh, which leaves raw variables out.
    bare.virsh(&["snapshot-revert", &bare.name, "ours"]);
    assert_eq!(bare.sees()[..2], one[..2]);
    assert_ne!(bare.sees()[2], one[2]);
    let secure = bare.virsh(&["dumpxml", "--security-info", &bare.name]);
    assert!(secure.contains("passwd='hunter22'"), "{secure}");
    // Theirs applied by us, and we say that there is no copy of the variables.
    let ran = bare.snapshot("apply", "theirs");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("this snapshot has no copy of them"),
        "{}",
        ran.stderr
    );
    assert_eq!(bare.sees()[..2], two[..2]);
    assert_eq!(bare.current(), "theirs");
    bare.ok("apply", "ours");
    assert_eq!(bare.sees(), one);
    assert_eq!(bare.current(), "ours");
    // Each deletes what the other has made.
    bare.ok("delete", "theirs");
    bare.virsh(&["snapshot-delete", &bare.name, "ours"]);
    assert!(bare.recorded().is_empty());
    assert_eq!(bare.tags(), [[""; 0]; 2]);
    // What only qemu-img knows.
    for disk in &bare.disks {
        tool("qemu-img", &["snapshot", "-c", "bare", text(disk)]);
    }
    let seen = bare.sees();
    assert_eq!(bare.list()["snapshots"][0]["recorded"], false);
    bare.write(4);
    bare.ok("apply", "bare");
    assert_eq!(bare.sees()[..2], seen[..2]);
    bare.ok("delete", "bare");
    assert_eq!(bare.tags(), [[""; 0]; 2]);
    // What qemu-img has deleted behind libvirt's back.
    bare.ok("create", "half");
    tool(
        "qemu-img",
        &["snapshot", "-d", "half", text(&bare.disks[1])],
    );
    assert_eq!(bare.list()["snapshots"][0]["missing"][0], "vdb");
    let before = look(&bare.disks[0]);
    let ran = bare.snapshot("apply", "half");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert_eq!(look(&bare.disks[0]), before);
    bare.ok("delete", "half");
    assert!(bare.recorded().is_empty());
}

#[test]
#[ignore = "needs the private libvirtd"]
fn the_definition_goes_back_too_and_parents_are_kept() {
    let bare = Bare::new("snap-xml", 1, Variables::None);
    let before = bare.lab.xml(&bare.name);
    for name in ["a", "b", "c"] {
        bare.ok("create", name);
    }
    bare.ok("apply", "b");
    bare.ok("create", "d");
    let tree = bare.virsh(&["snapshot-list", &bare.name, "--tree"]);
    let tree: Vec<&str> = tree
        .split_whitespace()
        .filter(|word| !matches!(*word, "|" | "+-"))
        .collect();
    assert_eq!(tree, ["a", "b", "c", "d"]);
    let parent = |name| {
        bare.virsh(&["snapshot-parent", &bare.name, name])
            .trim()
            .to_owned()
    };
    assert_eq!((parent("c"), parent("d")), ("b".to_owned(), "b".to_owned()));
    bare.virsh(&["setmaxmem", &bare.name, "64M", "--config"]);
    assert_ne!(bare.lab.xml(&bare.name), before);
    let ran = bare
        .lab
        .ok(&format!("--json snapshot apply --yes -d {} a", bare.name));
    assert!(ran.stdout.contains("\"redefines\": true"), "{}", ran.stdout);
    assert_eq!(bare.lab.xml(&bare.name), before);
    assert_eq!(bare.tags(), [["a", "b", "c", "d"]]);
    // Children of what is deleted are those of its parent.
    bare.ok("delete", "b");
    assert_eq!(parent("c"), "a");
    // A disk that was another image then cannot go back.
    let other = bare.lab.dir.join("other.qcow2");
    fs::copy(&bare.disks[0], &other).unwrap();
    bare.lab
        .define(&before.replace("disk, 0.qcow2", "other.qcow2"));
    let image = look(&other);
    let ran = bare.snapshot("apply", "a");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("must be that again"), "{}", ran.stderr);
    assert_eq!(look(&other), image);
}

/// A disk that several guests write to has no part in a snapshot, and stays
/// out of it when virsh goes back to it.
#[test]
#[ignore = "needs the private libvirtd"]
fn shared_disks_are_left_out() {
    let bare = Bare::new("snap-shared", 1, Variables::None);
    let shared = bare.lab.dir.join("shared.img");
    fs::write(&shared, vec![1; 1 << 20]).unwrap();
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vdz' bus='virtio'/><shareable/></disk></devices>",
        shared.display()
    );
    bare.lab
        .define(&bare.lab.xml(&bare.name).replace("</devices>", &disk));
    let one = bare.sees();
    bare.ok("create", "s1");
    let before = look(&shared);
    for by_virsh in [false, true] {
        bare.write(2);
        if by_virsh {
            bare.virsh(&["snapshot-revert", &bare.name, "s1"]);
        } else {
            bare.ok("apply", "s1");
        }
        assert_eq!(bare.sees(), one, "by virsh: {by_virsh}");
        assert_eq!(look(&shared), before);
    }
    bare.ok("delete", "s1");
    assert!(bare.recorded().is_empty());
}

#[test]
#[ignore = "needs the private libvirtd"]
fn uefi_variables_come_back() {
    for variables in [Variables::Raw, Variables::Qcow2] {
        let bare = Bare::new(&format!("snap-{variables:?}").to_lowercase(), 1, variables);
        let owner = look(bare.variables.as_ref().unwrap()).owner;
        let one = bare.sees();
        bare.ok("create", "s1");
        bare.write(2);
        let two = bare.sees();
        bare.ok("create", "s2");
        bare.write(3);
        bare.ok("apply", "s1");
        assert_eq!(bare.sees(), one, "{variables:?}");
        assert_eq!(look(bare.variables.as_ref().unwrap()).owner, owner);
        bare.ok("apply", "s2");
        assert_eq!(bare.sees(), two, "{variables:?}");
        // The guest starts with what was put there.
        bare.lab.ok(&format!("start -d {}", bare.name));
        bare.lab.virsh_destroy(&bare.name);
        bare.ok("delete", "s1");
        bare.ok("delete", "s2");
        assert!(
            !bare
                .lab
                .files()
                .iter()
                .any(|name| name.contains("snapshot"))
        );
        bare.ok("create", "s3");
        bare.lab.ok(&format!(
            "delete --yes --force --remove-all-storage -d {}",
            bare.name
        ));
        assert!(
            !bare.lab.files().iter().any(|name| name.contains("vars")),
            "{variables:?}"
        );
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn what_runs_or_is_saved_keeps_its_disks() {
    let bare = Bare::new("snap-states", 2, Variables::None);
    bare.ok("create", "s1");
    bare.write(2);
    let refused = |says: &str| {
        let before: Vec<_> = bare.disks.iter().map(|disk| look(disk)).collect();
        for (what, name) in [("create", "s2"), ("apply", "s1"), ("delete", "s1")] {
            let ran = bare.snapshot(what, name);
            assert_eq!(ran.code, Some(4), "{what}: {}", ran.stderr);
            assert!(ran.stderr.contains(says), "{what}: {}", ran.stderr);
        }
        // To look is allowed.
        assert_eq!(bare.list()["snapshots"][0]["name"], "s1");
        let after: Vec<_> = bare.disks.iter().map(|disk| look(disk)).collect();
        assert_eq!(before, after, "{says}");
        assert_eq!(bare.recorded(), ["s1"]);
    };
    bare.lab.virsh_start(&bare.name).unwrap();
    refused("is running, and must be shut off");
    bare.virsh(&["suspend", &bare.name]);
    refused("is paused, and must be shut off");
    bare.virsh(&["managedsave", &bare.name]);
    refused("is saved, and must be shut off");
    bare.virsh(&["managedsave-remove", &bare.name]);
    bare.ok("apply", "s1");
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_guest_that_starts_meanwhile_finds_its_disks_locked() {
    let bare = Bare::new("snap-start", 2, Variables::None);
    bare.ok("create", "s1");
    bare.write(2);
    let gate = bare.lab.dir.join("snapshot.applied");
    let waits = std::thread::scope(|scope| {
        let args = format!("snapshot apply --yes -d {} s1", bare.name);
        let lab = &bare.lab;
        let run = scope.spawn(move || lab.vmkin_with("snapshot.applied=wait", &args));
        while !gate.exists() {
            std::thread::yield_now();
        }
        // One disk has gone back, and the other has not.
        let error = bare.lab.virsh_start(&bare.name).unwrap_err();
        assert!(error.contains("lock"), "{error}");
        fs::remove_file(&gate).unwrap();
        run.join().unwrap()
    });
    assert_eq!(waits.code, Some(0), "{}", waits.stderr);
    bare.lab.virsh_start(&bare.name).unwrap();
}

#[test]
#[ignore = "needs the private libvirtd"]
fn names_with_odd_characters_mean_what_they_say() {
    let bare = Bare::new("snap-names", 1, Variables::Raw);
    let one = bare.sees();
    let long = "\u{e4}".repeat(60);
    for name in [
        "a b",
        "<x>&\"'",
        "a,b",
        "\u{4e2d}\u{e4}",
        "a;$(id)`id`",
        "%s%n",
        "1a",
        "a=b",
        &long,
    ] {
        bare.ok("create", name);
        assert_eq!(bare.recorded(), [name]);
        assert_eq!(bare.tags(), [[name]]);
        bare.write(2);
        bare.virsh(&["snapshot-revert", &bare.name, name]);
        bare.write(3);
        bare.ok("apply", name);
        assert_eq!(bare.sees(), one, "{name}");
        bare.ok("delete", name);
        assert_eq!(bare.tags(), [[""; 0]]);
    }
    // Stranger ones that virsh makes.
    for name in ["-lead", " sp ", "t\tb", "n\nl"] {
        let with_name = format!("--name={name}");
        bare.virsh(&["snapshot-create-as", &bare.name, &with_name]);
        bare.write(2);
        let ran = bare.lab.ok(&format!("snapshot list -d {}", bare.name));
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
        bare.ok("apply", name);
        assert_eq!(bare.sees()[0], one[0], "{name:?}");
        bare.ok("delete", name);
        assert!(bare.recorded().is_empty(), "{name:?}");
    }
    // virsh goes by the id where the name is one; we do not.
    for what in [1, 2] {
        bare.write(what);
        let name = if what == 1 { "first" } else { "1" };
        bare.virsh(&["snapshot-create-as", &bare.name, name]);
    }
    bare.write(3);
    bare.ok("apply", "1");
    assert_ne!(bare.sees()[0], one[0]);
    bare.ok("apply", "first");
    assert_eq!(bare.sees()[0], one[0]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn two_hundred_snapshots_in_one_image() {
    let bare = Bare::new("snap-many", 1, Variables::None);
    let mut seen = Vec::new();
    for n in 0..200_u8 {
        bare.write(n);
        if n % 50 == 7 {
            seen.push((n, bare.sees()));
        }
        bare.ok("create", &format!("s{n}"));
    }
    let list = bare.list();
    let listed = list["snapshots"].as_array().unwrap();
    assert_eq!(listed.len(), 200);
    assert_eq!(listed[199]["depth"], 199);
    assert_eq!(bare.recorded().len(), 200);
    for (n, sees) in &seen {
        bare.ok("apply", &format!("s{n}"));
        assert_eq!(bare.sees(), *sees, "s{n}");
    }
    bare.ok("delete", "s100");
    assert_eq!(bare.tags()[0].len(), 199);
}
