//! Changing many guests with one start of libguestfs.
//!
//! Most of what a change costs is that start. What becomes of each guest is its own
//! affair all the same: one whose changes cannot be made is left as it was, and the
//! others get theirs.

use super::{Begun, Held, Written};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{GuestDisks, MAX_DISKS, Writer};
use crate::guest::change::Change;

/// A guest, and what is to be changed in it.
pub struct Job<'a> {
    /// The guest.
    pub held: Held<'a>,
    /// The changes, in their order.
    pub changes: Vec<Change>,
}

impl Job<'_> {
    /// How much is to be written to each of its disks at the most, in bytes.
    fn bytes(&self) -> u64 {
        self.changes.iter().map(Change::host_bytes).sum()
    }

    fn written(&self) -> Written<'_> {
        Written {
            mounts: self.held.mounts(),
            changes: &self.changes,
        }
    }

    fn disks(&self) -> usize {
        self.held.guard.disks().len()
    }

    /// Whether a kernel that has the disks of others too can tell its own by it.
    fn can_share(&self) -> bool {
        let drives = self.held.drives();
        let mut mounts = self.held.mounts().iter();
        self.held.keys().is_empty() && mounts.all(|mount| mount.can_be_told(&drives))
    }
}

/// Makes the changes of each guest, all of them or none, and returns what became of
/// each, in their order. With `isolate`, each gets an appliance of its own.
pub fn carry_out(jobs: &[Job<'_>], isolate: bool) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = jobs.iter().map(|_| Ok(())).collect();
    let mut set = |number: usize, result: Result<()>| {
        if let Some(place) = results.get_mut(number) {
            *place = result;
        }
    };
    for group in groups(jobs, isolate) {
        let several = group.len() > 1;
        for (number, outcome) in in_one_appliance(jobs, &group) {
            match outcome {
                Outcome::Done(result) => set(number, result),
                // What others have done to the kernel may be why.
                Outcome::NotChanged(error) if several && !is_asked_to_stop(&error) => {
                    for (number, outcome) in in_one_appliance(jobs, &[number]) {
                        set(number, outcome.result());
                    }
                }
                Outcome::NotChanged(error) => set(number, Err(error)),
            }
        }
    }
    results
}

/// What became of one guest.
enum Outcome {
    /// All of it, or an error that has nothing to do with the others.
    Done(Result<()>),
    /// The appliance could not make its changes.
    NotChanged(Error),
}

impl Outcome {
    fn result(self) -> Result<()> {
        match self {
            Self::Done(result) => result,
            Self::NotChanged(error) => Err(error),
        }
    }
}

fn is_asked_to_stop(error: &Error) -> bool {
    matches!(error.kind(), Kind::Interrupted | Kind::Terminated)
}

/// Which of those that have something to be changed are done together.
fn groups(jobs: &[Job<'_>], isolate: bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut disks = 0;
    for (number, job) in jobs.iter().enumerate() {
        if job.changes.is_empty() {
            continue;
        }
        if isolate || !job.can_share() {
            groups.push(vec![number]);
            continue;
        }
        if disks + job.disks() > MAX_DISKS && !open.is_empty() {
            groups.push(std::mem::take(&mut open));
            disks = 0;
        }
        disks += job.disks();
        open.push(number);
    }
    if !open.is_empty() {
        groups.push(open);
    }
    groups
}

fn in_one_appliance(jobs: &[Job<'_>], group: &[usize]) -> Vec<(usize, Outcome)> {
    let mut outcomes = Vec::new();
    let mut begun = Vec::new();
    for &number in group {
        let Some(job) = jobs.get(number) else {
            continue;
        };
        match job.held.begin(job.bytes()) {
            Ok(one) => begun.push((number, job, one)),
            Err(error) => outcomes.push((number, Outcome::Done(Err(error)))),
        }
    }
    let changed = change_all(&begun);
    match changed {
        Ok(changed) => {
            for ((number, job, one), changed) in begun.into_iter().zip(changed) {
                let outcome = match changed {
                    Ok(()) => Outcome::Done(one.commit(job.written())),
                    Err(error) => Outcome::NotChanged(one.failed(error)),
                };
                outcomes.push((number, outcome));
            }
        }
        Err(error) => {
            let others = begun.len().saturating_sub(1);
            let same = (0..others).map(|_| again(&error)).collect::<Vec<_>>();
            let errors = std::iter::once(error).chain(same);
            for ((number, _, one), error) in begun.into_iter().zip(errors) {
                outcomes.push((number, Outcome::NotChanged(one.failed(error))));
            }
        }
    }
    outcomes
}

/// The same error, for another guest.
fn again(error: &Error) -> Error {
    let hints = error.hints().iter();
    hints.fold(Error::new(error.kind(), error), |copy, hint| {
        copy.hint(hint)
    })
}

/// Makes the changes of all of them in their overlays, and tells for each whether
/// they are made.
fn change_all(begun: &[(usize, &Job<'_>, Begun<'_>)]) -> Result<Vec<Result<()>>> {
    let Some((_, first, _)) = begun.first() else {
        return Ok(Vec::new());
    };
    let host = first.held.host;
    let guests: Vec<GuestDisks> = begun
        .iter()
        .map(|(_, job, one)| GuestDisks {
            drives: job.held.drives(),
            overlays: one.overlays().to_vec(),
            mounts: job.held.mounts().to_vec(),
        })
        .collect();
    let (keys, scratch) = (first.held.keys(), first.held.scratch());
    let mut writer = Writer::start(guests, keys, scratch, host.interrupt)?;
    crate::failpoint::hit("write.started")?;
    let total: usize = begun.iter().map(|(_, job, _)| job.changes.len()).sum();
    let mut before = 0;
    let mut results = Vec::new();
    for (guest, (_, job, _)) in begun.iter().enumerate() {
        let result = writer.carry_out(guest, &job.changes, &mut |done| {
            let done = before + done;
            host.observer.counted("changing", done as u64, total as u64);
        });
        before += job.changes.len();
        if let Err(error) = writer.leave(guest) {
            // Why the changes failed says more than that it does not unmount.
            return Err(result.err().unwrap_or(error));
        }
        results.push(result);
    }
    crate::failpoint::hit("write.changed")?;
    writer.finish()?;
    crate::failpoint::hit("write.closed")?;
    Ok(results)
}
