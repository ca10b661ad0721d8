//! The program dies, is told to stop, or fails at every step of what it does,
//! and the next run leaves the whole or nothing.
//!
//! An operation is a row of [`OPERATIONS`]. Which steps it has is learnt from
//! a run that goes well, so that a new step is a new kill point by itself.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

/// The arguments of a program, of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(AsRef::<std::ffi::OsStr>::as_ref($arg)),*] };
}

#[path = "cli/common/mod.rs"]
#[expect(dead_code, reason = "the tests of the command line need more of it")]
mod common;

use std::fs;

use self::common::{Host, Outcome};

/// Something that must happen as a whole or not at all.
struct Operation {
    name: &'static str,
    host: fn() -> Host,
    args: &'static str,
    /// The images there are when it is done.
    images: &'static [&'static str],
    kind: Kind,
}

enum Kind {
    /// Makes so many clones. Dead before its end, nothing of it stays: no
    /// domain of the test driver outlives the process that defined it.
    Clone(usize),
    /// Deletes this domain. Dead after the step `delete.undefined`, it is
    /// finished by the next run.
    Delete(&'static str),
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "clone one (two disks, UEFI variables)",
        host: rich,
        args: "clone -d golden web",
        images: &["data.img", "golden.qcow2", "web-vdb.qcow2", "web.qcow2"],
        kind: Kind::Clone(1),
    },
    Operation {
        name: "clone one, full",
        host: rich,
        args: "clone -d golden web --full",
        images: &["data.img", "golden.qcow2", "web-vdb.img", "web.qcow2"],
        kind: Kind::Clone(1),
    },
    Operation {
        name: "clone eight",
        host: Host::golden,
        args: "clone -d golden w{n} --count 8",
        images: &EIGHT,
        kind: Kind::Clone(8),
    },
    Operation {
        name: "clone eight, all or nothing",
        host: Host::golden,
        args: "clone -d golden w{n} --count 8 --all-or-nothing",
        images: &EIGHT,
        kind: Kind::Clone(8),
    },
    Operation {
        name: "clone eight, full",
        host: Host::golden,
        args: "clone -d golden w{n} --count 8 --full",
        images: &EIGHT,
        kind: Kind::Clone(8),
    },
    Operation {
        name: "delete",
        host: with_a_clone,
        args: "delete --yes -d web",
        images: &["data.img", "golden.qcow2"],
        kind: Kind::Delete("web"),
    },
];

const EIGHT: [&str; 9] = [
    "golden.qcow2",
    "w1.qcow2",
    "w2.qcow2",
    "w3.qcow2",
    "w4.qcow2",
    "w5.qcow2",
    "w6.qcow2",
    "w7.qcow2",
    "w8.qcow2",
];

/// A golden domain that has two disks and UEFI variables.
fn rich() -> Host {
    let host = Host::golden();
    let vars = host.root().join("nvram/golden_VARS.fd");
    fs::write(&vars, "variables").unwrap();
    let data = host.raw("data.img");
    host.add(host.golden_guest().disk("vdb", "raw", &data).nvram(&vars));
    host
}

fn with_a_clone() -> Host {
    let host = rich();
    host.child("web");
    host
}

/// A step, and which passing of it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Point {
    step: String,
    nth: usize,
}

impl Point {
    fn at(&self, action: &str) -> String {
        format!("{}@{}={action}", self.step, self.nth)
    }
}

