//! Changing many guests with one start of libguestfs.
//!
//! Most of what a change costs is that start. What becomes of each guest is its own
//! affair all the same: one whose changes cannot be made is left as it was, and the
//! others get theirs.

use super::{Begun, Held, Written};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{Drive, GuestDisks, Key, MAX_DISKS, Writer};
use crate::guest::change::{Change, Mountable};
use crate::guest::scratch::Scratch;
use crate::ops::Host;

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
        let held = &self.held;
        held.keys().is_empty() && can_share(&held.drives(), held.mounts())
    }
}

/// Whether a kernel that has disks of others too can tell what is on these.
pub(in crate::ops) fn can_share(drives: &[Drive], mounts: &[Mountable]) -> bool {
    mounts.iter().all(|mount| mount.can_be_told(drives))
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
        let mut try_alone = group.len() > 1;
        for (number, outcome) in in_one_appliance(jobs, &group) {
            match outcome {
                Outcome::Done(result) => set(number, result),
                // What others have done to the kernel may be why.
                Outcome::NotChanged(error) if try_alone && !is_asked_to_stop(&error) => {
                    for (number, outcome) in in_one_appliance(jobs, &[number]) {
                        let result = outcome.result();
                        // It does not start at all, and would not for the others.
                        try_alone = !matches!(&result, Err(e) if e.kind() == Kind::Environment);
                        set(number, result);
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
    let jobs = jobs.iter().enumerate();
    let jobs = jobs.filter(|(_, job)| !job.changes.is_empty());
    shares(jobs.map(|(number, job)| Share {
        number,
        disks: job.disks(),
        alone: isolate || !job.can_share(),
    }))
}

/// A guest that is to be in an appliance with others.
pub(in crate::ops) struct Share {
    /// Which it is.
    pub(in crate::ops) number: usize,
    /// How many disks it has.
    pub(in crate::ops) disks: usize,
    /// Whether it must not be with others.
    pub(in crate::ops) alone: bool,
}

/// Who are in one appliance, by their numbers.
pub(in crate::ops) fn shares(all: impl Iterator<Item = Share>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut disks = 0;
    for one in all {
        if one.alone {
            groups.push(vec![one.number]);
            continue;
        }
        if disks + one.disks > MAX_DISKS && !open.is_empty() {
            groups.push(std::mem::take(&mut open));
            disks = 0;
        }
        disks += one.disks;
        open.push(one.number);
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
    let work = begun.iter().map(|(_, job, one)| Work {
        disks: GuestDisks {
            drives: job.held.drives(),
            images: one.images(),
            mounts: job.held.mounts().to_vec(),
        },
        changes: &job.changes,
    });
    let held = &first.held;
    change(held.host, work.collect(), held.keys(), held.scratch())
}

/// What is to be changed on disks that are nobody else's.
pub(in crate::ops) struct Work<'c> {
    /// The disks.
    pub(in crate::ops) disks: GuestDisks,
    /// The changes.
    pub(in crate::ops) changes: &'c [Change],
}

/// Makes changes to several guests in one appliance, and tells for each whether they
/// are made. The keys are for the first.
///
/// # Errors
///
/// If the appliance fails; then none of it is any good.
pub(in crate::ops) fn change(
    host: Host<'_>,
    work: Vec<Work<'_>>,
    keys: &[Key],
    scratch: &Scratch,
) -> Result<Vec<Result<()>>> {
    let (guests, changes): (Vec<_>, Vec<_>) =
        work.into_iter().map(|one| (one.disks, one.changes)).unzip();
    let mut writer = Writer::start(guests, keys, scratch, host.interrupt)?;
    crate::failpoint::hit("write.started")?;
    let total: usize = changes.iter().map(|changes| changes.len()).sum();
    let mut before = 0;
    let mut results = Vec::new();
    for (guest, changes) in changes.into_iter().enumerate() {
        let result = writer.carry_out(guest, changes, &mut |done| {
            let done = before + done;
            host.observer.counted("changing", done as u64, total as u64);
        });
        before += changes.len();
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
