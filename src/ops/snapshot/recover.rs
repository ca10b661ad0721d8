//! Finishing, or taking back, work on a snapshot that was left behind.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::delete::delete_tag;
use super::held::{Held, label};
use super::{Records, Subject, apply, external, memory, variables, word};
use crate::error::{Error, Kind, Result};
use crate::image::snapshot as tags;
use crate::model::Domain;
use crate::ops::guard::LeasedDisk;
use crate::ops::{Host, ShutOff};
use crate::store::{SnapshotAct, SnapshotImage, SnapshotIntent, Step};
use crate::xml::snapshot;

/// How long libvirt may take to begin what it was asked for by somebody who was
/// killed then, and to be done with what takes no time.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Finishes or takes back work on a snapshot, and says what is there now, as a
/// sentence.
///
/// Where a guest has been started since, its disks are left alone: what is
/// left of a snapshot only takes space, and can be deleted as one.
///
/// # Errors
///
/// If nobody can tell now, because an image is locked or libvirt does not
/// answer.
pub(in crate::ops) fn recover(
    host: Host<'_>,
    intent: &SnapshotIntent,
    steps: &[Step],
) -> Result<String> {
    settle(host, intent, steps, GRACE)
}

/// The same where libvirt may take this long yet to begin what it has been asked
/// for.
pub(super) fn settle(
    host: Host<'_>,
    intent: &SnapshotIntent,
    steps: &[Step],
    grace: Duration,
) -> Result<String> {
    let domain = match &intent.domain {
        Some(known) => match host.hypervisor.find_uuid(known.uuid)? {
            Some(domain) => Some(domain),
            None => return Ok("The domain is gone, and its snapshots with it.".to_owned()),
        },
        None => None,
    };
    match intent.act {
        SnapshotAct::Create => create(host, domain.as_ref(), intent, steps, grace),
        SnapshotAct::CreateMemory => match &domain {
            Some(domain) => memory::recover::create(host, domain, intent),
            None => Ok("It was about no domain.".to_owned()),
        },
        SnapshotAct::ApplyMemory => match &domain {
            Some(domain) => memory::recover::apply(host, domain, intent, steps),
            None => Ok("It was about no domain.".to_owned()),
        },
        SnapshotAct::Apply => apply_again(host, domain.as_ref(), intent, steps),
        SnapshotAct::Delete => delete(host, domain.as_ref(), intent),
        SnapshotAct::Revert => revert(host, domain.as_ref(), intent, grace),
        SnapshotAct::Merge => merge(host, domain.as_ref(), intent, grace),
    }
}

/// The images, locked once more, or why they are to be left alone.
pub(super) enum Again<'a> {
    Held(Box<Held<'a>>),
    No(String),
}

pub(super) fn hold<'a>(
    host: Host<'a>,
    domain: Option<&Domain>,
    intent: &SnapshotIntent,
) -> Result<Again<'a>> {
    let subject = match (domain, intent.images.first()) {
        (Some(domain), _) => Subject::Domain(domain.clone()),
        (None, Some(image)) => Subject::Image {
            path: image.path.clone(),
            format: Some(image.format),
        },
        (None, None) => return Ok(Again::No("it was about no image".to_owned())),
    };
    match Held::lock(host, &subject, &intent.allow_dirs) {
        Ok(held) => {
            // Before anything else is written there: see `set_right`.
            let cancel = AtomicBool::new(false);
            for disk in held.images() {
                tags::set_right(disk.chain(), disk.lease(), &cancel)?;
            }
            Ok(Again::Held(Box::new(held)))
        }
        Err(e) => match e.kind() {
            // That may be another one the next time.
            Kind::Busy | Kind::Environment | Kind::Libvirt | Kind::Storage => Err(e),
            _ => Ok(Again::No(e.to_string())),
        },
    }
}

/// The image of the journal among those that are locked.
fn same<'h>(held: &'h Held<'_>, image: &SnapshotImage) -> Option<&'h LeasedDisk> {
    let mut disks = held.images();
    disks.find(|disk| disk.chain().top().file == image.file)
}

