//! What happens only if several things come together, in order: no row and no
//! column of the matrix, but run and counted with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{self, Host};
use crate::operations::OPERATIONS;
use crate::scene::Scene;

/// A story, and what it is called.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
}

pub(crate) static STORIES: &[Story] = &[
    Story {
        name: "recovering_can_be_killed_too",
        run: recovering_can_be_killed_too,
    },
    Story {
        name: "a_clone_that_is_whole_stays",
        run: a_clone_that_is_whole_stays,
    },
    Story {
        name: "a_file_that_came_meanwhile_is_not_taken_for_ones_own",
        run: a_file_that_came_meanwhile_is_not_taken_for_ones_own,
    },
    Story {
        name: "what_another_process_is_doing_is_left_alone",
        run: what_another_process_is_doing_is_left_alone,
    },
    Story {
        name: "a_seal_that_is_killed_does_not_lose_the_mode",
        run: a_seal_that_is_killed_does_not_lose_the_mode,
    },
    Story {
        name: "a_seal_that_somebody_asked_for_is_not_taken_for_that_of_a_clone",
        run: a_seal_that_somebody_asked_for_is_not_taken_for_that_of_a_clone,
    },
    Story {
        name: "a_copy_that_is_told_to_stop_stops_in_the_middle",
        run: a_copy_that_is_told_to_stop_stops_in_the_middle,
    },
    Story {
        name: "a_mark_that_could_not_be_written_does_not_count",
        run: a_mark_that_could_not_be_written_does_not_count,
    },
];

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

fn a_seal_that_is_killed_does_not_lose_the_mode() {
    for point in ["base.recorded", "base.sealed"] {
        let host = Host::golden();
        let golden = host.image("golden.qcow2");
        fs::set_permissions(&golden, fs::Permissions::from_mode(0o640)).unwrap();
        let before = host.world();
        let dead = host.vmkin_failing("base seal -d golden", &format!("{point}=kill"));
        assert_eq!(dead.signal(), Some(9), "{dead}");
        host.vmkin("base verify -d golden").success();
        host.vmkin("base seal -d golden").success();
        host.vmkin("base unseal -d golden").success();
        assert_eq!(host.world(), before, "{point}");
    }
}

fn a_seal_that_somebody_asked_for_is_not_taken_for_that_of_a_clone() {
    let host = Host::golden();
    let dead = host.vmkin_failing("clone -d golden web", "clone.made=kill");
    assert_eq!(dead.signal(), Some(9), "{dead}");
    // It recovers first, which opens the seal of the clone, and then seals.
    host.vmkin("base seal -d golden")
        .success()
        .says("Recovered from ");
    host.vmkin("recover").success();
    assert!(host.world().is_sealed("images/golden.qcow2"));
    assert_eq!(host.world().seals().len(), 1);
}

fn a_copy_that_is_told_to_stop_stops_in_the_middle() {
    use std::process::Stdio;
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let host = Host::golden();
        // With a snapshot in it, it is read through by `qemu-img`.
        let golden = host.image("golden.qcow2");
        common::tool("qemu-img", &args!["snapshot", "-c", "s", &golden]);
        let tools = host.root().join("tools");
        fs::create_dir(&tools).unwrap();
        let started = host.root().join("started");
        let script = format!("#!/bin/sh\n: >{}\nexec sleep 600\n", started.display());
        fs::write(tools.join("qemu-img"), script).unwrap();
        fs::set_permissions(tools.join("qemu-img"), fs::Permissions::from_mode(0o755)).unwrap();
        let before = host.world();
        let mut run = host
            .command_of("env")
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_vmkin")])
            .args(["clone", "-d", "golden", "web", "--full"])
            .env("VMKIN_TOOL_PATH", &tools)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !started.exists() {
            assert!(run.try_wait().unwrap().is_none());
        }
        let pid = run.id().to_string();
        common::tool("kill", &["-s", signal, &pid]);
        assert_eq!(run.wait().unwrap().code(), Some(code), "{signal}");
        fs::remove_file(started).unwrap();
        assert_eq!(host.world(), before, "{signal}");
    }
}

/// Each of the program's own records fails to become durable, the mark among them,
/// and what was done meanwhile cannot be taken back whole either.
fn a_mark_that_could_not_be_written_does_not_count() {
    let apply = OPERATIONS
        .iter()
        .find(|operation| operation.name == "snapshot-apply")
        .unwrap();
    for (all, failpoint) in [
        ("", ""),
        ("", "snapshot.back=error"),
        ("", "snapshot.back=kill"),
        ("+", ""),
    ] {
        let (mut half, mut nth) = (0, 0);
        loop {
            nth += 1;
            let scene = Scene::new(apply);
            let log = scene.host.root().join("faults/calls");
            // Of the program alone, and not of those that it starts.
            let inject = format!("inject=fdatasync:error=EIO:when={nth}{all}");
            let wrapper = args!["strace", "-qq", "-o", &log, "-e", &inject, "--"];
            let mut command = scene.command_under(&wrapper);
            command.env("VMKIN_FAILPOINTS", failpoint);
            let outcome = common::Outcome::of(command.output().unwrap());
            let calls = fs::read_to_string(&log).unwrap();
            if !calls.contains("(INJECTED)") {
                assert_eq!(outcome.code(), Some(0), "{outcome}");
                break;
            }
            let what = format!("{inject} {failpoint}: {outcome}");
            assert_ne!(outcome.code(), Some(0), "{what}");
            let is_half = outcome.code() == Some(11) || outcome.signal() == Some(9);
            half += usize::from(is_half && !scene.is_committed());
            let is_committed = scene.is_committed();
            if is_half {
                scene.vmkin("recover").success();
            }
            assert!(scene.host.world().journals().is_empty(), "{what}");
            let (before, now) = (scene.seen_before(), scene.seen_now());
            let stayed = before.iter().zip(&now).filter(|(a, b)| a == b).count();
            let wanted = if is_committed { 0 } else { before.len() };
            assert_eq!(stayed, wanted, "{what}");
        }
        assert_eq!(half > 0, !(all.is_empty() && failpoint.is_empty()));
        assert!(nth > 2, "it wrote down nothing but what it intended");
    }
}
