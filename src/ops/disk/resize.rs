//! Making disks larger and smaller, with what is on them.
//!
//! It is a change like others: everything goes to a redo overlay, which has the new
//! size, and only from the commit mark on to the disk (see `ops/write/`). So a disk
//! is what it was, or all of what it was to be.

pub mod live;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::{Subject, only_one};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{Resizer, Writer};
use crate::guest::ending::{Ending, Work, smallest};
use crate::guest::scratch::Scratch;
use crate::image::{self, shown};
use crate::model::{DiskTarget, DomainState, ImageFormat, Size};
use crate::ops::Host;
use crate::ops::guard::{Allowed, LeasedDisk, WriteGuard};
use crate::ops::write::{Begun, Written, fit};

/// What a file system writes when it grows, as one part of so many of what it grows
/// by, and whatever is done, in bytes.
const WRITTEN: u64 = 64;
const WRITTEN_AT_LEAST: u64 = 32 << 20;

/// How much is looked at once.
const PIECE: usize = 1 << 20;

/// Which disk is to have which size.
#[derive(Clone, Debug)]
pub struct ResizeRequest {
    /// The disk.
    pub subject: Subject,
    /// Its size.
    pub size: NewSize,
    /// What is to become of what is on it.
    pub inside: Inside,
    /// Whether to find out how small the disk could be, which takes a kernel.
    pub measure: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A size as it is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewSize {
    /// This.
    Exactly(Size),
    /// So much more than it has.
    More(Size),
    /// So much less.
    Less(Size),
}

/// What is to become of what is on a disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inside {
    /// It stays as it is; so the disk may only grow.
    Stays,
    /// The last partition and its file system grow too.
    Grows,
    /// They are made smaller first, where they have to be.
    Shrinks,
}

/// What is to be done, or was.
#[derive(Clone, Debug, Serialize)]
pub struct ResizeReport {
    /// The name of the disk in the domain.
    pub target: Option<DiskTarget>,
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// Its size before, in bytes.
    pub before: Size,
    /// Its size then.
    pub after: Size,
    /// How small it could be made; `None` if nobody has asked, or can tell.
    pub least: Option<Size>,
    /// What is done inside, a clause each.
    pub steps: Vec<String>,
}

/// A change of size that has been thought through. Nobody can open the disk while
/// it lives.
pub struct ResizePlan<'a> {
    /// What is to be done.
    pub report: ResizeReport,
    guard: WriteGuard<'a>,
    name: String,
    ending: Option<Ending>,
    work: Vec<Work>,
}

/// Locks the disk, and works out what has to be done. Changes nothing.
///
/// # Errors
///
/// Those of [`WriteGuard`]; [`Kind::Usage`] if it is not said which disk is meant,
/// or it would be smaller and that is not asked for; [`Kind::WrongState`] if the
/// image cannot have that size, or what is on it cannot.
pub fn plan<'a>(host: Host<'a>, request: &ResizeRequest) -> Result<ResizePlan<'a>> {
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let guard = request
        .subject
        .lock(host, allow)
        .map_err(|error| told_of_running(host, error, &request.subject))?;
    let disk = only_one(guard.disks())?;
    fit(disk)?;
    let top = disk.chain().top();
    let before = top.virtual_size;
    let after = size_of(before, request.size)?;
    allowed(disk, &guard, request, after)?;
    image::may_have_size(disk.chain(), after)?;
    let (mut ending, mut least) = (None, None);
    let mut work = Vec::new();
    if after != before && request.inside != Inside::Stays {
        let blocks = Arc::new(image::read::open(disk.chain(), None)?);
        let found = Ending::find(Arc::<image::read::Disk>::clone(&blocks))?;
        work = match after > before {
            true => found.grown(after),
            false => found.shrunk(after, is_empty_from(&blocks, after)?),
        }
        .map_err(|error| {
            let error = error.context(shown(&top.path).to_string());
            // A larger disk is never refused for its size.
            match least_of(host, disk, &found) {
                Ok(Some(whole)) if after < before => error.hint(smallest(whole)),
                _ => error,
            }
        })?;
        if request.measure && after < before {
            least = least_of(host, disk, &found)?.map(Size);
        }
        ending = Some(found);
    }
    let report = ResizeReport {
        target: disk.target().cloned(),
        path: top.path.clone(),
        format: top.format,
        before: Size(before),
        after: Size(after),
        least,
        steps: work.iter().map(ToString::to_string).collect(),
    };
    Ok(ResizePlan {
        name: match guard.owner() {
            Some(owner) => owner.name.to_string(),
            None => name_of(&report.path),
        },
        report,
        guard,
        ending,
        work,
    })
}

/// Does it: all of it, or nothing.
///
/// # Errors
///
/// If it fails before the commit mark, nothing has changed. After that,
/// [`Kind::NotUndone`]: the next run finishes it.
pub fn apply(host: Host<'_>, plan: &ResizePlan<'_>) -> Result<()> {
    let (before, after) = (plan.report.before.bytes(), plan.report.after.bytes());
    if before == after {
        return Ok(());
    }
    let mut needed = 0;
    if !plan.work.is_empty() {
        Writer::must_be_installed()?;
        needed = WRITTEN_AT_LEAST.saturating_add(match after > before {
            true => (after - before) / WRITTEN,
            // As much as that may have to be moved.
            false => before - after,
        });
    }
    let begun = Begun::sized(host, &plan.guard, &plan.name, needed, Some(after))?;
    match inside(host, plan, &begun) {
        Ok(()) => begun.commit(Written::default()),
        Err(error) => Err(begun.failed(error)),
    }
}

