//! Making the clones of a plan.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde::Serialize;
use uuid::Uuid;

use super::plan::{Plan, PlannedClone};
use super::render::Renderer;
use super::{offline, reserve, undo};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{BaseIdentity, Domain, FileId, Mac, Reservation};
use crate::ops::threads::each;
use crate::ops::{Host, base, reservations};
use crate::store::{CloneFiles, Journal, Operation, SealIntent, Step};

/// A clone that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Cloned {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// The addresses of its interfaces.
    pub macs: Vec<Mac>,
    /// Its disks.
    pub disks: Vec<PathBuf>,
    /// The host name that its guest is told, if it is told one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The disk that tells it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<PathBuf>,
    /// The IP addresses that are reserved for it.
    pub reservations: Vec<Reservation>,
}

impl Cloned {
    /// The domain, which was not active when it was made.
    pub fn domain(&self) -> Domain {
        Domain {
            name: self.name.clone(),
            uuid: self.uuid,
            id: None,
        }
    }
}

/// What became of the clones of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// Those that were made.
    pub done: Vec<Cloned>,
    /// Those that were not, and why, where that is known.
    pub failed: Vec<(String, Option<Error>)>,
}

/// What has become of one clone.
#[derive(Debug, Default)]
enum Fate {
    #[default]
    NotBegun,
    Defined,
    Failed(Error),
}

/// A clone under way.
#[derive(Debug)]
struct Work<'a> {
    clone: &'a PlannedClone,
    made: Option<Vec<FileId>>,
    fate: Fate,
}

/// Makes the clones. If that fails, what was made is removed again: each clone
/// is there whole, or not at all.
///
/// # Errors
///
/// Why no clone was made. That some were made and some not is an [`Outcome`].
pub fn apply(host: Host<'_>, mut plan: Plan) -> Result<Outcome> {
    let operation = operation(host, &plan)?;
    let journal = host.store.begin(host.hypervisor.uri(), operation)?;
    // From here on the journal reserves the names.
    drop(plan.names_lock.take());
    let mut work: Vec<Work<'_>> = plan
        .clones
        .iter()
        .map(|clone| Work {
            clone,
            made: None,
            fate: Fate::NotBegun,
        })
        .collect();
    let mut run = Run {
        host,
        plan: &plan,
        journal,
    };
    let failure = run.make_all(&mut work).err();
    run.conclude(work, failure)
}

/// Overlays are made all at once, so that the disk is waited for once, and what
/// libguestfs writes to, so that it is started once; copies one after the other, so
/// that those that are done are done.
fn group_size(plan: &Plan) -> usize {
    let in_one_appliance = plan.clones.iter().any(|one| one.guest.offline.is_some());
    if plan.linked() || in_one_appliance {
        plan.clones.len().max(1)
    } else {
        1
    }
}

fn operation(host: Host<'_>, plan: &Plan) -> Result<Operation> {
    let mut clones = Vec::with_capacity(plan.clones.len());
    for clone in &plan.clones {
        let (files, volumes) = plan.site.record(host, clone)?;
        clones.push(CloneFiles {
            name: clone.name.to_string(),
            uuid: clone.uuid,
            macs: clone.macs.iter().map(ToString::to_string).collect(),
            files,
            volumes,
            reservations: clone.reservations.clone(),
        });
    }
    Ok(Operation::Clone {
        golden: plan.golden_name.clone(),
        clones,
        bases: plan.bases.iter().map(|base| base.path.clone()).collect(),
        seals: seals(plan),
    })
}

fn seals(plan: &Plan) -> Vec<SealIntent> {
    plan.bases
        .iter()
        .filter(|base| base.seal)
        .map(|base| SealIntent {
            path: base.path.clone(),
            mode_before: base.mode,
            file: base.identity.file,
        })
        .collect()
}

struct Run<'a> {
    host: Host<'a>,
    plan: &'a Plan,
    journal: Journal,
}

