//! Flattening a guest that runs: QEMU copies what is below its disks into them,
//! and the guest goes on meanwhile.
//!
//! There is nothing to recover: at every moment the disk reads the same, and what
//! is copied already only takes room. Killed, QEMU goes on by itself.

use std::thread::sleep;
use std::time::Duration;

use super::{FlattenRequest, Flattened, FlattenedDisk, stands_alone};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskTarget, Domain, ImageFormat, SecretText, Size};
use crate::ops::Host;
use crate::ops::guard::Allowed;
use crate::ops::images::{chain_of, path_of};
use crate::ops::relayer::{chain_of_own, no_snapshots};
use crate::xml::domain::{self, Rechained};

/// How long it is until the work is looked at again.
const LOOK: Duration = Duration::from_millis(200);

/// Works out what is to be pulled. Changes nothing.
///
/// # Errors
///
/// [`Kind::WrongState`] if the domain is transient, has snapshots, or a disk is no
/// overlay or one that QEMU cannot flatten; those of reading its chains.
pub fn plan(host: Host<'_>, domain: &Domain, request: &FlattenRequest) -> Result<Flattened> {
    host.must_be_here()?;
    let name = &domain.name;
    if !host.hypervisor.status(domain)?.persistent {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{name}' is transient, and must have a stored definition"),
        ));
    }
    no_snapshots(host, domain)?;
    let current = host.hypervisor.current_xml()?.into_iter();
    let mut current = current.filter(|(uuid, _)| *uuid == domain.uuid);
    let (_, xml) = current.next().ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!("domain '{name}' does not run any more"),
        )
    })?;
    let facts = domain::read(&xml)?;
    let trust = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    }
    .trust(host, &facts.disks)?;
    let mut disks = Vec::new();
    let mut size = 0_u64;
    for target in &request.targets {
        crate::ops::guard::named(domain, &facts.disks, target)?;
    }
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        let asked = request.targets.contains(&disk.target);
        if !asked && !request.targets.is_empty() {
            continue;
        }
        let Some(path) = path_of(host.hypervisor, &disk.source)? else {
            continue;
        };
        let chain = chain_of(disk, &path, &trust)?;
        let top = chain.top();
        if chain.is_single() && !asked {
            continue;
        }
        if chain.is_single() || chain.export().is_some() || top.format != ImageFormat::Qcow2 {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "disk {} of domain '{name}' is no qcow2 overlay on images of this host",
                    disk.target
                ),
            ));
        }
        let below = chain.backing().iter().map(|layer| layer.allocated);
        size = size.saturating_add(below.fold(0, u64::saturating_add));
        disks.push(FlattenedDisk::of(&disk.target, &chain));
    }
    if disks.is_empty() {
        return Err(stands_alone(domain));
    }
    Ok(Flattened {
        domain: domain.clone(),
        disks,
        size: Size(size),
    })
}

/// Does it, one disk after the other.
///
/// # Errors
///
/// [`Kind::Libvirt`] if QEMU cannot do it, or ends; [`Kind::Interrupted`] when the
/// user wants it to stop. Disks that are done stay so.
pub fn apply(host: Host<'_>, plan: Flattened) -> Result<Flattened> {
    for disk in &plan.disks {
        host.interrupt.check()?;
        let what = format!("{} {}", plan.domain.name, disk.target);
        host.hypervisor.pull(&plan.domain, &disk.target)?;
        crate::failpoint::hit("flatten.pulling")?;
        watch(host, &plan.domain, &disk.target, &what)?;
        // QEMU has it open, and its header says by now what is below it.
        if !chain_of_own(&disk.path, ImageFormat::Qcow2)?.is_single() {
            return Err(Error::new(
                Kind::Libvirt,
                format!(
                    "disk {} of domain '{}' is not flattened: the work on it ended early",
                    disk.target, plan.domain.name
                ),
            )
            .hint("see what QEMU says of it: /var/log/libvirt/qemu"));
        }
    }
    remember(host, &plan)?;
    Ok(plan)
}

/// Waits for the work on a disk, or has it stop.
fn watch(host: Host<'_>, domain: &Domain, disk: &DiskTarget, what: &str) -> Result<()> {
    while let Some((done, total)) = host.hypervisor.block_job(domain, disk)? {
        if let Err(stop) = host.interrupt.check() {
            host.hypervisor.abort_block_job(domain, disk)?;
            return Err(stop.context(format!("disk {disk} was not flattened")));
        }
        if total > 0 {
            host.observer.progress(what, done, total);
        }
        sleep(LOOK);
    }
    Ok(())
}

/// Makes the stored definition say so: libvirt has it end the chain, and knows
/// nothing of the lineage.
fn remember(host: Host<'_>, plan: &Flattened) -> Result<()> {
    let old = host.hypervisor.secure_xml(&plan.domain)?;
    let mut lineage = domain::read(old.expose())?.lineage;
    let done = |target: &DiskTarget| plan.disks.iter().any(|disk| disk.target == *target);
    for made in lineage.iter_mut().flat_map(|lineage| &mut lineage.disks) {
        if done(&made.target) {
            made.bases.clear();
            made.export = None;
        }
    }
    let alone: Vec<Rechained> = plan
        .disks
        .iter()
        .map(|disk| Rechained {
            target: disk.target.clone(),
            image: None,
            backing: Vec::new(),
        })
        .collect();
    let new = domain::rechained(old.expose(), &alone, lineage.as_ref())?;
    if new != old.expose() {
        host.hypervisor
            .redefine(&plan.domain, &SecretText::from(new))?;
    }
    Ok(())
}
