//! Bases that are pushed to other hosts: two more libvirtds.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::far::Far;
use crate::lab::{Lab, Ran, tool};

/// A qcow2 image that is sent in three stretches.
pub fn base(lab: &Lab) -> PathBuf {
    let raw = lab.dir.join("debian.raw").display().to_string();
    let path = lab.dir.join("debian.qcow2");
    let script = format!("head -c 150M /dev/urandom >{raw}; truncate -s 1G {raw}");
    tool("sh", &["-c", &script]);
    let to = path.display().to_string();
    tool(
        "qemu-img",
        &["convert", "-f", "raw", "-O", "qcow2", &raw, &to],
    );
    fs::remove_file(raw).unwrap();
    path
}

/// Two hosts, each with a storage pool and a directory here that it keeps it in.
fn hosts(lab: &Lab) -> [(Far, PathBuf); 2] {
    ["one", "two"].map(|name| {
        let dir = lab.dir.join(name);
        fs::create_dir(&dir).unwrap();
        let far = Far::start(&lab.name(name), &dir);
        give_pool(&far);
        (far, dir)
    })
}

fn give_pool(far: &Far) {
    let target = far.images.display().to_string();
    far.virsh(&["pool-create-as", "default", "dir", "--target", &target]);
}

/// The only file of a directory.
fn only(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "there are more");
    file
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_base_is_pushed_to_hosts_and_goes_on_where_it_was_broken_off() {
    let lab = Lab::new("push");
    let base = base(&lab);
    let [(mut one, one_dir), (mut two, two_dir)] = hosts(&lab);
    let push = format!("base push {} --to {} {}", base.display(), one.uri, two.uri);
    let json = |args: &str| -> Value { serde_json::from_str(&lab.ok(args).stdout).unwrap() };
    let planned = json(&format!("{push} --dry-run --json"));
    assert_eq!(planned[0]["before"], "nothing");
    assert_eq!(fs::read_dir(&one_dir).unwrap().count(), 0);

    // Killed in the second of three stretches.
    let killed = lab.vmkin_with("push.stretch@2=kill", &push);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    for far in [&mut one, &mut two] {
        if far.revived() {
            give_pool(far);
        }
    }
    let there = only(&one_dir);
    let name = there.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        name.starts_with("debian-") && name.ends_with(".qcow2"),
        "{name}"
    );
    // Nobody can take it for an image: libvirt does not.
    one.virsh(&["pool-refresh", "default"]);
    let xml = one.virsh(&["vol-dumpxml", "--pool", "default", &name]);
    assert!(xml.contains("<format type='raw'/>"), "{xml}");
    let rest = json(&format!("{push} --dry-run --json"));
    let missing = |of: &Value| of["sent"].as_u64().unwrap();
    assert!(missing(&rest[0]) + missing(&rest[1]) < 2 * missing(&planned[0]));

    // A host dies in the middle, and the other gets it.
    let (pushing, gate) = lab.at_gate("push.stretch", &push);
    two.kill();
    fs::remove_file(gate).unwrap();
    let partial = Ran::new(&pushing.wait_with_output().unwrap());
    assert_eq!(partial.code, Some(12), "{}", partial.stderr);
    assert!(
        partial.stderr.contains("1 of 2 hosts"),
        "{}",
        partial.stderr
    );
    tool(
        "cmp",
        &[&base.display().to_string(), &there.display().to_string()],
    );
    two.start_again();
    give_pool(&two);
    let done = lab.ok(&push);
    assert!(done.stderr.contains("is there already"), "{}", done.stderr);
    let other = only(&two_dir);
    tool(
        "cmp",
        &[&base.display().to_string(), &other.display().to_string()],
    );
    // Now it is one, and takes the room that it takes here.
    let xml = two.virsh(&["vol-dumpxml", "--pool", "default", &name]);
    assert!(xml.contains("<format type='qcow2'/>"), "{xml}");
    assert!(xml.contains("<capacity unit='bytes'>1073741824"), "{xml}");

    // It is what it was, until somebody writes to it.
    let verify = format!("-c {} -c {} base verify --pushed", one.uri, two.uri);
    lab.ok(&verify);
    let file = File::options().write(true).open(&other).unwrap();
    file.write_all_at(b"!", 80 << 20).unwrap();
    lab.ok(&format!("{verify} --quick"));
    let changed = lab.fails(9, &verify);
    assert!(changed.stderr.contains("contents"), "{}", changed.stderr);
    let json = lab.vmkin(&format!("{verify} --json")).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let problems = json.as_array().unwrap().iter();
    assert_eq!(problems.filter(|of| of["problem"].is_null()).count(), 1);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_sparse_raw_image_is_pushed_without_its_holes() {
    let lab = Lab::new("pushraw");
    let path = lab.dir.join("big.raw");
    let file = File::create(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    file.write_all_at(b"middle", 1 << 30).unwrap();
    file.write_all_at(b"end", (2 << 30) - 3).unwrap();
    let dir = lab.dir.join("far");
    fs::create_dir(&dir).unwrap();
    let far = Far::start(&lab.name("far"), &dir);
    let target = far.images.display().to_string();
    far.virsh(&["pool-create-as", "images", "dir", "--target", &target]);
    let push = format!("base push {} --to {}", path.display(), far.uri);
    let refused = lab.fails(3, &push);
    assert!(refused.stderr.contains("default"), "{}", refused.stderr);
    lab.ok(&format!("{push} --pool images --name big.raw"));
    let there = dir.join("big.raw");
    let used = |path: &Path| std::os::unix::fs::MetadataExt::blocks(&path.metadata().unwrap());
    assert!(
        used(&there) <= used(&path) + 64,
        "it takes {} blocks",
        used(&there)
    );
    let words = [&path, &there].map(|path| path.display().to_string());
    tool(
        "qemu-img",
        &["compare", "-f", "raw", "-F", "raw", &words[0], &words[1]],
    );
    // Something else has that name now.
    file.write_all_at(b"other", 0).unwrap();
    lab.fails(5, &format!("{push} --pool images --name big.raw"));
}
