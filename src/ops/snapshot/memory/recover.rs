//! What became of a snapshot with memory whose maker died. Libvirt goes on
//! without it.

use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::apply::{goes_on, undo_all};
use super::{leftovers, live_facts, live_images};
use crate::error::Result;
use crate::image::snapshot as tags;
use crate::model::{Domain, DomainState, SecretText};
use crate::ops::Host;
use crate::ops::snapshot::recover::Again;
use crate::ops::snapshot::{Records, recover, word};
use crate::store::{SnapshotIntent, Step};
use crate::xml::snapshot;

/// How often it is looked whether libvirt is done.
const LOOK: Duration = Duration::from_millis(100);

/// How long libvirt may take to be done without the one who asked for it. A guest
/// that does not go on from a snapshot by then counts as started by somebody
/// else: what is kept to undo that stays, and is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long libvirt may take to begin what it has been asked for.
const GRACE: Duration = Duration::from_secs(1);

/// Says whether it was made; if not, removes what there is of it, where the
/// guest does not run.
///
/// # Errors
///
/// If nobody can tell now.
pub(in crate::ops::snapshot) fn create(
    host: Host<'_>,
    domain: &Domain,
    intent: &SnapshotIntent,
) -> Result<String> {
    // Libvirt has it on record from when it begins; each image, when it is done.
    let since = Instant::now();
    while Records::read(host, domain)?.named(&intent.name).is_some() {
        if has_it_all(host, domain, intent)? {
            return paused(host, domain, "The snapshot had been made.");
        }
        if since.elapsed() > PATIENCE {
            return Ok(format!(
                "It is on record, and not in all images. To be rid of it, when the guest is shut \
                 off: `vmkin snapshot delete -d {} {}`.",
                word(&domain.name),
                word(&intent.name)
            ));
        }
        host.interrupt.check()?;
        sleep(LOOK);
    }
    leftovers::remove(host, domain, intent)?;
    paused(
        host,
        domain,
        "It had not been made, and nothing of it is left.",
    )
}

/// Says so too where the guest stands still: libvirt leaves it paused when it is
/// restarted meanwhile, and nobody knows whether the user has come since.
fn paused(host: Host<'_>, domain: &Domain, said: &str) -> Result<String> {
    if host.hypervisor.status(domain)?.state != DomainState::Paused {
        return Ok(said.to_owned());
    }
    let name = word(&domain.name);
    Ok(format!(
        "{said} The guest is paused; to let it go on: `vmkin resume -d {name}`."
    ))
}

/// Whether all images have it.
fn has_it_all(host: Host<'_>, domain: &Domain, intent: &SnapshotIntent) -> Result<bool> {
    if !host.hypervisor.status(domain)?.state.is_active() {
        // Then nobody works on it any more.
        return Ok(true);
    }
    let facts = live_facts(host, domain)?;
    let images = live_images(host, domain, &facts, &intent.allow_dirs)?;
    Ok(leftovers::having(&images, intent)?.len() == images.len())
}

/// Lets a guest that goes on from there go on without what was kept to undo it;
/// where it does not, brings everything to where it was.
///
/// # Errors
///
/// If nobody can tell now.
pub(in crate::ops::snapshot) fn apply(
    host: Host<'_>,
    domain: &Domain,
    intent: &SnapshotIntent,
    steps: &[Step],
) -> Result<String> {
    let Some(undo) = &intent.undo else {
        return Ok("Nothing had happened yet.".to_owned());
    };
    let kept = host.hypervisor.secure_snapshot(domain, undo)?;
    // Without that on record, libvirt was not asked yet.
    let state = match &kept {
        Some(_) => settled_state(host, domain, &intent.name)?,
        None => host.hypervisor.status(domain)?.state,
    };
    let mut steps = steps.iter();
    let done = steps.any(|step| matches!(step, Step::Committed { .. }))
        || (kept.is_some() && goes_on(host, domain, &intent.name)?);
    if state.is_active() {
        if !done {
            let why = "somebody has started it since";
            return Ok(recover::left_alone(intent, false, why));
        }
        host.hypervisor.delete_snapshot(domain, undo)?;
        return Ok("The guest goes on from the snapshot.".to_owned());
    }
    let held = match recover::hold(host, Some(domain), intent)? {
        Again::Held(held) => held,
        Again::No(why) => return Ok(recover::left_alone(intent, done, &why)),
    };
    if done {
        for disk in held.images() {
            let table = tags::table(disk.chain().top())?;
            if let Some(tag) = tags::named(&table, undo.as_bytes()) {
                tags::delete(disk.chain(), disk.lease(), tag, &AtomicBool::new(false))?;
            }
        }
        host.hypervisor.forget_snapshot(domain, undo)?;
        return Ok("The guest had gone on from the snapshot.".to_owned());
    }
    if let Some(why) = recover::written_since(&held, intent)? {
        return Ok(recover::left_alone(intent, false, &why));
    }
    let before = match &kept {
        Some(document) => snapshot::definition(document.expose())?,
        None => None,
    };
    let before = before.map(|text| SecretText::from(text.to_owned()));
    undo_all(host, domain, &held, intent, before.as_ref())?;
    Ok("All disks are what they were before.".to_owned())
}

/// What the guest does when libvirt has ended what it was doing. That it is in the
/// middle of going on from there libvirt does not tell: then it is active, and
/// another snapshot is the current one yet.
fn settled_state(host: Host<'_>, domain: &Domain, name: &str) -> Result<DomainState> {
    let since = Instant::now();
    loop {
        let state = host.hypervisor.status(domain)?.state;
        let settled = if state.is_active() {
            goes_on(host, domain, name)?
        } else {
            // It may have heard, and not begun yet.
            since.elapsed() > GRACE
        };
        if settled || since.elapsed() > PATIENCE {
            return Ok(state);
        }
        host.interrupt.check()?;
        sleep(LOOK);
    }
}
