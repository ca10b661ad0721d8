//! What must hold after every run, whatever happened in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use vmkin::model::DiskSource;
use vmkin::xml::domain;

use crate::common::{Outcome, World};
use crate::expect::Letter;
use crate::fault::Cell;
use crate::operations::Effect;
use crate::scene::{SECRET, Scene, Seen};

/// The steps with which a change begins.
const BEGINNINGS: [&str; 3] = ["store.journal", "base.recorded", "base.opening"];

/// What there is when a run is over and all is recovered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// What was there before.
    Before,
    /// What was wanted.
    After,
    /// So many clones of more.
    Some(usize),
}

/// What can be done about the fault when its run is over.
pub(crate) enum Mend<'a> {
    /// It is gone by itself.
    Gone,
    /// It goes by this, and then the operation works.
    By(&'a dyn Fn(&Scene)),
    /// It is the world that is so; the operation goes on being refused.
    Stays,
}

/// Fails unless all holds that must hold after a run. `run` names the run.
///
/// The invariants are those of `docs/architecture.md`, section "The fault
/// matrix", by the same numbers.
pub(crate) fn assert_world(
    cell: &Cell,
    scene: &Scene,
    outcome: &Outcome,
    mend: &Mend<'_>,
    run: &str,
) {
    let what = format!("{} ({}), {run}\n{outcome}", cell.name(), cell.row.what);
    said_what_it_should(cell, scene, outcome, &what);
    keeps_secrets(scene, outcome, &what);
    left_nobody(scene, &what);
    if cell.letter == Letter::N {
        let begun = scene.steps();
        let begun = begun.iter().find(|s| BEGINNINGS.contains(&s.as_str()));
        assert_eq!(begun, None, "something was begun: {what}");
    }
    let mut end = end_of(cell, scene, outcome, &what);
    let refused = cell.letter == Letter::N;
    let recovers = scene.operation.effect == Effect::Recovers && outcome.code() != Some(0);
    let ended_badly = outcome.signal().is_some() || outcome.code() == Some(11) || recovers;
    let unfinished = !refused && ended_badly;
    let in_part = cell.letter == Letter::P && end == End::Before;
    let is_same = !unfinished && end == End::Before && !in_part;
    if is_same {
        assert_same(scene, cell.letter == Letter::N, &what);
    }
    if let Mend::By(mend) = mend {
        mend(scene);
        scene.is_alone();
        if is_same || scene.operation.effect == Effect::Reads {
            scene.remember();
        }
    }
    if unfinished {
        recover(scene, outcome, &what);
        if matches!(scene.operation.effect, Effect::Seals(_) | Effect::Unseals) {
            end = End::After;
        }
    }
    if end != End::Before {
        scene.let_libvirt_know();
    }
    if cell.letter == Letter::S {
        assert_eq!(end, End::After, "{what}");
    }
    if !in_part {
        matches_the_promise(scene, end, &what);
    }
    // Once more: what was not done is done now, what was done is known to be.
    if !matches!(mend, Mend::Stays) {
        again(scene, &mut end, &what);
        matches_the_promise(scene, end, &format!("done once more: {what}"));
    }
    left_nobody(scene, &what);
}

/// I10: the exit code is one of the promised ones, and there is one line that
/// says what is wrong, if anything is.
fn said_what_it_should(cell: &Cell, scene: &Scene, outcome: &Outcome, what: &str) {
    // `Outcome` looks for panics itself.
    let errors = outcome.stderr().lines();
    let errors = errors.filter(|line| line.starts_with("error:")).count();
    match outcome.code() {
        None => assert_eq!(errors, 0, "{what}"),
        Some(code) => {
            assert!(cell.codes.contains(&code), "exit {code}: {what}");
            let is_mute = errors == 0 && scene.different().is_mute;
            let right = errors == usize::from(code != 0);
            assert!(right || is_mute, "one error line: {what}");
            let all = format!("{}{}", outcome.stdout(), outcome.stderr());
            assert!(
                all.contains(cell.says),
                "{:?} is not said: {what}",
                cell.says
            );
        }
    }
    if outcome.code() == Some(11) && cell.letter != Letter::N && !scene.different().is_mute {
        let seals = matches!(cell.operation.effect, Effect::Seals(_) | Effect::Unseals);
        let hint = if seals { "vmkin base" } else { "vmkin recover" };
        assert!(outcome.stderr().contains(hint), "{what}");
    }
}