/// The steps of an operation, each the first, a middle and the last time that
/// it is passed.
fn points(operation: &Operation) -> Vec<Point> {
    let host = (operation.host)();
    let log = host.root().join("log");
    let output = host
        .command()
        .env("VMKIN_FAILPOINT_LOG", &log)
        .args(operation.args.split_whitespace())
        .output()
        .unwrap();
    Outcome::of(output).success();
    assert_eq!(host.world().images(), operation.images);
    let text = fs::read_to_string(&log).unwrap();
    let mut steps: Vec<&str> = Vec::new();
    for step in text.lines() {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    let mut points = Vec::new();
    for step in steps {
        let times = text.lines().filter(|line| *line == step).count();
        let mut nths = vec![1, times.div_ceil(2), times];
        nths.dedup();
        points.extend(nths.into_iter().map(|nth| Point {
            step: step.to_owned(),
            nth,
        }));
    }
    assert!(points.len() >= 3, "{}: {points:?}", operation.name);
    points
}

/// Libvirt has forgotten a domain that was undefined; the driver has not.
fn forget(host: &Host, operation: &Operation, point: &Point) -> bool {
    match operation.kind {
        Kind::Delete(name) if ["delete.undefined", "delete.file"].contains(&&*point.step) => {
            host.remove(name);
            true
        }
        _ => false,
    }
}

/// The same command does it, if it is not done by now.
fn works_now(host: &Host, operation: &Operation, done: bool) {
    if !done {
        host.vmkin(operation.args).success();
    }
    let world = host.world();
    assert_eq!(world.images(), operation.images);
    assert!(world.journals().is_empty());
}

#[test]
fn killed_at_any_step_it_is_whole_or_not_there() {
    let mut count = 0;
    for operation in OPERATIONS {
        for point in points(operation) {
            let host = (operation.host)();
            let before = host.world();
            let outcome = host.vmkin_failing(operation.args, &point.at("kill"));
            assert_eq!(outcome.signal(), Some(9), "{point:?}: {outcome}");
            let done = forget(&host, operation, &point);
            // Looking does not mend, but works, and says that there is something.
            host.vmkin("list").success();
            host.vmkin("recover").success();
            if done {
                assert_eq!(host.world().images(), operation.images, "{point:?}");
            } else {
                let mut after = host.world();
                after.forget("host.xml");
                let mut before = before.clone();
                before.forget("host.xml");
                assert_eq!(after, before, "{}: {point:?}", operation.name);
            }
            host.vmkin("recover")
                .success()
                .says("There is nothing to recover.");
            works_now(&host, operation, done);
            count += 1;
        }
    }
    println!("kill points: {count}");
}

#[test]
fn the_next_command_that_changes_something_recovers_by_itself() {
    for operation in OPERATIONS {
        let points = points(operation);
        for point in [&points[points.len() / 2], &points[points.len() - 1]] {
            let host = (operation.host)();
            let outcome = host.vmkin_failing(operation.args, &point.at("kill"));
            assert_eq!(outcome.signal(), Some(9), "{point:?}: {outcome}");
            if forget(&host, operation, point) {
                host.vmkin("clone -d golden other")
                    .success()
                    .says("Recovered from deleting 'web'");
            } else {
                let again = host.vmkin(operation.args).success();
                again.says("Recovered from ");
                works_now(&host, operation, true);
            }
        }
    }
}

#[test]
fn told_to_stop_at_any_step_it_takes_back_what_is_not_whole() {
    let mut count = 0;
    for operation in OPERATIONS {
        for point in points(operation) {
            for (action, code) in [("int", 130), ("term", 143)] {
                let host = (operation.host)();
                let before = host.world();
                let outcome = host.vmkin_failing(operation.args, &point.at(action));
                let what = format!("{} {point:?} {action}: {outcome}", operation.name);
                let world = host.world();
                assert!(world.journals().is_empty(), "{what}");
                match (outcome.code(), &operation.kind) {
                    // It was too late: all had been done.
                    (Some(0), _) => {
                        // One thread may stop for a signal after others did the rest.
                        let late = ["clone.defined", "clone.done"].contains(&&*point.step);
                        let delete = matches!(operation.kind, Kind::Delete(_));
                        assert!(late || delete, "{what}");
                        assert_eq!(world.images(), operation.images, "{what}");
                    }
                    (other, Kind::Clone(all)) => {
                        assert_eq!(other, Some(code), "{what}");
                        stays(&host, &before, reported(&outcome, *all), operation, &what);
                    }
                    (other, Kind::Delete(_)) => panic!("{other:?}: {what}"),
                }
                count += 1;
            }
        }
    }
    println!("interrupts: {count}");
}

#[test]
fn a_step_that_fails_is_taken_back_at_once() {
    let mut count = 0;
    for operation in OPERATIONS {
        for point in points(operation) {
            let host = (operation.host)();
            let before = host.world();
            let outcome = host.vmkin_failing(operation.args, &point.at("error"));
            let what = format!("{} {point:?}: {outcome}", operation.name);
            match (&operation.kind, outcome.code()) {
                // Whole, but for a journal that could not be removed.
                (Kind::Clone(_), Some(0)) => {
                    assert_eq!(point.step, "clone.done", "{what}");
                    outcome.says("warning:").says("vmkin recover");
                    assert_eq!(host.world().images(), operation.images, "{what}");
                }
                (Kind::Clone(_), Some(10)) => {
                    outcome.fails(10, "");
                    assert_eq!(host.world(), before, "{what}");
                    works_now(&host, operation, false);
                }
                (Kind::Clone(all), Some(12)) => {
                    stays(&host, &before, reported(&outcome, *all), operation, &what);
                    outcome.fails(12, "clones could not be made");
                }
                (Kind::Delete(_), Some(10)) => {
                    let early = ["store.journal", "delete.journal"].contains(&&*point.step);
                    assert!(early, "{what}");
                    assert_eq!(host.world(), before, "{what}");
                }
                (Kind::Delete(_), Some(11)) => {
                    outcome.fails(11, "").says("vmkin recover");
                    assert!(forget(&host, operation, &point));
                    host.vmkin("recover").success();
                    works_now(&host, operation, true);
                }
                (_, other) => panic!("{other:?}: {what}"),
            }
            count += 1;
        }
    }
    println!("failures: {count}");
}

/// How many clones the program says were made and stay.
fn reported(outcome: &Outcome, all: usize) -> usize {
    let text = outcome.stderr();
    // "interrupted: 3 of 8 clones were made and stay"
    if let Some((_, rest)) = text.split_once("interrupted: ") {
        if let Some((made, _)) = rest.split_once(&format!(" of {all} clones were made")) {
            return made.parse().unwrap();
        }
    }
    // "error: 5 of 8 clones could not be made"
    if let Some((head, _)) = text.split_once(&format!(" of {all} clones could not be made")) {
        let failed: usize = head.rsplit(' ').next().unwrap().parse().unwrap();
        return all - failed;
    }
    0
}

/// So many clones are there whole, and nothing else has come.
fn stays(host: &Host, before: &common::World, made: usize, operation: &Operation, what: &str) {
    let world = host.world();
    if made == 0 {
        assert_eq!(world, *before, "{what}");
        return;
    }
    assert!(!operation.args.contains("--all-or-nothing"), "{what}");
    let linked = !operation.args.contains("--full");
    assert_eq!(world.images().len(), 1 + made, "{what}");
    for image in world.images() {
        assert!(operation.images.contains(&&*image), "{image}: {what}");
        common::tool(
            "qemu-img",
            &args!["check", "-U", "-f", "qcow2", &host.image(&image)],
        );
    }
    // Its base is sealed because of them, and is what it was.
    assert_eq!(world.seals().len(), usize::from(linked), "{what}");
    if linked {
        host.vmkin("base verify -d golden").success();
    }
}

#[test]
fn recovering_can_be_killed_too() {
    for first in ["clone.made=kill", "clone.renamed@5=kill", "clone.done=kill"] {
        for second in [
            "recover.clone=kill",
            "recover.clone@8=kill",
            "recover.done=kill",
        ] {
            let host = Host::golden();
            let before = host.world();
            let dead = host.vmkin_failing("clone -d golden w{n} --count 8", first);
            assert_eq!(dead.signal(), Some(9), "{dead}");
            let dead = host.vmkin_failing("recover", second);
            assert_eq!(dead.signal(), Some(9), "{dead}");
            host.vmkin("recover").success();
            assert_eq!(host.world(), before, "{first} {second}");
        }
    }
}

#[test]
fn a_clone_that_is_whole_stays() {
    for point in ["clone.defined", "clone.done"] {
        let host = Host::golden();
        let args = "clone -d golden web --uuid 11111111-0000-4000-8000-000000000001 \
                    --mac 52:54:00:00:00:09";
        let xml = host.vmkin(&format!("{args} --print-xml")).success();
        let dead = host.vmkin_failing(args, &format!("{point}=kill"));
        assert_eq!(dead.signal(), Some(9), "{dead}");
        // Unlike the driver, libvirt remembers what it has defined.
        host.add_xml("web", xml.stdout());
        host.vmkin("recover")
            .success()
            .says("All 1 clones had been made.");
        let world = host.world();
        assert_eq!(world.images(), ["golden.qcow2", "web.qcow2"]);
        assert_eq!(world.seals().len(), 1);
        assert!(world.journals().is_empty());
        host.vmkin("start -d web").success();
        host.vmkin("start -d golden").fails(6, "'web'");
        host.vmkin("base unseal -d golden").fails(6, "'web'");
    }
}

#[test]
fn a_file_that_came_meanwhile_is_not_taken_for_ones_own() {
    let host = Host::golden();
    let dead = host.vmkin_failing("clone -d golden web", "clone.made=kill");
    assert_eq!(dead.signal(), Some(9), "{dead}");
    fs::write(host.image("web.qcow2"), "somebody else's").unwrap();
    host.vmkin("recover").success();
    assert_eq!(host.world().images(), ["golden.qcow2", "web.qcow2"]);
    assert_eq!(
        fs::read(host.image("web.qcow2")).unwrap(),
        b"somebody else's"
    );
}

#[test]
fn what_another_process_is_doing_is_left_alone() {
    use std::process::Stdio;
    let host = Host::golden();
    let gate = tempfile::tempdir().unwrap();
    // It waits with everything made and nothing defined.
    let mut other = host
        .command()
        .env("VMKIN_FAILPOINTS", "clone.made=wait")
        .env("VMKIN_FAILPOINT_GATE", gate.path())
        .args(["clone", "-d", "golden", "web"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let waits = gate.path().join("clone.made");
    while !waits.exists() {
        assert!(other.try_wait().unwrap().is_none());
    }
    host.vmkin("recover")
        .success()
        .says("There is nothing to recover.");
    host.vmkin("clone -d golden web")
        .fails(7, "is making 'web' now");
    // Nor is its base taken from under it.
    host.vmkin("base unseal -d golden")
        .fails(7, "is making clones of");
    host.vmkin("delete --yes -d golden --remove-all-storage")
        .fails(6, "golden.qcow2");
    host.vmkin("clone -d golden other").success();
    fs::remove_file(waits).unwrap();
    assert!(other.wait().unwrap().success());
    assert_eq!(
        host.world().images(),
        ["golden.qcow2", "other.qcow2", "web.qcow2"]
    );
}
