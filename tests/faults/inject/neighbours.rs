//! Other runs of vmkin: at work now, or dead, or of another time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::fault::Cell;
use crate::operations::Effect;
use crate::runner::Tally;
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// Another vmkin on the same host, which waits at a step.
struct Neighbour {
    process: Child,
    gate: PathBuf,
    _dir: tempfile::TempDir,
}

impl Neighbour {
    /// Starts it, and returns when it waits.
    fn waits_at(scene: &Scene, step: &str, args: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut process = scene
            .vmkin_under::<&str>(&[])
            .args(args)
            .env("VMKIN_FAILPOINTS", format!("{step}=wait"))
            .env("VMKIN_FAILPOINT_GATE", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gate = dir.path().join(step);
        while !gate.exists() {
            assert!(
                process.try_wait().unwrap().is_none(),
                "it ended before {step}"
            );
            std::thread::yield_now();
        }
        scene.has_neighbour(process.id());
        Self {
            process,
            gate,
            _dir: dir,
        }
    }

    /// Lets it go on, to its good end.
    fn goes_on(&mut self) {
        fs::remove_file(&self.gate).unwrap();
        assert!(self.process.wait().unwrap().success());
    }

    fn dies(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.dies();
    }
}

fn words(args: &str) -> Vec<String> {
    args.split_whitespace().map(str::to_owned).collect()
}

/// Another vmkin does the very same; where that changes no guest, it clones the
/// domain that it is about.
pub(crate) fn same(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let (step, args) = match cell.operation.effect {
        Effect::Clones(_) => ("clone.made", cell.operation.args()),
        Effect::Deletes(_) => ("delete.journal", cell.operation.args()),
        Effect::Changes(_)
        | Effect::Flattens(_)
        | Effect::Commits(_)
        | Effect::Tags(_)
        | Effect::Untags(_) => ("guard.locked", cell.operation.args()),
        Effect::Prunes => ("prune.file", cell.operation.args()),
        Effect::Recovers => ("recover.clone", cell.operation.args()),
        Effect::Makes | Effect::Moves | Effect::Seals(_) | Effect::Unseals | Effect::Reads => {
            let subject = cell.operation.subject();
            ("clone.made", words(&format!("clone -d {subject} beside")))
        }
    };
    let neighbour = Neighbour::waits_at(&scene, step, &args);
    scene.remember();
    let neighbour = std::cell::RefCell::new(neighbour);
    let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINT_PATIENCE", "300"));
    let mend = |scene: &Scene| {
        neighbour.borrow_mut().dies();
        scene.vmkin("recover").success();
    };
    assert_world(cell, &scene, &outcome, &Mend::By(&mend), "the same at once");
    Tally::runs(1)
}

/// Another vmkin clones the same golden domain under another name, and both
/// get what they want.
pub(crate) fn beside(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let args = words("clone -d golden beside");
    let neighbour = Neighbour::waits_at(&scene, "clone.made", &args);
    let neighbour = std::cell::RefCell::new(neighbour);
    scene.remember();
    let outcome = scene.run();
    let mend = |scene: &Scene| {
        neighbour.borrow_mut().goes_on();
        let files = scene.host.world().files();
        let more = files.into_iter().filter(|name| name.contains("/beside"));
        scene.differs(Different {
            more: more.collect(),
            base_is_bad: cell.operation.sealed.is_empty(),
            ..Different::default()
        });
    };
    assert_world(cell, &scene, &outcome, &Mend::By(&mend), "beside another");
    Tally::runs(1)
}

/// A clone was killed here, and left a journal and files.
fn leave_behind(scene: &Scene) {
    let dead = scene
        .host
        .vmkin_failing("clone -d golden stale", "clone.renamed=kill");
    assert_eq!(dead.signal(), Some(9), "{dead}");
}

/// A dead process has left a journal behind.
pub(crate) fn left_behind(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    leave_behind(&scene);
    scene.remember();
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &Mend::Gone, "a stale journal");
    Tally::runs(1)
}

/// The clock was far ahead when the journal and the records were written.
pub(crate) fn future(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    leave_behind(&scene);
    for dir in ["journal", "bases"] {
        let Ok(entries) = fs::read_dir(scene.host.state().join(dir)) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let year = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
            fs::write(&path, text.replace(&format!("\"{}", &year[..4]), "\"2999")).unwrap();
        }
    }
    scene.remember();
    let outcome = scene.run();
    assert_world(
        cell,
        &scene,
        &outcome,
        &Mend::Gone,
        "records of the year 2999",
    );
    Tally::runs(1)
}

/// A journal that nobody understands stops everything that changes something.
pub(crate) fn corrupt(cell: &Cell) -> Tally {
    let bad = ["nonsense\n", "", "{\"version\":99}\n"];
    for text in bad {
        let scene = Scene::new(cell.operation);
        let dir = scene.host.state().join("journal");
        fs::create_dir_all(&dir).unwrap();
        for dir in [&scene.host.state(), &dir] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let path = dir.join("11111111-0000-4000-8000-000000000000.jsonl");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        scene.remember();
        let outcome = scene.run();
        let mend = |_: &Scene| fs::remove_file(&path).unwrap();
        assert_world(
            cell,
            &scene,
            &outcome,
            &Mend::By(&mend),
            &format!("{text:?}"),
        );
    }
    Tally::runs(bad.len())
}
