//! The program dies, is told to stop, or fails at a named step of its own.
//!
//! Which steps an operation has is learnt from a run that goes well, so that a
//! new step is a new kill point by itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::fault::Cell;
use crate::operations::{Effect, Operation};
use crate::runner::Tally;
use crate::scene::Scene;
use crate::world::{Mend, assert_world, recovers_by_itself};

/// A step, and which passing of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Point {
    step: String,
    nth: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.step, self.nth)
    }
}

/// The steps of an operation, each the first, a middle and the last time that
/// it is passed.
pub(crate) fn points(operation: &'static Operation) -> Vec<Point> {
    static KNOWN: Mutex<Option<HashMap<&'static str, Vec<Point>>>> = Mutex::new(None);
    // A cell that fails while it learns is one that fails, and not all.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    known
        .entry(operation.name)
        .or_insert_with(|| learn(operation))
        .clone()
}

fn learn(operation: &'static Operation) -> Vec<Point> {
    let scene = Scene::new(operation);
    scene.run().success();
    let passed = scene.steps();
    let mut steps: Vec<&String> = Vec::new();
    for step in &passed {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    let mut points = Vec::new();
    for step in steps {
        let times = passed.iter().filter(|other| *other == step).count();
        let mut nths = vec![1, times.div_ceil(2), times];
        nths.dedup();
        points.extend(nths.into_iter().map(|nth| Point {
            step: step.clone(),
            nth,
        }));
    }
    let least = match operation.effect {
        Effect::Clones(_) | Effect::Deletes(_) => 3,
        _ => 2,
    };
    assert!(points.len() >= least, "{}: {points:?}", operation.name);
    points
}

/// Killed at each step; then recovered, by `recover` and by the next command.
pub(crate) fn killed(cell: &Cell) -> Tally {
    let points = points(cell.operation);
    let mut tally = Tally::default();
    for point in &points {
        let scene = Scene::new(cell.operation);
        let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINTS", format!("{point}=kill")));
        assert_eq!(outcome.signal(), Some(9), "{point}: {outcome}");
        assert_world(cell, &scene, &outcome, &Mend::Gone, &format!("at {point}"));
        tally.runs += 1;
        tally.kill_points += 1;
    }
    for point in [&points[points.len() / 2], &points[points.len() - 1]] {
        let scene = Scene::new(cell.operation);
        let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINTS", format!("{point}=kill")));
        assert_eq!(outcome.signal(), Some(9), "{point}: {outcome}");
        recovers_by_itself(cell, &scene, &format!("at {point}"));
        tally.runs += 1;
    }
    tally
}

/// Told to stop at each step, by one signal and the other in turn: it is the same flag
/// that is looked at.
pub(crate) fn stopped(cell: &Cell) -> Tally {
    let mut runs = 0;
    let signals = [("int", 130), ("term", 143)];
    for (point, (action, code)) in points(cell.operation).iter().zip(signals.iter().cycle()) {
        let scene = Scene::new(cell.operation);
        let at = format!("{point}={action}");
        let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINTS", &at));
        let ended = outcome.code();
        assert!(ended == Some(0) || ended == Some(*code), "{at}: {outcome}");
        // Nothing is left to be recovered: it has cleaned up itself.
        let journals = scene.host.world().journals();
        assert!(journals.is_empty(), "{at}: {journals:?}\n{outcome}");
        // It may be too late only where nothing is left to be done.
        let late = ["clone.defined", "clone.done"].contains(&point.step());
        assert!(
            ended != Some(0) || late || !cell.operation.is_clone(),
            "{at} was not heeded: {outcome}"
        );
        assert_world(cell, &scene, &outcome, &Mend::Gone, &at);
        runs += 1;
    }
    Tally::runs(runs)
}

/// Fails at each step, as libvirt or a disk would.
pub(crate) fn failing(cell: &Cell) -> Tally {
    let points = points(cell.operation);
    for point in &points {
        let scene = Scene::new(cell.operation);
        let at = format!("{point}=error");
        let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINTS", &at));
        if outcome.code() == Some(0) {
            // All is done, but for a journal that could not be removed.
            assert!(outcome.stderr().contains("warning:"), "{at}: {outcome}");
            assert!(
                outcome.stderr().contains("vmkin recover"),
                "{at}: {outcome}"
            );
            assert_eq!(scene.host.world().journals().len(), 1, "{at}");
            scene.let_libvirt_know();
            scene.vmkin("recover").success();
        }
        assert_world(cell, &scene, &outcome, &Mend::Gone, &at);
    }
    Tally::runs(points.len())
}

impl Point {
    /// The step without its number.
    pub(crate) fn step(&self) -> &str {
        &self.step
    }
}
