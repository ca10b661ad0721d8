//! External snapshots on a real libvirtd: all disks or none, and nothing that
//! others are based on.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Ran, look, tool};
use crate::snapshots::{Bare, Variables, text};

/// A guest with so many disks, each in a directory of its own.
fn bare(test: &str, disks: usize, variables: Variables) -> Bare {
    let places: Vec<String> = (0..disks).map(|n| format!("d{n}/disk.qcow2")).collect();
    Bare::on(test, &places, variables)
}

fn create(bare: &Bare, how: &str, name: &str) -> Ran {
    let args = ["snapshot", "create", how, "-d", &bare.name, "--", name];
    bare.lab.vmkin_args(&args)
}

#[track_caller]
fn made(bare: &Bare, name: &str) {
    let ran = create(bare, "--external", name);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// All files in the directories of the guest, with what is in them.
fn files(bare: &Bare) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for disk in &bare.disks {
        let dir = disk.parent().unwrap();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            found.push((text(&path).to_owned(), look(&path).sha256));
        }
    }
    found.extend(
        bare.lab
            .files()
            .into_iter()
            .map(|name| (name, String::new())),
    );
    found.sort();
    found
}

fn has(bare: &Bare, what: &str) -> bool {
    files(bare).iter().any(|(name, _)| name.contains(what))
}

#[test]
#[ignore = "needs the private libvirtd"]
fn external_snapshots_come_and_go() {
    let bare = bare("ext-all", 2, Variables::Raw);
    let one = bare.sees();
    made(&bare, "v1.2, b");
    bare.write(2);
    let two = bare.sees();
    made(&bare, "s2");
    bare.write(3);
    let three = bare.sees();
    let list = bare.list();
    assert_eq!(list["snapshots"][0]["place"], "external");
    assert_eq!(list["snapshots"][1]["parent"], "v1.2, b");
    let overlay = list["snapshots"][0]["overlays"][1]["path"].as_str();
    assert!(overlay.unwrap().ends_with("/d1/disk.v1%2e2%2c%20b"));
    // Back to the first, to the second, which was on another branch then, and
    // back again: all disks, and the variables with them.
    bare.ok("apply", "v1.2, b");
    assert_eq!(bare.sees(), one);
    bare.ok("apply", "s2");
    assert_eq!(bare.sees(), two);
    // What the second stands on is not merged into under it.
    let before = files(&bare);
    bare.ok("apply", "v1.2, b");
    let ran = bare.snapshot("delete", "v1.2, b");
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("is the base of"), "{}", ran.stderr);
    bare.ok("apply", "s2");
    assert_eq!(files(&bare).len(), before.len());
    bare.write(3);
    assert_eq!(bare.sees(), three);
    bare.ok("delete", "s2");
    assert_eq!(bare.sees(), three);
    assert_eq!(bare.recorded(), ["v1.2, b"]);
    bare.lab.virsh_start(&bare.name).unwrap();
    bare.lab.virsh_destroy(&bare.name);
    bare.ok("delete", "v1.2, b");
    assert_eq!(bare.sees(), three);
    assert!(bare.recorded().is_empty());
    assert_eq!(bare.images(), bare.disks);
    assert!(!has(&bare, "snapshot"), "{:?}", files(&bare));
    assert_eq!(bare.lab.journals(), 0);
}

/// The branch that it is on, and the others.
#[test]
#[ignore = "needs the private libvirtd"]
fn they_go_with_their_guest() {
    let bare = bare("ext-delete", 2, Variables::Raw);
    for name in ["s1", "s2", "s2-a", "s2-b"] {
        made(&bare, name);
    }
    bare.ok("apply", "s1");
    made(&bare, "s3");
    let delete = format!("delete --yes -d {}", bare.name);
    bare.lab.fails(4, &delete);
    // Somebody else has an overlay on another branch.
    let overlays = &bare.list()["snapshots"][0]["overlays"];
    let branch = overlays[0]["path"].as_str().unwrap().to_owned();
    let child = bare.disks[0].with_file_name("child.qcow2");
    let create = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"];
    tool(
        "qemu-img",
        &[&create[..], &[&branch, text(&child)]].concat(),
    );
    let before = files(&bare);
    bare.lab.fails(6, &format!("{delete} --snapshots"));
    assert_eq!(files(&bare), before);
    fs::remove_file(&child).unwrap();
    let ran = bare.lab.ok(&format!("{delete} --snapshots"));
    // The first images are no overlays, and may be somebody's.
    let left: Vec<String> = bare
        .disks
        .iter()
        .map(|disk| text(disk).to_owned())
        .collect();
    let all = files(&bare).into_iter().map(|(name, _)| name);
    let in_dirs: Vec<String> = all.filter(|name| name.starts_with('/')).collect();
    assert_eq!(in_dirs, left, "{}", ran.stderr);
    assert!(!has(&bare, "vars"), "{:?}", files(&bare));
}

