//! Putting an overlay on another base by its header alone.
//!
//! What it holds is not touched, and nothing is copied: it has to read the same
//! there as it is, and that is compared before. Then the name in its header is
//! another one. What was there is in the journal, so that it comes back if it goes
//! no farther; from the mark on, the definition follows it.

use super::{RebasePlan, only_one};
use crate::error::{Error, Kind, Result};
use crate::image::{self, HeaderState, ImageFile, Lease, Renaming, shown};
use crate::model::{Chain, Size};
use crate::ops::Host;
use crate::ops::guard::{LeasedDisk, WriteGuard, lease_again};
use crate::ops::relayer::{chain_of_own, of_disk, rechain};
use crate::store::{CommittedDisk, Journal, Operation, RenameIntent, Step};

/// Makes sure that a disk reads on the other base, as it is, what it reads now, and
/// that its header can name that.
///
/// # Errors
///
/// [`Kind::Unsafe`] if it does not; [`Kind::WrongState`] if its header cannot.
pub(super) fn prove(
    host: Host<'_>,
    guard: &WriteGuard<'_>,
    disk: &LeasedDisk,
    onto: &Chain,
) -> Result<()> {
    let (top, base) = (disk.chain().top(), onto.top());
    let without = "leave `--unsafe` out: what differs is copied into it then";
    let format = disk.chain().backing().first().map(|below| below.format);
    if format != Some(base.format) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is {}, and the header of {} says another format, which stays",
                shown(&base.path),
                base.format,
                shown(&top.path)
            ),
        )
        .hint(without));
    }
    Renaming::plan(disk.lease().image(), &base.path)?;
    let there = Chain::new(top.clone(), onto.layers().to_vec());
    let what = of_disk(&guard.name(disk), disk.target());
    let what = format!("{what}, compared");
    let progress = |done, total| host.observer.progress(&what, done, total);
    let cancel = host.interrupt.flag();
    let differs = image::differs_at(disk.chain(), &there, &progress, cancel)
        .map_err(|error| host.stopped_by(error))?;
    let Some(at) = differs else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Unsafe,
        format!(
            "{} would read something else on {}, from byte {at} on",
            shown(&top.path),
            shown(&base.path)
        ),
    )
    .hint(without))
}

/// Does it. Returns what the overlay takes on the host, as before.
///
/// # Errors
///
/// Before the mark the header is what it was; after it, [`Kind::NotUndone`]: the next
/// run finishes it.
pub(super) fn apply(host: Host<'_>, plan: &RebasePlan<'_>) -> Result<Size> {
    host.interrupt.check()?;
    let disk = only_one(plan.guard.disks())?;
    let image = disk.lease().image();
    let renaming = Renaming::plan(image, &plan.onto.top().path)?;
    let owner = plan.guard.owner().zip(disk.target());
    let intent = RenameIntent {
        name: plan.guard.name(disk),
        disk: owner.map(|(domain, target)| CommittedDisk {
            uuid: domain.uuid,
            target: target.clone(),
        }),
        overlay: image.real_path().to_owned(),
        file: image.id(),
        before: renaming.before(),
        to: plan.onto.top().path.clone(),
    };
    let operation = Operation::Rename(intent.clone());
    let mut journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let named = crate::failpoint::hit("rename.journal")
        .and_then(|()| host.interrupt.check())
        .and_then(|()| plan.guard.recheck())
        .and_then(|()| renaming.apply(disk.lease()))
        .and_then(|()| crate::failpoint::hit("rename.written"))
        .and_then(|()| journal.add(&[Step::Committed { files: Vec::new() }]));
    if let Err(error) = named {
        let error = Journal::may_take_back(error)?;
        take_back(&renaming, disk.lease())?;
        journal.finish()?;
        return Err(host.stopped_by(error));
    }
    finish(host, &intent).map_err(|error| {
        error.with_kind(Kind::NotUndone).hint(
            "the disk reads the same on both bases; when the cause is gone, `vmkin recover` \
             finishes it",
        )
    })?;
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "'{}' is done, but its journal not closed ({error}); `vmkin recover` does that.",
            intent.name
        ));
    }
    Ok(Size(image.allocated()))
}

/// Has the header name what it named.
fn take_back(renaming: &Renaming, lease: &Lease) -> Result<()> {
    renaming.take_back(lease).map_err(|error| {
        error.with_kind(Kind::NotUndone).hint(
            "the disk reads the same on both bases; when the cause is gone, `vmkin recover` takes \
             it back",
        )
    })
}

/// Has the definition say what the header says.
fn finish(host: Host<'_>, intent: &RenameIntent) -> Result<()> {
    crate::failpoint::hit("rename.committed")?;
    if let Some(disk) = &intent.disk {
        if let Some(domain) = host.hypervisor.find_uuid(disk.uuid)? {
            let chain = chain_of_own(&intent.overlay, crate::model::ImageFormat::Qcow2)?;
            rechain(host, &domain, &[(&disk.target, chain)])?;
        }
    }
    crate::failpoint::hit("rename.defined")
}

/// Finishes or takes back what was left behind, and says what is there now, as a
/// sentence.
///
/// # Errors
///
/// If it cannot be done now: the disk is in use, or libvirt does not answer.
pub(in crate::ops) fn recover(
    host: Host<'_>,
    intent: &RenameIntent,
    steps: &[Step],
) -> Result<String> {
    if image::file_id(&intent.overlay)? != Some(intent.file) {
        return Ok("Its disk is another file by now.".to_owned());
    }
    let renaming = Renaming::again(&intent.before, &intent.to)?;
    let state = renaming.state(&ImageFile::open(&intent.overlay)?)?;
    let is_marked = Step::committed(steps).is_some();
    if !is_marked && matches!(state, HeaderState::After | HeaderState::Torn) {
        take_back(&renaming, &lease_again(&intent.overlay)?)?;
    }
    // A guest that has run since has written to the header, but not to that name.
    if is_marked || state == HeaderState::Other {
        finish(host, intent)?;
    }
    let below = chain_of_own(&intent.overlay, crate::model::ImageFormat::Qcow2)?;
    let below = below
        .backing()
        .first()
        .map(|layer| shown(&layer.path).to_string());
    Ok(format!(
        "It is on {}, where it reads what it read.",
        below.as_deref().unwrap_or("nothing")
    ))
}