/// I9: no password in what is printed or kept.
fn keeps_secrets(scene: &Scene, outcome: &Outcome, what: &str) {
    assert!(!outcome.stdout().contains(SECRET), "{what}");
    assert!(!outcome.stderr().contains(SECRET), "{what}");
    for name in scene.host.world().files() {
        if name.starts_with("state") || name.starts_with("tmp") || name.starts_with("faults") {
            let bytes = fs::read(scene.host.root().join(&name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(SECRET), "{name} has it: {what}");
        }
    }
}

/// I8: no process and no mount is left. Files are looked at with the rest.
fn left_nobody(scene: &Scene, what: &str) {
    let root = scene.host.root().display().to_string();
    let mine = std::process::id();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        if pid == mine || scene.is_neighbour(pid) {
            continue;
        }
        // It may have ended by now, or be somebody else's.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let found = String::from_utf8_lossy(&environment).contains(&root);
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        assert!(!found, "{} (pid {pid}) is left: {what}", name.trim());
    }
}

/// I3: how it ended, told by the exit code and by whether the commit mark was
/// passed, and never in between.
fn end_of(cell: &Cell, scene: &Scene, outcome: &Outcome, what: &str) -> End {
    if outcome.stderr().contains("cannot write the result") {
        // It is done, and only could not be told.
        return End::After;
    }
    let Effect::Clones(names) = scene.operation.effect else {
        return match (cell.letter, outcome.code()) {
            (_, Some(0)) | (Letter::F, _) => End::After,
            (Letter::X, _) if scene.is_committed() => End::After,
            // To look changes nothing, so it is always both.
            _ if scene.operation.effect == Effect::Reads => End::After,
            _ => End::Before,
        };
    };
    match outcome.code() {
        Some(0) => End::After,
        _ if cell.letter == Letter::F => End::After,
        Some(12 | 130 | 143) => {
            let made = reported(outcome, names.len());
            assert_eq!(made, scene.clones_there(), "{what}");
            assert!(made == 0 || !scene.operation.args.contains("--all-or-nothing"));
            if made == 0 {
                End::Before
            } else {
                End::Some(made)
            }
        }
        // Dead or failed: the test driver has forgotten what was defined.
        _ => End::Before,
    }
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

/// What was left unfinished is finished or taken back, once.
fn recover(scene: &Scene, outcome: &Outcome, what: &str) {
    if matches!(scene.operation.effect, Effect::Seals(_) | Effect::Unseals) {
        // They keep no journal: the same command finishes them.
        let again = scene.run();
        assert_eq!(again.code(), Some(0), "{again}after {what}");
        return;
    }
    if outcome.code() == Some(11) {
        let journals = scene.host.world().journals();
        assert!(!journals.is_empty(), "nothing to recover with: {what}");
    }
    if scene.is_committed() {
        scene.let_libvirt_know();
    }
    // To look does not mend, but works.
    scene.vmkin("list").success();
    let recovered = scene.vmkin("recover");
    assert_eq!(recovered.code(), Some(0), "{recovered}after {what}");
    let again = scene.vmkin("recover").success();
    again.says("There is nothing to recover.");
}

/// Everything is as it was: contents, inodes, times, owners, modes, flags.
/// What `qemu-img` has changed in place and brought back is that for the guest,
/// unless it was to be refused.
fn assert_same(scene: &Scene, exactly: bool, what: &str) {
    let mut before = without_tests_own(scene.before());
    let mut now = without_tests_own(scene.host.world());
    if !exactly {
        let seen = scene.seen_now();
        assert_eq!(scene.seen_before(), seen, "{what}");
        let is_readable = !seen.is_empty() && seen.iter().all(Seen::is_readable);
        for name in scene.operation.in_place {
            before.forget(name);
            now.forget(name);
            let path = scene.host.root().join(name);
            if is_readable {
                is_sound(scene, &path, what);
            }
        }
    }
    let differences = before.differences(&now);
    assert!(differences.is_empty(), "{differences:#?}: {what}");
}

/// A world without the files that the test itself needs.
fn without_tests_own(mut world: World) -> World {
    for name in world.files() {
        let own = ["tools/", "host.xml", "source.raw", "state/filler"];
        if own.iter().any(|own| name.starts_with(own)) {
            world.forget(&name);
        }
    }
    world.forget_in("faults");
    world
}

/// I1, I2, I4, I5, I6: there is what was promised, and nothing else.
fn matches_the_promise(scene: &Scene, end: End, what: &str) {
    if end == End::Before || scene.operation.effect == Effect::Reads {
        return assert_same(scene, false, what);
    }
    let world = without_tests_own(scene.host.world());
    let before = without_tests_own(scene.before());
    let different = scene.different();
    let mut wanted: BTreeSet<&str> = scene.operation.files.iter().copied().collect();
    wanted.extend(different.more.iter().map(String::as_str));
    let of = |names: &[String], name: &str| names.iter().any(|known| known == name);
    wanted.retain(|name| !of(&different.fewer, name) && !of(&different.may_stay, name));
    let there: BTreeSet<String> = world
        .files()
        .into_iter()
        .filter(|name| !name.starts_with("state/bases/"))
        .collect();
    let mut there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    there.retain(|name| !of(&different.may_stay, name));
    match end {
        End::Some(_) => assert!(there.is_subset(&wanted), "{there:?}: {what}"),
        _ => assert_eq!(there, wanted, "{what}"),
    }
    // Whatever was there and stays is the same file with the same contents.
    let mut then = before.unsealed("");
    let mut now = world.unsealed("");
    for name in then.files() {
        let is_replaced = scene.operation.replaces.contains(&name.as_str());
        let stays = wanted.contains(name.as_str()) && !is_replaced;
        if !stays || name.starts_with("state/") {
            then.forget(&name);
        }
    }
    for name in now.files() {
        let known = then.files().contains(&name);
        if !known {
            now.forget(&name);
        }
    }
    let differences = then.differences(&now);
    let differences: Vec<_> = differences
        .iter()
        .filter(|text| !text.contains("\"directory\"") && !text.ends_with("has come"))
        .collect();
    assert!(differences.is_empty(), "{differences:#?}: {what}");
    if different.base_is_bad {
        return;
    }
    for name in scene.operation.sealed {
        let is_elsewhere = different.fewer.iter().any(|gone| gone == name);
        assert!(
            is_elsewhere || world.is_sealed(name),
            "{name} is not sealed: {what}"
        );
    }
    let seals = world.seals().len();
    assert_eq!(seals, scene.operation.sealed.len(), "seal records: {what}");
    nobody_shares(scene, what);
    images_are_sound(scene, what);
}

/// I4: no two domains have an address, a UUID, a disk or UEFI variables in
/// common.
fn nobody_shares(scene: &Scene, what: &str) {
    let mut seen = BTreeSet::new();
    for xml in scene.host.domains() {
        let facts = domain::read(&xml).unwrap();
        let macs = facts.nics.iter().filter_map(|nic| nic.mac);
        let mut own: Vec<String> = macs.map(|mac| mac.to_string()).collect();
        own.extend(facts.uuid.map(|uuid| uuid.to_string()));
        own.extend(disks(&facts));
        let nvram = facts.nvram.iter().filter_map(|nvram| nvram.path.as_ref());
        own.extend(nvram.map(|path| path.display().to_string()));
        for one in own {
            assert!(seen.insert(one.clone()), "{one} is shared: {what}");
        }
    }
}

fn disks(facts: &domain::DomainFacts) -> Vec<String> {
    let own = facts.disks.iter().filter(|disk| disk.is_private());
    own.filter_map(|disk| match &disk.source {
        DiskSource::File(path) => Some(path.display().to_string()),
        _ => None,
    })
    .collect()
}

/// I5: every image of a clone passes `qemu-img check`, which opens the whole
/// chain: one that does not resolve fails.
fn images_are_sound(scene: &Scene, what: &str) {
    for xml in scene.host.domains() {
        let facts = domain::read(&xml).unwrap();
        if facts.lineage.is_none() {
            continue;
        }
        for path in disks(&facts) {
            assert!(Path::new(&path).exists(), "{path} is missing: {what}");
            if path.ends_with(".qcow2") {
                is_sound(scene, Path::new(&path), what);
            }
        }
    }
}

fn is_sound(scene: &Scene, path: &Path, what: &str) {
    let bytes = fs::read(path).unwrap();
    if scene.is_known_sound(&bytes) {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "a tool that judges the result")]
    let output = std::process::Command::new("qemu-img")
        .args(args!["check", "-U", "-f", "qcow2", path])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // 3: nothing is wrong but for leaked clusters.
    let leaks = scene.different().may_leak && output.status.code() == Some(3);
    let sound = output.status.success() || leaks;
    assert!(sound, "{}: {said}: {what}", path.display());
    scene.knows_sound(bytes);
}

