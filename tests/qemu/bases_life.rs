//! What becomes of a base while guests are on it, booted before and after.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Lab, tool};

fn backing_of(path: &Path) -> Option<String> {
    let json = tool(
        "qemu-img",
        &["info", "-U", "--output=json", &path.display().to_string()],
    );
    let info: serde_json::Value = serde_json::from_str(&json).unwrap();
    info["backing-filename"].as_str().map(str::to_owned)
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_boots_on_a_base_that_has_moved_and_then_without_it() {
    let lab = Lab::new("life");
    let names = ["a", "b"].map(|name| lab.name(name));
    let [a, b] = &names;
    lab.ok(&format!("clone -d {} {a} {b}", lab.golden));
    lab.ok(&format!("snapshot create -d {a} s1"));
    lab.virsh_start_paused(a).unwrap();
    let (from, dir) = (lab.image(), lab.dir.join("moved"));
    fs::create_dir(&dir).unwrap();
    let to = dir.join("base.qcow2");
    let moving = format!("base move {} {}", from.display(), to.display());
    lab.fails(4, &moving);
    lab.virsh_destroy(a);
    // Killed when one of the two has followed: both start, whoever asks.
    let killed = lab.vmkin_with("move.defined=kill", &moving);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    assert!(from.exists() && to.exists());
    lab.virsh_start(b).unwrap();
    lab.ready(b);
    lab.virsh_destroy(b);
    lab.ok("recover");
    assert!(!from.exists());
    assert_eq!(lab.journals(), 0);
    for name in &names {
        let facts = lab.facts(name);
        let base = &facts.lineage.unwrap().disks[0].bases[0];
        assert_eq!(base.path, to);
        let declared = format!("{:?}", facts.disks[0].declared);
        assert!(declared.contains(&to.display().to_string()), "{declared}");
    }
    // What is on record of the snapshot has followed, and is gone back to by libvirt
    // and by vmkin.
    let record = tool("virsh", &["snapshot-dumpxml", a, "s1"]);
    assert!(record.contains(&to.display().to_string()), "{record}");
    assert!(!record.contains(&from.display().to_string()), "{record}");
    tool("virsh", &["snapshot-revert", a, "s1"]);
    lab.ok(&format!("snapshot apply --yes -d {a} s1"));
    lab.ok(&format!("snapshot delete --yes -d {a} s1"));
    lab.ok(&format!("start -d {a}"));
    lab.ready(a);
    lab.fails(6, &format!("start -d {}", lab.golden));
    lab.ok(&format!("base verify -d {}", lab.golden));

    // While it runs, and while it does not.
    let disk = |name: &str| lab.dir.join(format!("{name}.qcow2"));
    assert!(backing_of(&disk(a)).is_some());
    lab.ok(&format!("flatten -d {a}"));
    assert_eq!(backing_of(&disk(a)), None);
    assert!(lab.is_active(a));
    lab.ok(&format!("flatten -d {b}"));
    assert_eq!(backing_of(&disk(b)), None);
    for name in &names {
        let facts = lab.facts(name);
        assert!(facts.disks[0].declared.is_empty(), "{:?}", facts.disks);
        assert!(facts.lineage.unwrap().disks[0].bases.is_empty());
    }
    lab.virsh_destroy(a);
    assert_eq!(
        lab.ok(&format!("base children -d {}", lab.golden)).stdout,
        ""
    );
    // Nothing is left to lean on.
    lab.ok(&format!("base unseal -d {}", lab.golden));
    fs::write(&to, vec![0; 1 << 20]).unwrap();
    for name in &names {
        lab.virsh_start(name).unwrap();
        lab.ready(name);
        lab.virsh_destroy(name);
    }
    // And they are golden themselves, if that is wanted.
    lab.ok(&format!("promote -d {a}"));
    lab.fails(6, &format!("start -d {a}"));
    lab.virsh_start(a).unwrap_err();
    lab.ok(&format!("clone -d {a} {} --start", lab.name("c")));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_boots_on_another_base_with_what_it_has_written() {
    let lab = Lab::new("onto");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    lab.ok(&format!("start -d {clone}"));
    lab.ready(&clone);
    lab.virsh_destroy(&clone);
    let disk = lab.dir.join(format!("{clone}.qcow2"));
    let read = |image: &Path, name: &str| {
        let path = lab.dir.join(name);
        let (from, to) = (image.display().to_string(), path.display().to_string());
        tool(
            "qemu-img",
            &["convert", "-f", "qcow2", "-O", "raw", &from, &to],
        );
        fs::read(path).unwrap()
    };
    let raw = |name: &str| read(&disk, name);
    let before = raw("before.raw");
    let new = lab.dir.join("next.qcow2");
    fs::copy(lab.image(), &new).unwrap();
    // The mode came along, and that of a base is that of a seal.
    vmkin::image::unseal(&new, 0o644).unwrap();
    let write = "write -P 9 1M 256k";
    tool(
        "qemu-io",
        &["-f", "qcow2", "-c", write, &new.display().to_string()],
    );
    let rebase = format!(
        "base rebase {} --onto {}",
        lab.image().display(),
        new.display()
    );
    lab.ok(&rebase);
    assert_eq!(backing_of(&disk), Some(new.display().to_string()));
    assert!(
        raw("after.raw") == before,
        "the guest would see a difference"
    );
    let facts = lab.facts(&clone);
    assert_eq!(facts.lineage.unwrap().disks[0].bases[0].path, new);
    lab.ok(&format!("base verify {}", new.display()));
    lab.ok(&format!("start -d {clone}"));
    lab.ready(&clone);
    lab.virsh_destroy(&clone);

    // Back by itself, there again, and then into its base.
    let before = raw("before.raw");
    for onto in [lab.image(), new.clone()] {
        let onto_it = format!("--onto {} --onto-format qcow2", onto.display());
        lab.ok(&format!("disk rebase -d {clone} {onto_it}"));
        let facts = lab.facts(&clone);
        assert_eq!(facts.lineage.unwrap().disks[0].bases[0].path, onto);
        assert!(raw("after.raw") == before, "{onto_it}");
    }
    // By its header alone, onto a copy and back, killed and finished.
    let copy = lab.dir.join("copy.qcow2");
    fs::copy(&new, &copy).unwrap();
    for onto in [&copy, &new] {
        let onto_it = format!("--onto {} --onto-format qcow2", onto.display());
        let rebase = format!("disk rebase --unsafe -d {clone} {onto_it}");
        let killed = lab.vmkin_with("rename.committed=kill", &rebase);
        assert_eq!(killed.code, None, "{}", killed.stderr);
        lab.ok("recover");
        assert_eq!(backing_of(&disk), Some(onto.display().to_string()));
        let facts = lab.facts(&clone);
        assert_eq!(facts.lineage.unwrap().disks[0].bases[0].path, *onto);
        assert!(raw("after.raw") == before, "{onto_it}");
    }
    let commit = format!("disk commit -d {clone}");
    lab.fails(6, &commit);
    lab.ok(&format!("base unseal --force --yes {}", new.display()));
    let killed = lab.vmkin_with("commit.merged=kill", &commit);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    lab.ok("recover");
    assert!(raw("after.raw") == before, "killed");
    // What is known of the base follows it, or nobody could start the guest.
    let base = lab.facts(&clone).lineage.unwrap().disks.remove(0).bases;
    assert_eq!(base[0].identity, vmkin::image::identity(&new).unwrap());
    lab.ok(&commit);
    assert!(!disk.exists());
    assert!(read(&new, "after.raw") == before, "committed");
    let facts = lab.facts(&clone);
    let source = format!("{:?}", facts.disks[0].source);
    assert!(source.contains(&new.display().to_string()), "{source}");
    assert!(facts.lineage.unwrap().disks.is_empty());
    assert_eq!(lab.journals(), 0);
    lab.ok(&format!("start -d {clone}"));
    lab.ready(&clone);
}

/// Fifty clones of the golden domain, each with data of its own.
struct Family {
    names: Vec<String>,
    disks: Vec<PathBuf>,
    /// What they have in their clusters, without the header that names the base.
    data: Vec<Vec<u8>>,
}

impl Family {
    fn new(lab: &Lab) -> Self {
        lab.ok(&format!(
            "clone -d {} {} --count 50",
            lab.golden,
            lab.name("c{n:02}")
        ));
        let names: Vec<String> = (1..=50).map(|n| lab.name(&format!("c{n:02}"))).collect();
        let disks: Vec<PathBuf> = names
            .iter()
            .map(|name| lab.dir.join(format!("{name}.qcow2")))
            .collect();
        for (n, disk) in disks.iter().enumerate() {
            let write = format!("write -P {} {n}M 64k", n + 1);
            tool(
                "qemu-io",
                &["-f", "qcow2", "-c", &write, &disk.display().to_string()],
            );
        }
        let mut family = Self {
            names,
            disks,
            data: Vec::new(),
        };
        family.data = family.clusters();
        family
    }

    fn clusters(&self) -> Vec<Vec<u8>> {
        let clusters = |disk: &PathBuf| fs::read(disk).unwrap().split_off(1 << 16);
        self.disks.iter().map(clusters).collect()
    }

    /// How many are on this image, and that no other is on anything but these two.
    fn on(&self, one: &Path, other: &Path) -> usize {
        let [one, other] = [one, other].map(|path| path.display().to_string());
        let bases = self.disks.iter().map(|disk| backing_of(disk).unwrap());
        let (on, not): (Vec<_>, Vec<_>) = bases.partition(|base| *base == one);
        assert!(not.iter().all(|base| *base == other), "{not:?}");
        on.len()
    }

    /// Whether libvirt has all of them on this image and nothing of the other.
    fn are_defined_on(&self, lab: &Lab, one: &Path, other: &Path) {
        let [one, other] = [one, other].map(|path| path.display().to_string());
        for name in &self.names {
            let xml = lab.xml(name);
            assert!(xml.contains(&one) && !xml.contains(&other), "{xml}");
        }
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn fifty_children_have_their_base_wherever_its_move_is_killed() {
    let lab = Lab::new("fifty");
    let family = Family::new(&lab);
    let dir = lab.dir.join("moved");
    fs::create_dir(&dir).unwrap();
    let mut places = [lab.image(), dir.join("base.qcow2")];
    for step in [
        "journal",
        "opened",
        "locked",
        "named",
        "committed",
        "overlay@25",
        "defined@25",
        "recorded",
        "removed",
    ] {
        let [from, to] = &places;
        let moving = format!("base move {} {}", from.display(), to.display());
        let killed = lab.vmkin_with(&format!("move.{step}=kill"), &moving);
        assert_eq!(killed.code, None, "{step}: {}", killed.stderr);
        let on = family.on(to, from);
        for (path, children) in [(from, 50 - on), (to, on)] {
            assert!(children == 0 || path.exists(), "{step}: {children}");
        }
        lab.ok("recover");
        if from.exists() {
            assert_eq!(family.on(from, to), 50, "{step}");
            lab.ok(&moving);
        }
        assert_eq!(family.on(to, from), 50, "{step}");
        family.are_defined_on(&lab, to, from);
        assert!(!from.exists() && lab.journals() == 0, "{step}");
        places.swap(0, 1);
    }
    assert!(family.clusters() == family.data, "an overlay has changed");
    lab.ok(&format!("base verify -d {}", lab.golden));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn fifty_children_get_another_base_wherever_that_is_killed() {
    let lab = Lab::new("fiftyonto");
    let family = Family::new(&lab);
    let [old, new] = [lab.image(), lab.dir.join("next.qcow2")];
    fs::copy(&old, &new).unwrap();
    let write = "write -P 9 60M 64k";
    tool(
        "qemu-io",
        &["-f", "qcow2", "-c", write, &new.display().to_string()],
    );
    let rebase = format!("base rebase {} --onto {}", old.display(), new.display());
    let mut done = 0;
    for (step, is_done) in [
        ("journal", false),
        ("file", false),
        ("made", false),
        // Nothing has another name yet, and the guest could have been started since.
        ("committed", false),
        ("aside", true),
        ("defined", true),
        ("published", true),
        ("removed", true),
    ] {
        // Some have followed by then, and the one after them is on its way.
        let killed = lab.vmkin_with(&format!("relayer.{step}@4=kill"), &rebase);
        assert_eq!(killed.code, None, "{step}: {}", killed.stderr);
        lab.ok("recover");
        done += 3 + usize::from(is_done);
        assert_eq!(family.on(&new, &old), done, "{step}");
        assert_eq!(lab.journals(), 0, "{step}");
    }
    lab.ok(&rebase);
    assert_eq!(family.on(&new, &old), 50);
    family.are_defined_on(&lab, &new, &old);
    for (n, disk) in family.disks.iter().enumerate() {
        let own = format!("read -P {} {n}M 64k", n + 1);
        let hidden = "read -P 0 60M 64k";
        tool(
            "qemu-io",
            &[
                "-r",
                "-f",
                "qcow2",
                "-c",
                &own,
                "-c",
                hidden,
                &disk.display().to_string(),
            ],
        );
    }
    lab.ok(&format!("base verify {}", new.display()));
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_flatten_that_is_interrupted_leaves_a_guest_that_runs_on_its_overlay() {
    let lab = Lab::new("pulled");
    let [base, disk] = ["below", "above"].map(|name| lab.dir.join(format!("{name}.qcow2")));
    let [below, above] = [&base, &disk].map(|path| path.display().to_string());
    tool("qemu-img", &["create", "-q", "-f", "qcow2", &below, "1G"]);
    // More than QEMU can have read when it is told to stop.
    let write = "write -P 7 0 1G";
    tool("qemu-io", &["-f", "qcow2", "-c", write, &below]);
    lab.ok(&format!(
        "disk create {above} --backing {below} --backing-format qcow2"
    ));
    let name = lab.name("pulled");
    lab.define_bare(&name, &[&above]);
    lab.virsh_start_paused(&name).unwrap();
    let flatten = format!("flatten -d {name}");
    let stopped = lab.vmkin_with("flatten.pulling=int", &flatten);
    assert_eq!(stopped.code, Some(130), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("disk vda was not flattened"),
        "{}",
        stopped.stderr
    );
    assert_eq!(backing_of(&disk), Some(below.clone()));
    assert!(lab.is_active(&name) && base.exists());
    let job = tool("virsh", &["blockjob", &name, "vda"]);
    assert!(job.contains("No current block job"), "{job}");
    lab.ok(&flatten);
    assert_eq!(backing_of(&disk), None);
    lab.virsh_destroy(&name);
    tool(
        "qemu-img",
        &[
            "compare", "-q", "-f", "qcow2", "-F", "qcow2", &below, &above,
        ],
    );
}
