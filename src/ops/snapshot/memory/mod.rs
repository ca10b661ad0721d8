//! Snapshots of guests that run: their memory and all disks, or nothing.
//!
//! Libvirt and QEMU make these, for nobody else can write to the images of a
//! guest that runs. What is done here is what they leave out: to look first
//! whether it can be done at all and means what its name says, and afterwards
//! whether it was done everywhere.
//!
//! | what | is taken back before | and finished after |
//! |---|---|---|
//! | create | it is on record with libvirt, and in all images | |
//! | apply | libvirt says that the guest goes on from it | the undo snapshots go then |

pub mod apply;
pub mod create;
mod leftovers;
pub(super) mod recover;

use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::{self, shown};
use crate::model::{Chain, Disk, DiskSource, DiskTarget, Domain, ImageFormat};
use crate::ops::Host;
use crate::ops::images::{chain_of, path_of, trust_for};
use crate::xml::domain::{self, DomainFacts};

/// An image of a guest that runs, to look at.
struct LiveImage {
    /// Its name in the domain; `None` for the UEFI variables.
    target: Option<DiskTarget>,
    chain: Chain,
}

impl LiveImage {
    /// The snapshots in it.
    fn table(&self) -> Result<Vec<Snapshot>> {
        image::snapshot::table(self.chain.top())
    }

    fn label(&self) -> String {
        match &self.target {
            Some(target) => target.to_string(),
            None => shown(&self.chain.top().path).to_string(),
        }
    }
}

/// What an active domain is now, which may be another thing than what it starts
/// with next.
pub(super) fn live_facts(host: Host<'_>, domain: &Domain) -> Result<DomainFacts> {
    let all = host.hypervisor.current_xml()?;
    let live = all.iter().find(|(uuid, _)| *uuid == domain.uuid);
    let (_, xml) = live.ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!("domain '{}' has ended meanwhile", domain.name),
        )
    })?;
    domain::read(xml)
}

/// The images that a snapshot of a guest with its memory is in.
///
/// # Errors
///
/// [`Kind::WrongState`] if one that the guest can write to cannot hold it.
fn live_images(
    host: Host<'_>,
    domain: &Domain,
    facts: &DomainFacts,
    dirs: &[std::path::PathBuf],
) -> Result<Vec<LiveImage>> {
    let trust = trust_for(host.hypervisor, &facts.disks, dirs)?;
    let mut images = Vec::new();
    for disk in &facts.disks {
        if disk.readonly || disk.source == DiskSource::Empty {
            continue;
        }
        can_be_part(domain, disk)?;
        let path = path_of(host.hypervisor, &disk.source)?;
        let path = path.ok_or_else(|| no_part(domain, disk, &disk.source.to_string()))?;
        images.push(LiveImage {
            target: Some(disk.target.clone()),
            chain: chain_of(disk, &path, &trust)?,
        });
    }
    if images.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' has no disk that could hold its memory",
                domain.name
            ),
        ));
    }
    let nvram = facts.nvram.as_ref();
    if let Some((path, format)) = nvram.and_then(|nvram| Some((nvram.path.as_ref()?, nvram.format)))
    {
        if format != ImageFormat::Qcow2 {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "the UEFI variables of domain '{}' are in the format {format}, and must be \
                     qcow2 to be in a snapshot with its memory",
                    domain.name
                ),
            )
            .hint(format!(
                "a snapshot of the guest shut off has them: `vmkin shutdown -d {0} --wait && \
                 vmkin snapshot create -d {0}`",
                super::word(&domain.name)
            )));
        }
        images.push(LiveImage {
            target: None,
            chain: image::resolve(path, format, &trust)?,
        });
    }
    Ok(images)
}

fn can_be_part(domain: &Domain, disk: &Disk) -> Result<()> {
    let what = if disk.shareable {
        "shareable".to_owned()
    } else if disk.transient {
        "transient".to_owned()
    } else if disk.format != ImageFormat::Qcow2 {
        format!("in the format {}", disk.format)
    } else {
        return Ok(());
    };
    Err(no_part(domain, disk, &what))
}

fn no_part(domain: &Domain, disk: &Disk, what: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "disk {} of domain '{}' is {what}, and all that a running guest can write to must be \
             its own qcow2 images of this host to be in a snapshot with its memory",
            disk.target, domain.name
        ),
    )
}

#[cfg(test)]
mod tests;