/// I7: the same command again gets what was wanted, or says that it is there.
fn again(scene: &Scene, end: &mut End, what: &str) {
    let outcome = scene.run();
    let what = format!("again:\n{outcome}after {what}");
    match (*end, scene.operation.effect) {
        (End::Before, _)
        | (
            _,
            Effect::Changes(_)
            | Effect::Prunes
            | Effect::Reads
            | Effect::Seals(_)
            | Effect::Unseals
            | Effect::Recovers,
        ) => {
            assert_eq!(outcome.code(), Some(0), "{what}");
            *end = End::After;
            scene.let_libvirt_know();
        }
        (_, Effect::Clones(_) | Effect::Tags(_) | Effect::Makes) => {
            assert_eq!(outcome.code(), Some(5), "{what}");
        }
        (_, Effect::Flattens(_) | Effect::Commits(_)) => {
            assert_eq!(outcome.code(), Some(4), "{what}")
        }
        (_, Effect::Deletes(_) | Effect::Moves | Effect::Untags(_)) => {
            assert_eq!(outcome.code(), Some(3), "{what}")
        }
    }
}

/// The next command that changes something finishes or takes back what was left
/// behind, without being told to.
pub(crate) fn recovers_by_itself(cell: &Cell, scene: &Scene, run: &str) {
    let what = format!("{}, {run}", cell.name());
    let left = !scene.host.world().journals().is_empty();
    if scene.is_committed() {
        scene.let_libvirt_know();
        // The connection that recovers is another one, and the test driver has
        // another host for each: what was defined there is not seen here.
        let next = match scene.operation.effect {
            Effect::Moves => scene.vmkin("start -d nobody").fails(3, "nobody"),
            _ => scene.vmkin("clone -d golden other").success(),
        };
        if left {
            next.says("Recovered from ");
        }
        assert!(scene.host.world().journals().is_empty(), "{what}");
        return;
    }
    let next = scene.run();
    assert_eq!(next.code(), Some(0), "{next}after {what}");
    if left && scene.operation.effect != Effect::Recovers {
        next.says("Recovered from ");
    }
    scene.let_libvirt_know();
    matches_the_promise(scene, End::After, &what);
}
