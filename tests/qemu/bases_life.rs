//! What becomes of a base while guests are on it, booted before and after.

use std::fs;
use std::path::Path;

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
    let raw = |name: &str| {
        let path = lab.dir.join(name);
        let (from, to) = (disk.display().to_string(), path.display().to_string());
        tool(
            "qemu-img",
            &["convert", "-f", "qcow2", "-O", "raw", &from, &to],
        );
        fs::read(path).unwrap()
    };
    let before = raw("before.raw");
    let new = lab.dir.join("next.qcow2");
    fs::copy(lab.image(), &new).unwrap();
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
}