fn create(
    host: Host<'_>,
    domain: Option<&Domain>,
    intent: &SnapshotIntent,
    steps: &[Step],
    grace: Duration,
) -> Result<String> {
    if let Some(domain) = domain {
        if intent.recorded.is_none() {
            // An external one, which libvirt makes and puts on record.
            comes_true(host, grace, || is_on_record(host, domain, intent))?;
        }
        let records = Records::read(host, domain)?;
        let known = records.named(&intent.name);
        // Of an external one, it is libvirt that says when it was made.
        let made = |at: i64| intent.recorded.is_none_or(|recorded| recorded == at);
        if known.is_some_and(|known| made(known.created)) {
            return Ok("The snapshot had been made.".to_owned());
        }
        if known.is_some() {
            return Ok("Somebody has made a snapshot of that name since, which stays.".to_owned());
        }
    }
    // An external one leaves nothing in the images.
    if !intent.images.is_empty() {
        match hold(host, domain, intent)? {
            Again::Held(held) => delete_tags(&held, intent)?,
            Again::No(why) => {
                return Ok(format!(
                    "It had not been made, and what is left of it in the images stays: {why}."
                ));
            }
        }
    }
    if let Some(saved) = &intent.variables {
        let copy = steps.iter().find_map(|step| match step {
            Step::Saved { file } => Some(*file),
            _ => None,
        });
        variables::remove(saved, copy)?;
    }
    Ok("It had not been made, and nothing of it is left.".to_owned())
}

fn delete(host: Host<'_>, domain: Option<&Domain>, intent: &SnapshotIntent) -> Result<String> {
    if let Some(domain) = domain {
        let records = Records::read(host, domain)?;
        match records.named(&intent.name) {
            Some(known) if Some(known.created) == intent.recorded => {
                host.hypervisor.forget_snapshot(domain, &intent.name)?;
            }
            Some(_) => {
                return Ok(
                    "Somebody has made a snapshot of that name since, which stays.".to_owned(),
                );
            }
            None => {}
        }
    }
    let held = match hold(host, domain, intent)? {
        Again::Held(held) => held,
        Again::No(why) => {
            return Ok(format!(
                "It is deleted, but for what is left of it in the images: {why}."
            ));
        }
    };
    delete_tags(&held, intent)?;
    if let Some(saved) = &intent.variables {
        variables::remove(saved, saved.file)?;
    }
    Ok("It is deleted now.".to_owned())
}

fn is_on_record(host: Host<'_>, domain: &Domain, intent: &SnapshotIntent) -> Result<bool> {
    Ok(Records::read(host, domain)?.named(&intent.name).is_some())
}

/// Whether something is so, or comes to be within a time.
fn comes_true(host: Host<'_>, within: Duration, is_so: impl Fn() -> Result<bool>) -> Result<bool> {
    let since = Instant::now();
    loop {
        if is_so()? {
            return Ok(true);
        }
        if since.elapsed() >= within {
            return Ok(false);
        }
        host.interrupt.check()?;
        std::thread::sleep(LOOK);
    }
}

/// Sees to the UEFI variables where libvirt has gone back, or has not.
fn revert(
    host: Host<'_>,
    domain: Option<&Domain>,
    intent: &SnapshotIntent,
    grace: Duration,
) -> Result<String> {
    let (Some(domain), Some(saved)) = (domain, &intent.variables) else {
        return Ok("There is nothing to be done.".to_owned());
    };
    let has_gone_back = || external::apply::has_gone_back(host, domain, &intent.images);
    if comes_true(host, grace, has_gone_back)? {
        variables::forget_old(saved)?;
        return Ok("All disks are back at the snapshot.".to_owned());
    }
    if let Err(error) = ShutOff::check(host.hypervisor, domain) {
        if error.kind() != Kind::WrongState {
            return Err(error);
        }
        variables::forget_old(saved)?;
        return Ok(format!(
            "No disk had gone back, and the UEFI variables are those of the snapshot: {error}."
        ));
    }
    variables::put_back(saved)?;
    Ok("All disks are what they were before.".to_owned())
}

/// Removes the copy of the UEFI variables of an external snapshot that is gone.
fn merge(
    host: Host<'_>,
    domain: Option<&Domain>,
    intent: &SnapshotIntent,
    grace: Duration,
) -> Result<String> {
    if let Some(domain) = domain {
        let is_gone = || Ok(!is_on_record(host, domain, intent)?);
        if !comes_true(host, grace, is_gone)? {
            // It is shut off, but for the QEMU that libvirt merges with.
            if host.hypervisor.status(domain)?.state.is_active() && !grace.is_zero() {
                return Err(Error::new(
                    Kind::Busy,
                    format!(
                        "libvirt may still be merging snapshot '{}' of '{}'",
                        intent.name, domain.name
                    ),
                )
                .hint("when it is done, or the guest is shut off again: `vmkin recover`"));
            }
            return Ok("It is not deleted.".to_owned());
        }
    }
    if let Some(saved) = &intent.variables {
        variables::remove(saved, saved.file)?;
    }
    Ok("It is deleted now.".to_owned())
}