/// A disk in the middle of a chain of snapshots.
#[test]
#[ignore = "needs the private libvirtd"]
fn one_in_the_middle_is_merged() {
    let bare = bare("ext-mid", 1, Variables::None);
    let mut seen = Vec::new();
    for name in ["a", "b", "c"] {
        seen.push(bare.sees());
        made(&bare, name);
        bare.write(u8::try_from(seen.len()).unwrap() + 1);
    }
    let now = bare.sees();
    bare.ok("delete", "b");
    assert_eq!(bare.sees(), now);
    for (name, sees) in [("c", &seen[2]), ("a", &seen[0])] {
        bare.ok("apply", name);
        assert_eq!(bare.sees(), *sees, "{name}");
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn virsh_and_vmkin_handle_the_external_ones_of_the_other() {
    let bare = bare("ext-both", 2, Variables::None);
    let one = bare.sees();
    made(&bare, "ours");
    let info = bare.virsh(&["snapshot-info", &bare.name, "ours"]);
    assert!(info.contains("external"), "{info}");
    bare.write(2);
    let two = bare.sees();
    bare.virsh(&["snapshot-create-as", &bare.name, "theirs", "--disk-only"]);
    bare.write(3);
    bare.ok("apply", "theirs");
    assert_eq!(bare.sees(), two);
    assert_eq!(bare.current(), "theirs");
    // Libvirt calls the new overlays after the second.
    std::thread::sleep(Duration::from_secs(1));
    bare.virsh(&["snapshot-revert", &bare.name, "ours"]);
    assert_eq!(bare.sees(), one);
    bare.ok("apply", "theirs");
    bare.ok("delete", "theirs");
    assert_eq!(bare.sees(), two);
    bare.virsh(&["snapshot-delete", &bare.name, "ours"]);
    assert_eq!(bare.sees(), two);
    assert_eq!(bare.images(), bare.disks);
}

/// Libvirt removes what it remembers, not what the guest has: a disk that was
/// given to somebody else among it.
#[test]
#[ignore = "needs the private libvirtd"]
fn what_is_no_disk_of_the_guest_any_more_is_not_removed() {
    let bare = bare("ext-gone", 2, Variables::None);
    made(&bare, "s1");
    let given = bare.images()[1].clone();
    bare.virsh(&["detach-disk", &bare.name, "vdb", "--config"]);
    let before = files(&bare);
    let ran = bare.snapshot("apply", "s1");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains(text(&given)), "{}", ran.stderr);
    let ran = bare.snapshot("delete", "s1");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("vdb, which snapshot 's1' has a part of"),
        "{}",
        ran.stderr
    );
    assert_eq!(files(&bare), before);
    // Somebody else has what it would go back to.
    let base = bare.disks[0].clone();
    let other = bare.lab.xml(&bare.name);
    let uuid = other
        .split("<uuid>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let other = other
        .replace(&uuid, "00000000-0000-4000-8000-00000000e0e0")
        .replace(
            &format!("<name>{}<", bare.name),
            &format!("<name>{}<", bare.lab.name("other")),
        )
        .replace(text(&bare.images()[0]), text(&base));
    bare.lab.define(&other);
    let ran = bare.snapshot("apply", "s1");
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(files(&bare), before);
}

/// With 1, 2 and 8 disks, something is in the way at each of them.
#[test]
#[ignore = "needs the private libvirtd"]
fn a_failure_at_any_disk_leaves_all_as_they_are() {
    for disks in [1, 2, 8] {
        let bare = bare(&format!("ext-fail{disks}"), disks, Variables::Raw);
        let dirs: Vec<_> = bare
            .disks
            .iter()
            .map(|disk| disk.parent().unwrap())
            .collect();
        // The directory takes no new file, which libvirt finds out.
        let each = |what: &dyn Fn() -> Ran| {
            let (before, sees, xml) = (files(&bare), bare.sees(), bare.lab.xml(&bare.name));
            for dir in &dirs {
                tool("chattr", &["+i", text(dir)]);
                let ran = what();
                tool("chattr", &["-i", text(dir)]);
                assert_eq!(ran.code, Some(1), "{}", ran.stderr);
                assert_eq!(files(&bare), before, "{}", ran.stderr);
                assert_eq!(bare.lab.xml(&bare.name), xml);
                assert_eq!(bare.sees(), sees);
            }
        };
        each(&|| create(&bare, "--external", "s1"));
        assert!(bare.recorded().is_empty());
        made(&bare, "s1");
        bare.write(2);
        each(&|| bare.snapshot("apply", "s1"));
        assert_eq!(bare.recorded(), ["s1"]);
        // What is to be merged into cannot be written to.
        let (sees, xml) = (bare.sees(), bare.lab.xml(&bare.name));
        for disk in &bare.disks {
            let before = files(&bare);
            tool("chattr", &["+i", text(disk)]);
            let ran = bare.snapshot("delete", "s1");
            tool("chattr", &["-i", text(disk)]);
            assert_eq!(ran.code, Some(6), "{}", ran.stderr);
            assert_eq!(files(&bare), before);
            assert_eq!(bare.lab.xml(&bare.name), xml);
        }
        bare.ok("delete", "s1");
        assert_eq!(bare.sees(), sees);
        assert_eq!(bare.lab.journals(), 0);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn what_others_are_based_on_is_not_merged_into() {
    let bare = bare("ext-child", 1, Variables::None);
    made(&bare, "s1");
    bare.write(2);
    let base = &bare.disks[0];
    let child = base.with_file_name("child.qcow2");
    let overlay = |on: &Path| {
        let create = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"];
        tool(
            "qemu-img",
            &[&create[..], &[text(on), text(&child)]].concat(),
        );
    };
    for on in [base.clone(), bare.images()[0].clone()] {
        overlay(&on);
        let before = files(&bare);
        let ran = bare.snapshot("delete", "s1");
        assert_eq!(ran.code, Some(6), "{}", ran.stderr);
        assert_eq!(files(&bare), before);
        fs::remove_file(&child).unwrap();
    }
    // What the guest writes to now goes when it goes back.
    overlay(&bare.images()[0]);
    let before = files(&bare);
    let ran = bare.snapshot("apply", "s1");
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert_eq!(files(&bare), before);
    fs::remove_file(&child).unwrap();
    // So do internal snapshots in what goes.
    bare.ok("create", "inside");
    let before = files(&bare);
    for what in ["apply", "delete"] {
        let ran = bare.snapshot(what, "s1");
        assert_eq!(ran.code, Some(4), "{what}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("would be lost with it ('inside')"),
            "{}",
            ran.stderr
        );
        assert_eq!(files(&bare), before);
    }
    bare.ok("delete", "inside");
    bare.ok("apply", "s1");
    // Two that were made after one.
    for name in ["s2", "s3"] {
        made(&bare, name);
        bare.ok("apply", "s1");
    }
    let ran = bare.snapshot("delete", "s1");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("(s2, s3)"), "{}", ran.stderr);
}

/// Libvirt deletes no external one that was made after an internal one.
#[test]
#[ignore = "needs the private libvirtd"]
fn internal_ones_below_are_told_and_can_go() {
    let bare = bare("ext-mixed", 1, Variables::None);
    bare.ok("create", "inside");
    let before = files(&bare);
    let ran = create(&bare, "--external", "s1");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("after internal ones"), "{}", ran.stderr);
    assert_eq!(files(&bare), before);
    bare.virsh(&["snapshot-create-as", &bare.name, "s1", "--disk-only"]);
    bare.write(2);
    let now = bare.sees();
    let list = bare
        .lab
        .ok(&format!("snapshot list -d {}", bare.name))
        .stdout;
    assert!(list.contains("in a lower image of vda"), "{list}");
    let ran = bare.snapshot("delete", "inside");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("which is below"), "{}", ran.stderr);
    assert_eq!(bare.tags(), [["inside"]]);
    // As the hint says.
    bare.virsh(&["snapshot-delete", "--metadata", &bare.name, "inside"]);
    bare.ok("delete", "s1");
    bare.ok("delete", "inside");
    assert_eq!(bare.tags(), [[""; 0]]);
    assert_eq!(bare.sees(), now);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn what_runs_or_is_saved_keeps_its_external_snapshots() {
    let bare = bare("ext-states", 2, Variables::None);
    made(&bare, "s1");
    bare.write(2);
    let refused = |says: &str| {
        let before = files(&bare);
        for ran in [
            create(&bare, "--external", "s2"),
            bare.snapshot("apply", "s1"),
            bare.snapshot("delete", "s1"),
        ] {
            assert_eq!(ran.code, Some(4), "{}", ran.stderr);
            assert!(ran.stderr.contains(says), "{}", ran.stderr);
        }
        assert_eq!(files(&bare), before, "{says}");
        assert_eq!(bare.recorded(), ["s1"]);
    };
    bare.lab.virsh_start(&bare.name).unwrap();
    refused("is running, and must be shut off");
    // It will have another disk when it starts next.
    let new = bare.lab.dir.join("new.qcow2");
    tool(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", text(&new), "1M"],
    );
    bare.virsh(&[
        "attach-disk",
        &bare.name,
        text(&new),
        "vdx",
        "--config",
        "--subdriver",
        "qcow2",
    ]);
    let ran = create(&bare, "--live", "s2");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("disk vdx"), "{}", ran.stderr);
    bare.virsh(&["detach-disk", &bare.name, "vdx", "--config"]);
    bare.virsh(&["suspend", &bare.name]);
    refused("is paused, and must be shut off");
    bare.virsh(&["managedsave", &bare.name]);
    refused("is saved, and must be shut off");
    let ran = create(&bare, "--live", "s2");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    bare.virsh(&["managedsave-remove", &bare.name]);
    // Libvirt 11.3 would make an overlay under another name than it remembers.
    let comma = Bare::new("ext-comma", 1, Variables::None);
    let ran = create(&comma, "--external", "s1");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is a comma in"), "{}", ran.stderr);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_chain_of_24_overlays_works_and_a_25th_is_refused() {
    let bare = bare("ext-deep", 1, Variables::None);
    let mut seen = Vec::new();
    for n in 0..24_u8 {
        bare.write(n);
        seen.push(bare.sees());
        made(&bare, &format!("s{n}"));
    }
    let before = files(&bare);
    let ran = create(&bare, "--external", "s24");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("24 overlays over each other"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("no guest with more than 24"),
        "{}",
        ran.stderr
    );
    assert_eq!(files(&bare), before);
    bare.lab.virsh_start(&bare.name).unwrap();
    bare.lab.virsh_destroy(&bare.name);
    bare.ok("apply", "s23");
    assert_eq!(bare.sees(), seen[23]);
    bare.ok("delete", "s12");
    assert_eq!(bare.sees(), seen[23]);
    bare.ok("apply", "s0");
    assert_eq!(bare.sees(), seen[0]);
}

