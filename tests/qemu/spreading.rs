//! Clones over three hosts, each a libvirtd of its own.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::far_clone::{give_golden, with_golden};
use crate::lab::{Lab, Ran};

/// How long guests under TCG may take that start all at once.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_sixty_clones_over_three_hosts_and_one_that_dies() {
    let lab = Lab::new("spread");
    let (one, one_dir) = with_golden("spread-one", &lab);
    let (mut two, two_dir) = with_golden("spread-two", &lab);
    let golden = &lab.golden;
    let hosts = format!("-c qemu:///system -c {} -c {}", one.uri, two.uri);
    let pattern = lab.name("{n:02}");
    let spread = format!("{hosts} clone -d {golden} --spread --name {pattern}");

    // One host dies when files are there and nothing is defined yet.
    let (making, gate) = lab.at_gate(
        "clone.made",
        &format!("{spread} --count 9 --max-per-host 3"),
    );
    two.kill();
    fs::remove_file(gate).unwrap();
    let partial = Ran::new(&making.wait_with_output().unwrap());
    assert_eq!(partial.code, Some(12), "{}", partial.stderr);
    assert!(partial.stderr.contains("spread-two"), "{}", partial.stderr);
    assert!(partial.stdout.lines().count() >= 6, "{}", partial.stdout);
    // It comes back without its definitions, and with what was begun on its disk.
    two.start_again();
    give_golden(&two, &lab);
    lab.ok("recover");
    assert_eq!(lab.journals(), 0);
    let left = fs::read_dir(&two_dir).unwrap().count();
    assert_eq!(left, 3, "golden.qcow2, vmlinuz and initrd");
    let there = format!("{hosts} list --name");
    let names = lab.ok(&there).stdout;
    let is_clone = |name: &&str| !name.ends_with("golden") && name.contains("spread");
    let made: Vec<&str> = names.lines().filter(is_clone).collect();
    lab.ok(&format!("{hosts} delete -y -d {}", made.join(" ")));

    let made: Value =
        serde_json::from_str(&lab.ok(&format!("{spread} --count 60 --json")).stdout).unwrap();
    let clones = made["clones"].as_array().unwrap();
    let of = |clone: &Value, field: &str| clone[field].to_string();
    let all =
        |field: &str| -> BTreeSet<String> { clones.iter().map(|clone| of(clone, field)).collect() };
    assert_eq!(all("name").len(), 60);
    assert_eq!(all("uuid").len(), 60);
    assert_eq!(all("macs").len(), 60);
    assert_eq!(all("host").len(), 3);
    // Two of each come up.
    let mut started = Vec::new();
    for host in all("host") {
        let here = clones.iter().filter(|clone| of(clone, "host") == host);
        started.extend(
            here.take(2)
                .map(|clone| clone["name"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(started.len(), 6, "{started:?}");
    lab.ok(&format!("{hosts} start -d {}", started.join(" ")));
    let mut macs = BTreeSet::new();
    for name in &started {
        let dirs = [&lab.dir, &one_dir, &two_dir];
        let overlay = |dir: &&&std::path::PathBuf| dir.join(format!("{name}.qcow2")).exists();
        let dir = dirs.iter().find(overlay).unwrap();
        let log = dir.strip_prefix(&lab.dir).unwrap().join(name);
        let ready = lab.ready_within(log.to_str().unwrap(), PATIENCE);
        macs.insert(ready["mac"].clone());
    }
    assert_eq!(macs.len(), 6);

    let names: Vec<&str> = clones
        .iter()
        .map(|clone| clone["name"].as_str().unwrap())
        .collect();
    lab.ok(&format!(
        "{hosts} delete -y --destroy -d {}",
        names.join(" ")
    ));
    for dir in [&one_dir, &two_dir] {
        let files = fs::read_dir(dir).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let overlays = names.filter(|name| name.ends_with(".qcow2") && name != "golden.qcow2");
        assert_eq!(overlays.count(), 0);
    }
    assert_eq!(lab.journals(), 0);
}
