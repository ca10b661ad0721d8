//! Snapshots whose making, applying or deleting fails or is killed: all disks,
//! or none.

use std::time::{Duration, Instant};

use crate::lab::Ran;
use crate::snapshots::{Bare, Variables};

/// What there is to see of a guest and its snapshots.
#[derive(Debug, Eq, PartialEq)]
struct State {
    sees: Vec<String>,
    tags: Vec<Vec<String>>,
    recorded: Vec<String>,
    files: Vec<String>,
}

impl State {
    fn of(bare: &Bare) -> Self {
        assert_eq!(bare.lab.journals(), 0);
        Self {
            sees: bare.sees(),
            tags: bare.tags(),
            recorded: bare.recorded(),
            files: bare.lab.files(),
        }
    }
}

fn run(bare: &Bare, failpoint: &str, what: &str) -> Ran {
    let args = format!("snapshot {what} --yes -d {} s1", bare.name);
    bare.lab.vmkin_with(failpoint, &args)
}

/// A step at each of so many disks.
fn steps(step: &'static str, disks: usize) -> impl Iterator<Item = String> {
    (1..=disks).map(move |n| format!("snapshot.{step}@{n}"))
}

/// Whether it is to be killed at this step too: of eight disks only at the first and the last.
fn is_killed_at(step: &str, disks: usize) -> bool {
    let nth = step.split_once('@').map(|(_, nth)| nth);
    disks < 8 || nth.is_none_or(|nth| nth == "1" || nth == "8")
}

/// What happens at a step.
fn actions(step: &str, disks: usize) -> &'static [&'static str] {
    let all = &["error", "kill"];
    let last = if is_killed_at(step, disks) { 2 } else { 1 };
    &all[..last]
}

/// With 1, 2 and 8 disks, the step after each disk fails; and it is killed.
#[test]
#[ignore = "needs the private libvirtd"]
fn a_failure_at_any_disk_is_one_of_all() {
    for disks in [1, 2, 8] {
        let bare = Bare::new(&format!("snap-fail{disks}"), disks, Variables::Raw);
        let none = State::of(&bare);
        for step in steps("tagged", disks)
            .chain(["snapshot.variables".to_owned(), "snapshot.made".to_owned()])
        {
            let ran = run(&bare, &format!("{step}=error"), "create");
            assert_eq!(ran.code, Some(10), "{step}: {}", ran.stderr);
            assert_eq!(State::of(&bare), none, "{step}");
            if !is_killed_at(&step, disks) {
                continue;
            }
            let ran = run(&bare, &format!("{step}=kill"), "create");
            assert_eq!(ran.code, None, "{step}: {}", ran.stderr);
            bare.lab.ok("recover");
            assert_eq!(State::of(&bare), none, "{step}");
        }
        assert_eq!(run(&bare, "", "create").code, Some(0));
        let with = State::of(&bare);
        bare.write(2);
        let used = State::of(&bare);
        let one_by_one = if disks > 1 { disks } else { 0 };
        for step in steps("saved", one_by_one)
            .chain(["snapshot.variables".to_owned()])
            .chain(steps("applied", one_by_one))
        {
            let ran = run(&bare, &format!("{step}=error"), "apply");
            assert_eq!(ran.code, Some(10), "{step}: {}", ran.stderr);
            assert_eq!(State::of(&bare), used, "{step}");
            if !is_killed_at(&step, disks) {
                continue;
            }
            let ran = run(&bare, &format!("{step}=kill"), "apply");
            assert_eq!(ran.code, None, "{step}: {}", ran.stderr);
            bare.lab.ok("recover");
            assert_eq!(State::of(&bare), used, "{step}");
        }
        for step in ["snapshot.committed".to_owned()]
            .into_iter()
            .chain(steps("settled", one_by_one))
        {
            for action in actions(&step, disks) {
                bare.write(2);
                let ran = run(&bare, &format!("{step}={action}"), "apply");
                assert!(
                    matches!(ran.code, None | Some(11)),
                    "{step}: {}",
                    ran.stderr
                );
                bare.lab.ok("recover");
                assert_eq!(State::of(&bare), with, "{step}");
            }
        }
        for step in [
            "snapshot.deleting".to_owned(),
            "snapshot.forgotten".to_owned(),
        ]
        .into_iter()
        .chain(steps("deleted", disks))
        {
            for action in actions(&step, disks) {
                let ran = run(&bare, &format!("{step}={action}"), "delete");
                assert!(
                    matches!(ran.code, None | Some(11)),
                    "{step}: {}",
                    ran.stderr
                );
                bare.lab.ok("recover");
                assert_eq!(State::of(&bare), none, "{step}");
                assert_eq!(run(&bare, "", "create").code, Some(0));
            }
        }
    }
}