/// Waits until libvirt is done with whatever it does to the guest: a change of
/// the definition waits for its turn.
fn wait_for_libvirt(bare: &Bare) {
    bare.virsh(&["desc", &bare.name, "--config", "--title", "--new-desc", "t"]);
}

/// Killed at any moment: libvirt goes on, and so it is all or nothing.
#[test]
#[ignore = "needs the private libvirtd"]
fn killed_at_any_moment_external_ones_are_all_or_nothing() {
    let bare = bare("ext-kill", 2, Variables::Raw);
    wait_for_libvirt(&bare);
    let rounds = 12;
    let mut killed = 0;
    for what in ["create", "apply", "delete"] {
        let external = if what == "create" { "--external " } else { "" };
        let args = format!("snapshot {what} {external}--yes -d {} s1", bare.name);
        let fresh = |recorded: bool| {
            if !bare.recorded().is_empty() {
                bare.ok("delete", "s1");
            }
            bare.write(1);
            if recorded {
                made(&bare, "s1");
                bare.write(2);
            }
        };
        fresh(what != "create");
        let begun = Instant::now();
        bare.lab.ok(&args);
        let whole = begun.elapsed();
        for round in 0..rounds {
            fresh(what != "create");
            let before = (bare.sees(), bare.recorded(), files(&bare).len());
            let mut child = bare.lab.spawn(&args);
            std::thread::sleep(whole * round / rounds);
            drop(child.kill());
            killed += usize::from(child.wait().unwrap().code().is_none());
            wait_for_libvirt(&bare);
            bare.lab.ok("recover");
            let after = (bare.sees(), bare.recorded(), files(&bare).len());
            match what {
                "create" => assert_eq!(after.0, before.0, "{round}"),
                "delete" => assert_eq!(after.0, before.0, "{round}"),
                _ if after.0 == before.0 => {}
                // All disks, and the variables.
                _ => assert!(
                    after.0.iter().zip(&before.0).all(|(a, b)| a != b),
                    "{round}"
                ),
            }
            let (more, fewer) = (bare.disks.len() + 1, bare.disks.len() + 1);
            let number = match (before.1.len(), after.1.len()) {
                (0, 1) => before.2 + more,
                (1, 0) => before.2 - fewer,
                _ => before.2,
            };
            assert_eq!(after.2, number, "{what} {round}: {:?}", files(&bare));
            assert_eq!(bare.lab.journals(), 0);
            bare.lab.virsh_start(&bare.name).unwrap();
            bare.lab.virsh_destroy(&bare.name);
        }
    }
    assert!(killed > 12, "only {killed} were killed");
}

