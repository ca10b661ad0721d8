//! What became of a snapshot with memory whose maker died. Libvirt goes on
//! without it.

use std::thread::sleep;
use std::time::Duration;

use super::{live_facts, live_images};
use crate::error::Result;
use crate::image::snapshot as tags;
use crate::model::Domain;
use crate::ops::Host;
use crate::ops::snapshot::{Records, recover, word};
use crate::store::{SnapshotIntent, Step};

/// How often it is looked whether libvirt is done.
const LOOK: Duration = Duration::from_millis(100);

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
    steps: &[Step],
) -> Result<String> {
    wait(host, domain)?;
    if Records::read(host, domain)?.named(&intent.name).is_some() {
        return Ok("The snapshot had been made.".to_owned());
    }
    if !host.hypervisor.status(domain)?.state.is_active() {
        return recover::create(host, Some(domain), intent, steps);
    }
    let facts = live_facts(host, domain)?;
    let mut left = Vec::new();
    for image in live_images(host, domain, &facts, &intent.allow_dirs)? {
        if tags::named(&image.table()?, intent.name.as_bytes()).is_some() {
            left.push(image.label());
        }
    }
    if left.is_empty() {
        return Ok("It had not been made, and nothing of it is left.".to_owned());
    }
    Ok(format!(
        "It had not been made. What is left of it in {} stays as long as the guest runs; after \
         that: `vmkin snapshot delete -d {} {}`.",
        left.join(", "),
        word(&domain.name),
        word(&intent.name)
    ))
}

/// Waits until libvirt has ended what it is doing to the guest.
fn wait(host: Host<'_>, domain: &Domain) -> Result<()> {
    while host.hypervisor.memory_job(domain)?.is_some() {
        host.interrupt.check()?;
        sleep(LOOK);
    }
    Ok(())
}