/// Deletes the snapshot of every image that still is the file it was.
pub(super) fn delete_tags(held: &Held<'_>, intent: &SnapshotIntent) -> Result<()> {
    let cancel = AtomicBool::new(false);
    for image in &intent.images {
        if let Some(disk) = same(held, image) {
            delete_tag(disk, image, &cancel)?;
        }
    }
    Ok(())
}

fn apply_again(
    host: Host<'_>,
    domain: Option<&Domain>,
    intent: &SnapshotIntent,
    steps: &[Step],
) -> Result<String> {
    let committed = steps
        .iter()
        .any(|step| matches!(step, Step::Committed { .. }));
    let held = match hold(host, domain, intent)? {
        Again::Held(held) => held,
        Again::No(why) => return Ok(left_alone(intent, committed, &why)),
    };
    let disks: Vec<&LeasedDisk> = held.images().collect();
    if intent
        .images
        .iter()
        .any(|image| same(&held, image).is_none())
    {
        let why = "its disks are other images by now";
        return Ok(left_alone(intent, committed, why));
    }
    if !committed {
        if let Some(why) = written_since(&held, intent)? {
            return Ok(left_alone(intent, committed, &why));
        }
    }
    if committed || is_done(host, domain, &held, intent)? {
        apply::settle(host, domain, &disks, intent)?;
        return Ok("All disks are back at the snapshot.".to_owned());
    }
    apply::take_back(&disks, intent)?;
    Ok("All disks are what they were before.".to_owned())
}

/// Whether everything had gone back, though the mark is not there: one disk
/// alone, or with a new definition, which comes last.
fn is_done(
    host: Host<'_>,
    domain: Option<&Domain>,
    held: &Held<'_>,
    intent: &SnapshotIntent,
) -> Result<bool> {
    for image in &intent.images {
        let Some(disk) = same(held, image) else {
            return Ok(false);
        };
        let table = tags::table(disk.chain().top())?;
        let tag = table.iter().find(|tag| tag.id == image.id);
        let Some(tag) = tag.filter(|tag| tag.name == image.tag) else {
            return Ok(false);
        };
        if !tags::is_at(disk.chain().top(), tag)? {
            return Ok(false);
        }
    }
    let (true, Some(domain)) = (intent.redefines, domain) else {
        return Ok(intent.undo.is_none() && !intent.redefines);
    };
    let Some(document) = host.hypervisor.secure_snapshot(domain, &intent.name)? else {
        return Ok(false);
    };
    let now = host.hypervisor.secure_xml(domain)?;
    let then = snapshot::definition(document.expose())?;
    Ok(then.is_some_and(|then| snapshot::same_definition(then, now.expose())))
}

/// Why the disks are not to be brought back: a guest has written to one since.
/// Then it is neither where it was nor where it was to go.
pub(super) fn written_since(held: &Held<'_>, intent: &SnapshotIntent) -> Result<Option<String>> {
    let Some(undo) = &intent.undo else {
        return Ok(None);
    };
    for image in &intent.images {
        let Some(disk) = same(held, image) else {
            continue;
        };
        let layer = disk.chain().top();
        let table = tags::table(layer)?;
        // Before it had that, it was not touched.
        let Some(before) = tags::named(&table, undo.as_bytes()) else {
            continue;
        };
        let target = table.iter().find(|tag| tag.id == image.id);
        let at_target = target.map_or(Ok(false), |tag| tags::is_at(layer, tag))?;
        if !at_target && !tags::is_at(layer, before)? {
            return Ok(Some(format!(
                "a guest has written to {} since",
                label(disk)
            )));
        }
    }
    Ok(None)
}

pub(super) fn left_alone(intent: &SnapshotIntent, committed: bool, why: &str) -> String {
    let options = match &intent.domain {
        Some(domain) => format!("-d {}", word(&domain.name)),
        None => String::new(),
    };
    match (&intent.undo, committed) {
        (Some(undo), false) => format!(
            "Some disks may have gone back and others not, and stay as they are: {why}. To have \
             all as they were before: `vmkin snapshot apply {options} {undo}`."
        ),
        (Some(undo), true) => format!(
            "All disks had gone back. What was kept to undo that stays: {why}. To be rid of it: \
             `vmkin snapshot delete {options} {undo}`."
        ),
        (None, _) => format!("The disk stays as it is: {why}."),
    }
}