/// A guest that runs, and what it finds when it has gone back.
#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_live_snapshots_take_a_guests_files_back() {
    let lab = Lab::new("ext-live");
    let guest = lab.name("a");
    lab.ok(&format!("clone -d {} {guest} --start", lab.golden));
    lab.ready(&guest);
    lab.said(&guest, "/ # ");
    let write = |what: &str, says: &str| {
        let sum = "md5sum /root/note /root/many";
        lab.type_in(
            &guest,
            &format!("seq {what} > /root/many; echo {what} > /root/note; sync; {sum}; echo VMKIN-{says}''X\n"),
        );
        lab.said(&guest, &format!("VMKIN-{says}X"));
    };
    write("4000", "ONE");
    lab.ok(&format!("snapshot create --live -d {guest} s1"));
    let one = lab
        .ok(&format!("cat -d {guest} /root/note /root/many"))
        .stdout;
    write("9000", "TWO");
    lab.ok(&format!("snapshot create --live -d {guest} s2"));
    // What the guest writes to now is told, while it runs.
    let info = lab.ok(&format!("disk info -d {guest} --json")).stdout;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let layers = info[0]["layers"].as_array().unwrap();
    assert_eq!(
        (layers.len(), &info[0]["moving"]),
        (4, &true.into()),
        "{info:#}"
    );
    assert_eq!(layers[0]["in_use"], "written", "{info:#}");
    assert_eq!(layers[0]["users"][0]["state"], "running", "{info:#}");
    assert_eq!(layers[1]["in_use"], "read", "{info:#}");
    let map = lab.ok(&format!("disk map -d {guest}"));
    assert!(map.stdout.contains("0x"), "{}", map.stdout);
    assert!(map.stderr.contains("may be written to"), "{}", map.stderr);
    let ran = lab.vmkin(&format!("disk convert -d {guest} /tmp/{guest}.img"));
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    // No agent answers, and nothing is made.
    let before = lab.files();
    let ran = lab.vmkin(&format!("snapshot create --live --quiesce -d {guest} s3"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("qemu-guest-agent"), "{}", ran.stderr);
    assert_eq!(lab.files(), before);
    write("77", "THREE");
    assert!(lab.is_active(&guest));
    lab.virsh_destroy(&guest);
    lab.ok(&format!("snapshot apply --yes -d {guest} s1"));
    let back = lab
        .ok(&format!("cat -d {guest} /root/note /root/many"))
        .stdout;
    assert_eq!(back, one);
    lab.ok(&format!("snapshot apply --yes -d {guest} s2"));
    // The guest itself finds what it had then.
    lab.ok(&format!("start -d {guest}"));
    lab.ready(&guest);
    lab.type_in(
        &guest,
        "tail -n 1 /root/many | sed s/^/VMKIN-LAST-/; cat /root/note\n",
    );
    lab.said(&guest, "VMKIN-LAST-9000");
    lab.virsh_destroy(&guest);
    lab.ok(&format!("snapshot delete --yes -d {guest} s2"));
    lab.ok(&format!("delete --yes --snapshots -d {guest}"));
}
