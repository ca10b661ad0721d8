//! Unmounting guests, and waiting for those who serve them.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{failed, list, point, tidy};
use crate::error::{Error, Kind, Result};
use crate::image::{path_word, shown};
use crate::interrupt::Interrupt;
use crate::store::{FoundMount, MountEnd, Store};

/// How often it is looked whether a process has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// How long one that only reads may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a guest is to be unmounted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmounting {
    /// Though somebody uses it: it goes when nobody does any more.
    pub lazy: bool,
    /// Without what was written to it.
    pub discard: bool,
    /// Show what would be unmounted, and unmount nothing.
    pub dry_run: bool,
}

/// What became of a mount.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Unmounted {
    /// Where it was.
    pub dir: PathBuf,
    /// The guest.
    pub guest: String,
    /// How it ended.
    pub result: Ended,
}

/// How a mount ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It could only be read.
    Unmounted,
    /// What was written to it is in the guest.
    Committed,
    /// What was written to it was dropped.
    Discarded,
    /// Its process had died; what was written to it is lost.
    Stale,
    /// It goes when nobody uses it any more.
    Lazy,
    /// Nothing was done.
    Unchanged,
}

/// Which mounts.
#[derive(Clone, Debug)]
pub enum Which<'a> {
    /// That on this directory.
    On(&'a Path),
    /// Those of guests of this name or UUID.
    Of(&'a str),
    /// All.
    All,
}

/// The mounts that are meant.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is none.
pub fn find(store: &Store, which: &Which<'_>) -> Result<Vec<FoundMount>> {
    let all = list(store)?.into_iter().map(|listed| listed.found);
    let none = |what: String| {
        Error::new(Kind::NotFound, what).hint("see what is mounted: `vmkin mount --list`")
    };
    match which {
        Which::All => Ok(all.collect()),
        Which::Of(name) => {
            let is_meant = |found: &FoundMount| {
                let uuid = found.record.domain.map(|uuid| uuid.to_string());
                found.record.guest == *name || uuid.as_deref() == Some(*name)
            };
            let meant: Vec<_> = all.filter(is_meant).collect();
            match meant.is_empty() {
                true => Err(none(format!("no guest named '{name}' is mounted"))),
                false => Ok(meant),
            }
        }
        Which::On(dir) => {
            let dir = point::whole(dir)?;
            let mut meant: Vec<_> = all.filter(|found| found.record.dir == dir).collect();
            // One that has failed there before says so, after the one that is there.
            meant.sort_by_key(|found| !found.is_served);
            if !meant.is_empty() {
                return Ok(meant);
            }
            match point::on(&dir)? {
                None => Err(none(format!("nothing is mounted on {}", shown(&dir)))),
                Some(mounted) if mounted.is_ours() => Err(none(format!(
                    "what is mounted on {} is not on record: another user's, or one's with \
                     another state directory",
                    shown(&dir)
                ))
                .hint(format!("`fusermount3 -u {}`", path_word(&dir)))),
                Some(_) => Err(none(format!(
                    "what is mounted on {} was not mounted by vmkin",
                    shown(&dir)
                ))),
            }
        }
    }
}

/// Unmounts one, waits until who serves it has ended, and says how that was.
///
/// # Errors
///
/// [`Kind::Busy`] if somebody uses it; if it could be written to, those of
/// [`writable`](super::writable); [`Kind::Interrupted`] if the user does not want
/// to wait.
pub fn unmount(
    store: &Store,
    found: &FoundMount,
    how: Unmounting,
    interrupt: &Interrupt,
) -> Result<Unmounted> {
    let record = &found.record;
    let done = |result| Unmounted {
        dir: record.dir.clone(),
        guest: record.guest.clone(),
        result,
    };
    if how.dry_run {
        return Ok(done(Ended::Unchanged));
    }
    if !found.is_served {
        let end = found.end.clone();
        tidy(store, found)?;
        return match end {
            Some(end) => told(&end).map(done),
            None => Ok(done(Ended::Stale)),
        };
    }
    if how.discard && !record.writable {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "{} can only be read: there is nothing to discard",
                shown(&record.dir)
            ),
        )
        .hint("leave `--discard` out"));
    }
    if how.discard {
        store.discard_mount(found.id, true)?;
    }
    if point::on(&record.dir)?.is_some() {
        if let Err(error) = point::unmount(&record.dir, how.lazy) {
            store.discard_mount(found.id, false)?;
            return Err(error);
        }
    }
    if how.lazy {
        return Ok(done(Ended::Lazy));
    }
    let begun = Instant::now();
    loop {
        let now = store.mounts()?;
        let now = now.into_iter().find(|one| one.id == found.id);
        match now {
            // Somebody who looked took it off the record, for it ended well.
            None => {
                return Ok(done(match (record.writable, how.discard) {
                    (false, _) => Ended::Unmounted,
                    (true, false) => Ended::Committed,
                    (true, true) => Ended::Discarded,
                }));
            }
            Some(now) if !now.is_served => {
                store.forget_mount(now.id)?;
                return match now.end {
                    Some(end) => told(&end).map(done),
                    None if record.writable => Err(Error::new(
                        Kind::NotUndone,
                        format!(
                            "process {}, which was to write it down, has died",
                            record.pid
                        ),
                    )
                    .hint("`vmkin recover` finishes it, or takes it back")),
                    None => Ok(done(Ended::Unmounted)),
                };
            }
            Some(_) if !record.writable && begun.elapsed() > PATIENCE => {
                return Err(Error::new(
                    Kind::Busy,
                    format!(
                        "process {} does not end, though it is unmounted",
                        record.pid
                    ),
                ));
            }
            Some(_) => {}
        }
        interrupt.check().map_err(|stop| match record.writable {
            true => {
                stop.context("it is unmounted, and what was written is being put into the guest")
            }
            false => stop,
        })?;
        thread::sleep(PAUSE);
    }
}

fn told(end: &MountEnd) -> Result<Ended> {
    match end {
        MountEnd::Committed => Ok(Ended::Committed),
        MountEnd::Discarded => Ok(Ended::Discarded),
        MountEnd::Failed {
            code,
            message,
            hints,
        } => Err(failed(*code, message, hints)),
    }
}