/// How small the disk could be, as a kernel sees it that has a copy of it; `None` if
/// nobody can tell.
fn least_of(host: Host<'_>, disk: &LeasedDisk, ending: &Ending) -> Result<Option<u64>> {
    let Some(files) = ending.measurable() else {
        return Ok(None);
    };
    let scratch = Scratch::new()?;
    let copy = scratch.dir().join("copy.qcow2");
    drop(image::write_redo(&copy, disk.chain())?);
    let mut resizer = Resizer::start(&copy, &scratch, host.interrupt)?;
    let least = resizer.least(files)?;
    Ok(Some(ending.outside()?.disk_for(least)))
}

/// Does what is to be done on the overlay, and looks at it afterwards.
fn inside(host: Host<'_>, plan: &ResizePlan<'_>, begun: &Begun<'_>) -> Result<()> {
    let Some(before) = plan.ending.as_ref().filter(|_| !plan.work.is_empty()) else {
        return Ok(());
    };
    let scratch = Scratch::new()?;
    for overlay in begun.overlays() {
        let mut resizer = Resizer::start(overlay, &scratch, host.interrupt)?;
        crate::failpoint::hit("write.started")?;
        resizer.carry_out(&plan.work)?;
        crate::failpoint::hit("write.changed")?;
        resizer.finish()?;
        crate::failpoint::hit("write.closed")?;
    }
    for chain in begun.as_they_will_be()? {
        let disk = Arc::new(image::read::open(&chain, None)?);
        Ending::find(disk)?.must_follow(before)?;
    }
    Ok(())
}

/// Whether there is nothing but zeros from there to the end of a disk.
fn is_empty_from(disk: &image::read::Disk, from: u64) -> Result<bool> {
    let zeros = vec![0; PIECE];
    let mut piece = zeros.clone();
    let mut at = from;
    while let Some(data) = disk.next_data(at)? {
        at = data.start;
        while at < data.end {
            let count = usize::try_from(data.end - at).map_or(PIECE, |left| left.min(PIECE));
            let (piece, zeros) = (piece.get_mut(..count), zeros.get(..count));
            let piece = piece.unwrap_or_default();
            disk.read_at(at, piece)?;
            if Some(&*piece) != zeros {
                return Ok(false);
            }
            at = at.saturating_add(count as u64);
        }
    }
    Ok(true)
}

/// The size that is asked for, in whole sectors.
fn size_of(before: u64, wanted: NewSize) -> Result<u64> {
    let size = match wanted {
        NewSize::Exactly(size) => Some(size.bytes()),
        NewSize::More(size) => before.checked_add(size.bytes()),
        NewSize::Less(size) => before.checked_sub(size.bytes()).filter(|left| *left > 0),
    };
    let size = size.and_then(|size| size.checked_next_multiple_of(512));
    size.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!(
                "the disk has {} ({before} bytes), which leaves nothing that a disk can have",
                Size(before)
            ),
        )
    })
}

/// Refuses what was not asked for: a disk that is smaller than before, above all.
fn allowed(
    disk: &LeasedDisk,
    guard: &WriteGuard<'_>,
    request: &ResizeRequest,
    after: u64,
) -> Result<()> {
    let top = disk.chain().top();
    let before = top.virtual_size;
    let which = match (guard.owner(), disk.target()) {
        (Some(owner), Some(target)) => format!("-d {} --target {target}", owner.name),
        _ => format!("-a {} --format {}", image::path_word(&top.path), top.format),
    };
    let path = shown(&top.path);
    match request.inside {
        Inside::Stays | Inside::Grows if after < before => Err(Error::new(
            Kind::Usage,
            format!(
                "{path} has {}, and would be smaller, with {}: what is behind that would be lost",
                Size(before),
                Size(after)
            ),
        )
        .hint(format!(
            "have its file system and partition made smaller first: `vmkin disk resize {which} \
             --shrink {after}`"
        ))),
        Inside::Shrinks if after > before => Err(Error::new(
            Kind::Usage,
            format!(
                "{path} has {}, and would be larger, with {}",
                Size(before),
                Size(after)
            ),
        )
        .hint("leave `--shrink` out")),
        _ => Ok(()),
    }
}

/// Says how a guest that runs is helped.
fn told_of_running(host: Host<'_>, error: Error, subject: &Subject) -> Error {
    let Subject::Domain { domain, targets } = subject else {
        return error;
    };
    let status = host.hypervisor.status(domain);
    if !status.is_ok_and(|status| status.state == DomainState::Running) {
        return error;
    }
    error.hint(format!(
        "a disk can grow while the guest runs, and the guest can grow its file system then: `vmkin \
         disk resize -d {} --target {} --live +10G`",
        image::shell_word(domain.name.as_bytes()),
        targets.first().map_or("vda", DiskTarget::as_str)
    ))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