/// A new definition is part of what goes back, and of what is taken back.
#[test]
#[ignore = "needs the private libvirtd"]
fn the_definition_is_one_of_all() {
    let bare = Bare::new("snap-define", 1, Variables::None);
    assert_eq!(run(&bare, "", "create").code, Some(0));
    let then = bare.lab.xml(&bare.name);
    bare.write(2);
    bare.virsh(&["setmaxmem", &bare.name, "64M", "--config"]);
    let (used, now) = (State::of(&bare), bare.lab.xml(&bare.name));
    for action in ["error", "kill"] {
        let ran = run(&bare, &format!("snapshot.applied={action}"), "apply");
        assert!(matches!(ran.code, None | Some(10)), "{}", ran.stderr);
        bare.lab.ok("recover");
        assert_eq!(State::of(&bare), used);
        assert_eq!(bare.lab.xml(&bare.name), now);
    }
    // Defined, and killed before that was written down.
    let ran = run(&bare, "snapshot.defined=kill", "apply");
    assert_eq!(ran.code, None, "{}", ran.stderr);
    bare.lab.ok("recover");
    assert_eq!(bare.lab.xml(&bare.name), then);
    assert_ne!(State::of(&bare), used);
    assert_eq!(bare.tags(), [["s1"]]);
}

/// A guest that was started after the kill keeps what it has written.
#[test]
#[ignore = "needs the private libvirtd"]
fn what_was_written_after_a_kill_is_not_lost() {
    let bare = Bare::new("snap-after", 2, Variables::None);
    assert_eq!(run(&bare, "", "create").code, Some(0));
    bare.write(2);
    let used = bare.sees();
    let ran = run(&bare, "snapshot.applied=kill", "apply");
    assert_eq!(ran.code, None, "{}", ran.stderr);
    bare.write(7);
    let written = bare.sees();
    let ran = bare.lab.ok("recover");
    assert!(
        ran.stderr.contains("a guest has written to vda since"),
        "{}",
        ran.stderr
    );
    assert_eq!(bare.sees(), written);
    // What was kept to go back to is there, and is of all disks.
    let list = bare.list();
    let undo = list["snapshots"][1]["name"].as_str().unwrap();
    assert!(ran.stderr.contains(undo), "{}", ran.stderr);
    bare.ok("apply", undo);
    assert_eq!(bare.sees(), used);
    bare.ok("delete", undo);
    // While it runs, its disks are left alone.
    let ran = run(&bare, "snapshot.tagged=kill", "create");
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    bare.ok("delete", "s1");
    let ran = run(&bare, "snapshot.tagged=kill", "create");
    assert_eq!(ran.code, None, "{}", ran.stderr);
    bare.lab.virsh_start(&bare.name).unwrap();
    let ran = bare.lab.ok("recover");
    assert!(ran.stderr.contains("stays"), "{}", ran.stderr);
    assert_eq!(bare.lab.journals(), 0);
    bare.lab.virsh_destroy(&bare.name);
    bare.ok("delete", "s1");
    assert_eq!(bare.tags(), [[""; 0]; 2]);
}

/// Killed at any moment: what is there afterwards is what was there before, or
/// what was wanted.
#[test]
#[ignore = "needs the private libvirtd"]
fn killed_at_any_moment_it_is_all_or_nothing() {
    let bare = Bare::new("snap-kill", 2, Variables::Raw);
    let mut killed = 0;
    for what in ["create", "apply", "delete"] {
        if what == "create" {
            assert!(bare.recorded().is_empty());
        } else if bare.recorded().is_empty() {
            // Other than what the rounds write, or nobody sees it come back.
            bare.write(1);
            assert_eq!(run(&bare, "", "create").code, Some(0));
        }
        // How long it takes here and now: the moments are spread over that.
        bare.write(2);
        let used = bare.sees();
        let begun = Instant::now();
        assert_eq!(run(&bare, "", what).code, Some(0));
        let whole = begun.elapsed();
        assert_eq!(bare.sees() != used, what == "apply");
        if what == "create" {
            bare.ok("delete", "s1");
        }
        for round in 0..40 {
            if what != "create" && bare.recorded().is_empty() {
                bare.write(1);
                assert_eq!(run(&bare, "", "create").code, Some(0));
            }
            bare.write(2);
            let before = State::of(&bare);
            let args = format!("snapshot {what} --yes -d {} s1", bare.name);
            let mut child = bare.lab.spawn(&args);
            let end = Instant::now() + whole * round / 40;
            while Instant::now() < end && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            drop(child.kill());
            let ended = child.wait().unwrap();
            killed += usize::from(ended.code().is_none());
            bare.lab.ok("recover");
            let after = State::of(&bare);
            let done = match what {
                "create" => !after.recorded.is_empty(),
                "apply" => after.sees != before.sees,
                _ => after.recorded.is_empty(),
            };
            assert!(
                done || after == before,
                "{what} {round}: {before:?} {after:?}"
            );
            assert!(done || ended.code() != Some(0), "{what} {round}");
            if done {
                let has = |tags: &Vec<String>| tags.contains(&"s1".to_owned());
                match what {
                    "create" => assert!(after.tags.iter().all(has)),
                    "apply" => assert_eq!(
                        (&after.tags, &after.recorded),
                        (&before.tags, &before.recorded)
                    ),
                    _ => assert!(!after.tags.iter().any(has)),
                }
                if what == "create" {
                    assert_eq!(after.sees, before.sees);
                    bare.ok("delete", "s1");
                }
            }
        }
    }
    assert!(killed > 30, "only {killed} were killed");
}