impl Run<'_> {
    fn make_all(&mut self, work: &mut [Work<'_>]) -> Result<()> {
        crate::failpoint::hit("clone.journal")?;
        let identities = self.seal()?;
        let renderer = Renderer::new(self.plan, &identities)?;
        let mut first = 0;
        for group in work.chunks_mut(group_size(self.plan)) {
            let count = group.len();
            self.make_group(group, first, &renderer)?;
            first += count;
        }
        Ok(())
    }

    /// Seals the bases that are to be sealed, and looks at all of them.
    fn seal(&self) -> Result<Vec<BaseIdentity>> {
        for base in self.plan.bases.iter().filter(|base| base.seal) {
            base::seal_for_clones(self.host, &base.chain, base.mode)?;
            crate::failpoint::hit("clone.sealed")?;
        }
        let identities = self.plan.identities(self.host)?;
        self.bases_are_still(&identities)?;
        Ok(identities)
    }

    /// Fails if a base is not what it was when the plan was made.
    fn bases_are_still(&self, now: &[BaseIdentity]) -> Result<()> {
        for (base, now) in self.plan.bases.iter().zip(now) {
            is_still(&base.path, &base.identity, now)?;
            for below in &base.below {
                let now = self.plan.site.identity(self.host, &below.path)?;
                is_still(&below.path, &below.identity, &now)?;
            }
        }
        Ok(())
    }

    /// Makes a group of clones; `first` is the number of its first one.
    fn make_group(
        &mut self,
        group: &mut [Work<'_>],
        first: usize,
        renderer: &Renderer<'_>,
    ) -> Result<()> {
        self.host.interrupt.check()?;
        self.write_files(group)?;
        let clones: Vec<&PlannedClone> = group.iter().map(|work| work.clone).collect();
        offline::write(self.host, &clones)?;
        let steps: Vec<Step> = group
            .iter()
            .enumerate()
            .map(|(index, work)| Step::Made {
                clone: first + index,
                files: work.made.clone().unwrap_or_default(),
            })
            .collect();
        self.journal.add(&steps)?;
        crate::failpoint::hit("clone.made")?;
        self.plan.site.finish(self.host, self.plan, &clones)?;
        self.bases_are_still(&self.plan.identities(self.host)?)?;
        reserve::make(self.host, &clones)?;
        self.define(group, first == 0, renderer)
    }

    fn write_files(&self, group: &mut [Work<'_>]) -> Result<()> {
        let site = &self.plan.site;
        each(group, site.at_once(), |work| {
            work.made = Some(site.make(self.host, self.plan, work.clone)?);
            Ok(())
        })
    }

    /// Defines the domains of a group. The first of all is checked by libvirt
    /// against its schema; the others differ from it in nothing that a schema
    /// knows.
    fn define(
        &self,
        group: &mut [Work<'_>],
        validate: bool,
        renderer: &Renderer<'_>,
    ) -> Result<()> {
        let Some((head, tail)) = group.split_first_mut() else {
            return Ok(());
        };
        self.define_one(head, validate, renderer)?;
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let slots: Vec<Mutex<&mut Work<'_>>> = tail.iter_mut().map(Mutex::new).collect();
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..self.plan.site.at_once().min(slots.len()) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break;
                        };
                        let mut work = slot.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Err(error) = self.define_one(&mut work, false, renderer) {
                            stop.store(true, Ordering::Relaxed);
                            let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                            first.get_or_insert(error);
                        }
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Defines one clone. An error that belongs to the clone is kept with it;
    /// what is returned then is why the others are not begun.
    fn define_one(
        &self,
        work: &mut Work<'_>,
        validate: bool,
        renderer: &Renderer<'_>,
    ) -> Result<()> {
        self.host.interrupt.check()?;
        let name = &work.clone.name;
        let defined = renderer
            .render(work.clone)
            .and_then(|rewritten| self.host.hypervisor.define(&rewritten.xml, validate))
            .and_then(|_| crate::failpoint::hit("clone.defined"));
        match defined {
            Ok(()) => {
                work.fate = Fate::Defined;
                Ok(())
            }
            Err(error) => {
                let kind = error.kind();
                work.fate = Fate::Failed(error.context(format!("cannot make '{name}'")));
                Err(Error::new(kind, format!("'{name}' could not be defined")))
            }
        }
    }

    /// Takes back what has to be, and says what there is.
    fn conclude(self, mut work: Vec<Work<'_>>, failure: Option<Error>) -> Result<Outcome> {
        let Some(failure) = failure else {
            self.host.refresh_pools(&self.plan.refresh);
            // The clones are whole. A journal that stays says no more than that
            // to the next run, so it is no reason to fail now.
            let finished = crate::failpoint::hit("clone.done").and_then(|()| self.journal.finish());
            if let Err(error) = finished {
                self.host.observer.warning(&format!(
                    "The clones are made, but not their journal closed ({error}); \
                     `vmkin recover` does that."
                ));
            }
            return Ok(Outcome {
                done: work.iter().map(|work| cloned(work.clone)).collect(),
                failed: Vec::new(),
            });
        };
        let interrupted = matches!(failure.kind(), Kind::Interrupted | Kind::Terminated);
        if self.plan.all_or_nothing {
            for one in &mut work {
                if matches!(one.fate, Fate::Defined) {
                    one.fate = Fate::NotBegun;
                }
            }
        }
        if let Err(error) = self.take_back(&work) {
            return Err(Error::new(
                Kind::NotUndone,
                format!("the clones could not be taken back: {error}"),
            )
            .context(failure)
            .hint("when the cause is gone, run `vmkin recover`"));
        }
        self.journal.finish()?;
        let mut outcome = Outcome {
            done: Vec::new(),
            failed: Vec::new(),
        };
        let mut cause = None;
        for one in work {
            match one.fate {
                Fate::Defined => outcome.done.push(cloned(one.clone)),
                Fate::Failed(error) if cause.is_none() && !interrupted => {
                    outcome.failed.push((one.clone.name.to_string(), None));
                    cause = Some(error);
                }
                Fate::Failed(error) => outcome
                    .failed
                    .push((one.clone.name.to_string(), Some(error))),
                Fate::NotBegun => outcome.failed.push((one.clone.name.to_string(), None)),
            }
        }
        let cause = cause.unwrap_or(failure);
        if outcome.done.is_empty() {
            return Err(cause);
        }
        if interrupted {
            let made = outcome.done.len();
            let of = made + outcome.failed.len();
            return Err(cause.context(format!(
                "interrupted: {made} of {of} clones were made and stay, nothing else is left"
            )));
        }
        // The cause stands at the first that failed.
        match outcome.failed.first_mut() {
            Some((_, first @ None)) => *first = Some(cause),
            _ => outcome.failed.push((String::new(), Some(cause))),
        }
        Ok(outcome)
    }

    fn take_back(&self, work: &[Work<'_>]) -> Result<()> {
        let mut kept = 0_usize;
        for one in work {
            if matches!(one.fate, Fate::Defined) {
                kept += 1;
                continue;
            }
            undo::undefine(
                self.host.hypervisor,
                one.clone.name.as_str(),
                one.clone.uuid,
            )?;
            reservations::release(self.host, &one.clone.reservations)?;
            let made = one.made.as_deref();
            self.plan.site.remove(self.host, one.clone, made)?;
        }
        self.host.refresh_pools(&self.plan.refresh);
        if kept == 0 {
            undo::unseal_bases(self.host, &seals(self.plan), &self.journal)?;
        }
        Ok(())
    }
}

fn cloned(clone: &PlannedClone) -> Cloned {
    Cloned {
        name: clone.name.to_string(),
        uuid: clone.uuid,
        macs: clone.macs.clone(),
        disks: clone.disks.iter().map(|disk| disk.path.clone()).collect(),
        hostname: clone.guest.hostname.as_ref().map(ToString::to_string),
        seed: clone.guest.seed.as_ref().map(|seed| seed.path.clone()),
        reservations: clone.reservations.clone(),
    }
}

/// Fails if an image changed since it was planned to clone it.
fn is_still(path: &Path, then: &BaseIdentity, now: &BaseIdentity) -> Result<()> {
    let comparison = image::compare(then, now);
    if comparison.is_sound() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsafe,
        format!(
            "{} changed while it was being cloned: {comparison}",
            path.display()
        ),
    )
    .hint("find out what wrote to it; then run the same command again"))
}
