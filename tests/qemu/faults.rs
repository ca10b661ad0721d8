//! Clones that are interrupted on a real libvirtd, which remembers what was
//! defined: each clone is there whole, or not at all.

use crate::lab::{Lab, look, tool};

/// Every step of a clone, and how often it is passed with four clones.
const STEPS: &[(&str, u32)] = &[
    ("clone.checked", 1),
    ("clone.chain", 1),
    ("clone.journal", 1),
    ("clone.sealed", 1),
    ("clone.file", 4),
    ("clone.made", 1),
    ("clone.renamed", 4),
    ("clone.defined", 4),
    ("clone.done", 1),
];

/// Fails unless the clones that are there are whole, and nothing else is.
pub fn whole_or_nothing(lab: &Lab, before: &crate::lab::Look, step: &str) {
    let clones = lab.clones();
    let mut files = vec!["golden.qcow2".to_owned()];
    files.extend(clones.iter().map(|clone| format!("{clone}.qcow2")));
    files.sort();
    assert_eq!(lab.files(), files, "after {step}");
    assert_eq!(lab.journals(), 0, "after {step}");
    for clone in &clones {
        lab.same_contents(clone, &lab.image());
    }
    let now = look(&lab.image());
    if clones.is_empty() {
        assert_eq!(&now, before, "after {step}");
    } else {
        assert_eq!(now.sha256, before.sha256, "after {step}");
        assert_eq!(now.mode, 0o444, "after {step}");
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_after_a_kill_at_any_step_a_clone_is_whole_or_not_there() {
    let lab = Lab::new("kill");
    let before = look(&lab.image());
    let pattern = lab.name("{n}");
    let clone = format!("clone -d {} --name {pattern} --count 4", lab.golden);
    let mut points = 0;
    for (step, times) in STEPS {
        for nth in [1, times.div_ceil(2), *times] {
            let point = format!("{step}@{nth}=kill");
            let ran = lab.vmkin_with(&point, &clone);
            assert_eq!(ran.code, None, "{point} was not reached: {}", ran.stderr);
            lab.ok("recover");
            whole_or_nothing(&lab, &before, &point);
            lab.ok("recover");
            // Back to where it began.
            if !lab.clones().is_empty() {
                lab.ok(&format!("delete --yes -d {}", lab.clones().join(" ")));
                lab.ok(&format!("base unseal {}", lab.image().display()));
            }
            assert_eq!(look(&lab.image()), before, "after {point}");
            points += 1;
        }
    }
    // What was left behind is taken care of by the next command as well.
    lab.vmkin_with("clone.defined@2=kill", &clone);
    let next = lab.ok(&format!("clone -d {} {}", lab.golden, lab.name("next")));
    assert!(next.stderr.contains("Recovered"), "{}", next.stderr);
    whole_or_nothing(&lab, &before, "the next command");
    println!("kill points on a real libvirtd: {points}");
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_failure_in_the_middle_keeps_what_is_done_unless_told_otherwise() {
    let lab = Lab::new("partial");
    let before = look(&lab.image());
    let pattern = lab.name("{n}");
    let clone = format!("clone -d {} --name {pattern} --count 4", lab.golden);
    let ran = lab.vmkin_with("clone.defined@3=error", &clone);
    assert_eq!(ran.code, Some(12), "{}", ran.stderr);
    whole_or_nothing(&lab, &before, "a failure");
    let there = lab.clones();
    assert!(!there.is_empty() && there.len() < 4, "{there:?}");
    for clone in &there {
        assert!(
            ran.stdout
                .contains(&lab.facts(clone).uuid.unwrap().to_string())
        );
    }
    lab.ok(&format!("delete --yes -d {}", there.join(" ")));
    lab.ok(&format!("base unseal {}", lab.image().display()));

    let all = format!("{clone} --all-or-nothing");
    let ran = lab.vmkin_with("clone.defined@3=error", &all);
    assert_eq!(ran.code, Some(10), "{}", ran.stderr);
    assert_eq!(lab.clones(), Vec::<String>::new());
    whole_or_nothing(&lab, &before, "all or nothing");

    for (signal, code) in [("int", 130), ("term", 143)] {
        let ran = lab.vmkin_with(&format!("clone.made={signal}"), &clone);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert_eq!(lab.clones(), Vec::<String>::new());
        whole_or_nothing(&lab, &before, signal);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_daemon_that_dies_leaves_nothing_behind_once_it_is_back() {
    let lab = Lab::new("daemon");
    let before = look(&lab.image());
    let clone = format!("clone -d {} {}", lab.golden, lab.name("a"));
    // At the last step before the first definition.
    let gate = lab.dir.join("clone.renamed");
    let waiting = {
        let args = clone.clone();
        let lab = &lab;
        std::thread::scope(|scope| {
            let run = scope.spawn(move || lab.vmkin_with("clone.renamed=wait", &args));
            while !gate.exists() {
                assert!(!run.is_finished());
            }
            tool("vmkin-private-libvirtd", &["kill"]);
            std::fs::remove_file(&gate).unwrap();
            run.join().unwrap()
        })
    };
    // Nobody can tell whether the clone was defined, so it is not touched.
    assert_eq!(waiting.code, Some(11), "{}", waiting.stderr);
    assert!(
        waiting.stderr.contains("vmkin recover"),
        "{}",
        waiting.stderr
    );
    tool("vmkin-private-libvirtd", &["start"]);
    let mut lab = lab;
    lab.reconnect();
    lab.ok("recover");
    assert_eq!(lab.clones(), Vec::<String>::new());
    whole_or_nothing(&lab, &before, "the death of the daemon");
    lab.ok(&clone);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_delete_that_is_killed_is_finished() {
    let lab = Lab::new("delkill");
    for step in ["delete.journal", "delete.undefined", "delete.file"] {
        let clone = lab.name("a");
        lab.ok(&format!("clone -d {} {clone}", lab.golden));
        let ran = lab.vmkin_with(&format!("{step}=kill"), &format!("delete --yes -d {clone}"));
        assert_eq!(ran.code, None, "{step} was not reached: {}", ran.stderr);
        lab.ok("recover");
        assert_eq!(lab.journals(), 0);
        if step == "delete.journal" {
            lab.same_contents(&clone, &lab.image());
            lab.ok(&format!("delete --yes -d {clone}"));
        }
        assert_eq!(lab.clones(), Vec::<String>::new());
        assert_eq!(lab.files(), ["golden.qcow2"], "after {step}");
    }
}
