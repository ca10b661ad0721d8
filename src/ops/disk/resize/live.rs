//! Growing a disk of a guest that runs: QEMU does it, and the guest sees it at once.
//!
//! There is nothing to recover: a disk has the one size or the other, and what is on it
//! stays as it is.

use super::{ResizeReport, ResizeRequest, size_of};
use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{Chain, Disk, DiskTarget, Domain, ImageFormat, Size};
use crate::ops::disk::{Subject, only_one};
use crate::ops::guard::{Allowed, chosen, not_here, not_of_others};
use crate::ops::images::{chain_of, path_of};
use crate::ops::{Host, Usage};
use crate::xml::domain;

/// A change of size that has been thought through.
pub struct LivePlan {
    /// What is to be done.
    pub report: ResizeReport,
    domain: Domain,
    disk: Disk,
}

/// Works out what is to be done. Changes nothing.
///
/// # Errors
///
/// [`Kind::WrongState`] if the guest does not run, or the disk is none that QEMU can
/// grow; [`Kind::Usage`] if it would be smaller, or it is not said which is meant;
/// [`Kind::Protected`] if it is the base of others; those of reading its chain.
pub fn plan(host: Host<'_>, request: &ResizeRequest) -> Result<LivePlan> {
    host.must_be_here()?;
    let Subject::Domain { domain, targets } = &request.subject else {
        return Err(Error::new(Kind::Usage, "only a guest runs: `-d DOMAIN`"));
    };
    let xml = current(host, domain)?;
    let facts = domain::read(&xml)?;
    let disks = chosen(domain, &facts.disks, targets)?;
    let disk = (*only_one(&disks)?).clone();
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let chain = look(host, &disk, allow)?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    let top = chain.top();
    let image = image::ImageFile::open(&top.path)?;
    not_of_others(&usage, usage.index_of(domain.uuid), None, &image)?;
    let before = top.virtual_size;
    let after = size_of(before, request.size)?;
    let path = shown(&top.path);
    if after < before {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "{path} has {}, and would be smaller, with {}: the disk of a guest that runs can \
                 only grow",
                Size(before),
                Size(after)
            ),
        )
        .hint(format!(
            "shut it down, and have its file system made smaller first: `vmkin disk resize -d {} \
             --target {} --shrink {after}`",
            image::shell_word(domain.name.as_bytes()),
            disk.target
        )));
    }
    if top.block || !matches!(top.format, ImageFormat::Raw | ImageFormat::Qcow2) {
        let what = match top.block {
            true => "a block device".to_owned(),
            false => format!("in the format {}", top.format),
        };
        return Err(Error::new(
            Kind::WrongState,
            format!("{path} is {what}, and must be a raw or qcow2 image to be grown"),
        ));
    }
    image::may_have_size(&chain, after)?;
    Ok(LivePlan {
        report: ResizeReport {
            target: Some(disk.target.clone()),
            path: top.path.clone(),
            format: top.format,
            before: Size(before),
            after: Size(after),
            least: None,
            steps: Vec::new(),
        },
        domain: domain.clone(),
        disk,
    })
}

/// Does it.
///
/// # Errors
///
/// [`Kind::Busy`] if the disk has another size by now; [`Kind::Libvirt`] if QEMU cannot
/// do it.
pub fn apply(host: Host<'_>, plan: &LivePlan, request: &ResizeRequest) -> Result<()> {
    let (before, after) = (plan.report.before.bytes(), plan.report.after.bytes());
    if before == after {
        return Ok(());
    }
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let size = || Ok::<_, Error>(look(host, &plan.disk, allow)?.top().virtual_size);
    // QEMU would make it smaller, too.
    if size()? != before {
        return Err(Error::new(
            Kind::Busy,
            format!("disk {} was given another size meanwhile", plan.disk.target),
        ));
    }
    let target: &DiskTarget = &plan.disk.target;
    host.hypervisor
        .resize_disk(&plan.domain, target, plan.report.after)?;
    match size()? {
        seen if seen == after => Ok(()),
        seen => Err(Error::new(
            Kind::Libvirt,
            format!("disk {target} has {seen} bytes afterwards, and must have {after}"),
        )),
    }
}

/// What the domain is now.
fn current(host: Host<'_>, domain: &Domain) -> Result<String> {
    let name = &domain.name;
    if host.hypervisor.state(domain)?.is_active() {
        let mut current = host.hypervisor.current_xml()?.into_iter();
        if let Some((_, xml)) = current.find(|(uuid, _)| *uuid == domain.uuid) {
            return Ok(xml);
        }
    }
    Err(Error::new(
        Kind::WrongState,
        format!("domain '{name}' does not run, and must for `--live`"),
    )
    .hint("leave `--live` out"))
}

fn look(host: Host<'_>, disk: &Disk, allow: Allowed<'_>) -> Result<Chain> {
    let path = path_of(host.hypervisor, &disk.source)?.ok_or_else(|| not_here(disk))?;
    let trust = allow.trust(host, std::slice::from_ref(disk))?;
    chain_of(disk, &path, &trust)
}
