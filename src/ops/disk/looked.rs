//! Disks that are looked at and neither locked nor changed: a guest may be
//! writing to them.

use std::path::PathBuf;

use super::Subject;
use crate::error::{Error, Kind, Result};
use crate::image::{self, LockState, Survey, probe};
use crate::model::{Chain, Disk, DiskTarget, Domain, DomainState};
use crate::ops::guard::{Allowed, named, not_here};
use crate::ops::images::{path_of, trust_of};
use crate::ops::read_guard::format_of;
use crate::ops::{Host, Usage};
use crate::xml::domain::{self, DomainFacts};

/// A disk, and as much of its chain as could be read.
pub(super) struct Looked {
    /// Its name in the domain; `None` for an image by its path.
    pub(super) target: Option<DiskTarget>,
    /// The image that the guest writes to.
    pub(super) path: PathBuf,
    /// What is known of it.
    pub(super) survey: Survey,
    /// Whether somebody may be writing to it.
    pub(super) moving: bool,
}

impl Looked {
    /// The whole chain.
    ///
    /// # Errors
    ///
    /// What keeps it from being read.
    pub(super) fn chain(self) -> Result<Chain> {
        if let Some(problem) = self.survey.problem {
            return Err(problem);
        }
        let mut layers = self.survey.layers.into_iter();
        let top = layers
            .next()
            .ok_or_else(|| Error::new(Kind::NotFound, "there is no such image"))?;
        let chain = Chain::new(top, layers.collect());
        Ok(match self.survey.export {
            Some(export) => chain.on(export),
            None => chain,
        })
    }
}

/// Looks at the disks of a domain as it is now, running or not, or at an image.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such disk or image; [`Kind::WrongState`] if a
/// disk that was named is none of this host; [`Kind::Usage`] if nobody says which
/// format an image has.
pub(super) fn look(
    host: Host<'_>,
    usage: &Usage,
    subject: &Subject,
    allow: Allowed<'_>,
) -> Result<Vec<Looked>> {
    match subject {
        Subject::Domain { domain, targets } => {
            let state = host.hypervisor.status(domain)?.state;
            let facts = facts_now(host, domain, state)?;
            let trust = allow.trust(host, &facts.disks)?;
            let mut all = Vec::new();
            for disk in meant(domain, &facts.disks, targets)? {
                let Some(path) = path_of(host.hypervisor, &disk.source)? else {
                    if targets.is_empty() {
                        continue;
                    }
                    return Err(not_here(disk));
                };
                let survey = image::survey(&path, disk.format, &trust_of(disk, &trust));
                all.push(Looked {
                    target: Some(disk.target.clone()),
                    moving: state != DomainState::ShutOff && !disk.readonly,
                    path,
                    survey,
                });
            }
            if all.is_empty() {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("domain '{}' has no disk on this host", domain.name),
                ));
            }
            Ok(all)
        }
        Subject::Image { path, format } => {
            let format = format_of(usage, path, *format)?;
            let survey = image::survey(path, format, &allow.trust(host, &[])?);
            Ok(vec![Looked {
                target: None,
                // That it cannot be told is said where the image cannot be read.
                moving: probe(path).is_ok_and(|state| state == LockState::Writer),
                path: path.clone(),
                survey,
            }])
        }
    }
}

/// What the domain is now, which may be another thing than what it starts with
/// next: a guest may have gone on in an overlay.
fn facts_now(host: Host<'_>, domain: &Domain, state: DomainState) -> Result<DomainFacts> {
    if state != DomainState::ShutOff {
        let current = host.hypervisor.current_xml()?;
        if let Some((_, xml)) = current.iter().find(|(uuid, _)| *uuid == domain.uuid) {
            return domain::read(xml);
        }
    }
    domain::read(&host.hypervisor.public_xml(domain)?)
}

fn meant<'d>(domain: &Domain, disks: &'d [Disk], targets: &[DiskTarget]) -> Result<Vec<&'d Disk>> {
    if targets.is_empty() {
        return Ok(disks.iter().collect());
    }
    let disks = targets.iter().map(|target| named(domain, disks, target));
    disks.collect()
}
