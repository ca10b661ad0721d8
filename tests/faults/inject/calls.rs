//! System calls that fail, by `strace -e inject`: each one that an operation
//! writes with, one at a time.

use std::collections::BTreeMap;
use std::fs;

use crate::common::Outcome;
use crate::fault::Cell;
use crate::inject::steps;
use crate::runner::Tally;
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// The calls that change something on a disk, or say that it is there.
const CALLS: &str = "fsync,fdatasync,pwrite64,write,ftruncate,fallocate,copy_file_range,\
                     rename,renameat2,linkat,fchmod,unlink,mkdir";

/// What the kernel says when a disk fails, and when it is full.
const ERRORS: [(&str, &[&str]); 2] = [("EIO", &[]), ("ENOSPC", &["pwrite64", "write"])];

/// How long a `qemu-img` may do nothing that has had a call fail: it may hang for
/// ever then.
const SHORT: &str = "500";

/// The same where nothing fails: a busy machine may be slow.
const LONG: &str = "60000";

/// Runs the operation under `strace` with these options.
fn traced(scene: &Scene, options: &[&str], patience: &str) -> Outcome {
    let log = scene.host.root().join("faults/calls");
    let mut wrapper = vec!["strace", "-f", "-qq", "--seccomp-bpf", "-o"];
    let log = log.display().to_string();
    wrapper.push(&log);
    wrapper.extend(options);
    wrapper.push("--");
    let mut command = scene.command_under(&wrapper);
    command.env("VMKIN_FAILPOINT_PATIENCE", patience);
    Outcome::of(command.output().unwrap())
}

/// Which calls an operation makes, and how often at the most in one thread:
/// `strace` counts those of each thread apart. Those on stdout and stderr do
/// not count, for they have a fault of their own.
fn calls(cell: &Cell) -> BTreeMap<String, Vec<usize>> {
    let scene = Scene::new(cell.operation);
    let outcome = traced(&scene, &["-e", &format!("trace={CALLS}")], LONG);
    assert_eq!(outcome.code(), Some(0), "{outcome}");
    let text = fs::read_to_string(scene.host.root().join("faults/calls")).unwrap();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut calls: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut not: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, rest)) = call.trim_start().split_once('(') else {
            continue;
        };
        if !CALLS.split(',').any(|known| known == name) {
            continue;
        }
        let key = (thread.to_owned(), name.to_owned());
        let nth = seen.entry(key).or_default();
        *nth += 1;
        // The steps that are written down for the tests do not count either.
        let ours = rest.starts_with("1,") || rest.starts_with("2,") || is_step(rest);
        let list = if ours { &mut not } else { &mut calls };
        let nths = list.entry(name.to_owned()).or_default();
        if !nths.contains(nth) {
            nths.push(*nth);
        }
    }
    for (name, nths) in &mut calls {
        // Nor in a program that is started, where `strace` counts anew.
        nths.retain(|nth| !not.get(name).is_some_and(|not| not.contains(nth)));
    }
    calls.retain(|_, nths| !nths.is_empty());
    assert!(!calls.is_empty(), "{} writes nothing: {text}", cell.name());
    calls
}

/// Whether a call writes down a step that was passed.
fn is_step(arguments: &str) -> bool {
    let words = [
        "clone.",
        "delete.",
        "base.",
        "store.",
        "recover.",
        "snapshot.",
        "guard.",
    ];
    words
        .iter()
        .any(|word| arguments.contains(&format!("\"{word}")))
}

/// Each call fails once; where there are many of one, the first, the last and
/// some between.
pub(crate) fn failing(cell: &Cell) -> Tally {
    let mut runs = 0;
    for (call, nths) in calls(cell) {
        let few = 8;
        let step = nths.len().div_ceil(few).max(1);
        let mut chosen: Vec<usize> = nths.iter().copied().step_by(step).collect();
        if chosen.last() != nths.last() {
            chosen.extend(nths.last());
        }
        for (error, only) in ERRORS {
            if !only.is_empty() && !only.contains(&call.as_str()) {
                continue;
            }
            for nth in &chosen {
                let inject = format!("inject={call}:error={error}:when={nth}");
                fail(cell, &inject, "");
                runs += 1;
            }
        }
    }
    // What has failed cannot be taken back either.
    let points = steps::points(cell.operation);
    let middle = &points[points.len() / 2];
    fail(
        cell,
        "inject=unlink,unlinkat:error=EIO",
        &format!("{middle}=error"),
    );
    Tally::runs(runs + 1)
}

fn fail(cell: &Cell, inject: &str, failpoint: &str) {
    let scene = Scene::new(cell.operation);
    scene.differs(Different {
        is_mute: inject.starts_with("inject=write:"),
        may_leak: !cell.operation.in_place.is_empty(),
        ..Different::default()
    });
    let names = inject.split([':', '=']).nth(1).unwrap();
    let outcome = {
        let trace = format!("trace={names}");
        let options = [
            "-e",
            &trace,
            "-e",
            inject,
            "-E",
            &format!("VMKIN_FAILPOINTS={failpoint}"),
        ];
        traced(&scene, &options, SHORT)
    };
    let what = format!("{inject} {failpoint}");
    if outcome.code() == Some(0) && !scene.host.world().journals().is_empty() {
        // Done, but for the journal, and it said so.
        assert!(
            outcome.stderr().contains("vmkin recover"),
            "{what}: {outcome}"
        );
        scene.let_libvirt_know();
        scene.vmkin("recover").success();
    }
    assert_world(cell, &scene, &outcome, &Mend::Gone, &what);
}

/// The file system knows no locks on open files.
pub(crate) fn no_locks(cell: &Cell) -> Tally {
    let errors = ["EINVAL", "ENOLCK", "EOPNOTSUPP"];
    for error in errors {
        let scene = Scene::new(cell.operation);
        let inject = format!("inject=fcntl:error={error}");
        let outcome = traced(&scene, &["-e", "trace=fcntl", "-e", &inject], SHORT);
        assert_world(cell, &scene, &outcome, &Mend::Gone, &inject);
    }
    Tally::runs(errors.len())
}

/// The file system cannot rename without replacing, and has no second names, by which that
/// could be had as well.
pub(crate) fn no_exclusive_rename(cell: &Cell) -> Tally {
    let errors = [("EINVAL", "EPERM"), ("ENOSYS", "ENOSYS")];
    // What does without such a rename needs the second names for itself.
    let renames = !cell.codes.contains(&0);
    for (rename, link) in errors {
        let scene = Scene::new(cell.operation);
        let rename = format!("inject=renameat2:error={rename}");
        let link = format!("inject=linkat:error={link}");
        let mut calls = vec!["-e", "trace=renameat2,linkat", "-e", &rename];
        if renames {
            calls.extend(["-e", &link]);
        }
        let outcome = traced(&scene, &calls, SHORT);
        let what = format!("{rename} {link}");
        assert_world(cell, &scene, &outcome, &Mend::Gone, &what);
    }
    Tally::runs(errors.len())
}
