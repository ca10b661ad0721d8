//! Putting one overlay on another base, where it reads what it read before.

mod in_place;

use std::path::PathBuf;

use serde::Serialize;

use super::create::{Below, chain_below};
use super::{Subject, only_one};
use crate::error::{Error, Kind, Result};
use crate::image::{Guard, shown};
use crate::model::{Chain, DiskTarget, Domain, ImageFormat, Size};
use crate::ops::Host;
use crate::ops::guard::{Allowed, WriteGuard};
use crate::ops::relayer::{Relayer, may_be_replaced, no_snapshots};
use crate::store::RelayerAct;

pub(in crate::ops) use self::in_place::recover;

/// Which overlay goes on which base.
#[derive(Clone, Debug)]
pub struct RebaseRequest {
    /// The overlay.
    pub subject: Subject,
    /// The base that it is to be on.
    pub onto: Below,
    /// Whether nothing is copied: only its header is written, if it reads the same
    /// there as it is.
    pub in_place: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What is to be done, or was.
#[derive(Clone, Debug, Serialize)]
pub struct RebaseReport {
    /// The domain whose disk it is, if one has it.
    pub domain: Option<Domain>,
    /// The disk in it.
    pub target: Option<DiskTarget>,
    /// The overlay.
    pub path: PathBuf,
    /// The image that is right below it now.
    pub from: PathBuf,
    /// The image that it is put on.
    pub onto: PathBuf,
    /// The format of that.
    pub format: ImageFormat,
    /// Whether only its header is written, and nothing is copied.
    pub in_place: bool,
    /// What the overlay takes on the host then; `None` before it is done.
    pub size: Option<Size>,
}

/// A change of base that has been thought through. Nobody can open the overlay, or
/// write to what is below it, while it lives.
pub struct RebasePlan<'a> {
    /// What is to be done.
    pub report: RebaseReport,
    /// What the user ought to know, as sentences.
    pub warnings: Vec<String>,
    guard: WriteGuard<'a>,
    onto: Chain,
    allow_dirs: Vec<PathBuf>,
    _guards: Vec<Guard>,
}

/// Works it out, and locks the images; what is to be done in place is compared as
/// well. Changes nothing.
///
/// # Errors
///
/// Those of [`WriteGuard`]; [`Kind::WrongState`] if the domain has snapshots, the
/// disk is no overlay, or is on that base already; [`Kind::Usage`] if nobody says
/// which format the base has; [`Kind::Busy`] if somebody writes to it;
/// [`Kind::Unsafe`] if it cannot be relied on, or the disk would read something else
/// where nothing is to be copied.
pub fn plan<'a>(host: Host<'a>, request: &RebaseRequest) -> Result<RebasePlan<'a>> {
    host.must_be_here()?;
    let mut warnings = Vec::new();
    let onto = chain_below(host, &request.onto, &mut warnings)?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let subject = request.subject.one_overlay(host, &request.allow_dirs)?;
    let guard = subject.lock(host, allow)?;
    let disk = only_one(guard.disks())?;
    if let Some(owner) = guard.owner() {
        no_snapshots(host, owner)?;
    }
    may_be_replaced(&guard.name(disk), disk)?;
    let base = onto.top();
    let is_above = onto
        .layers()
        .iter()
        .any(|layer| layer.file == disk.chain().top().file);
    if is_above {
        return Err(Error::new(
            Kind::WrongState,
            format!("{} is on it itself", shown(&base.path)),
        ));
    }
    let guards = onto.layers().iter().map(Guard::layer);
    let guards = guards.collect::<Result<_>>()?;
    let below = disk.chain().backing().first();
    let from = below
        .filter(|below| below.file != base.file)
        .ok_or_else(|| {
            Error::new(
                Kind::WrongState,
                format!(
                    "{} is on {} already",
                    shown(&disk.chain().top().path),
                    shown(&base.path)
                ),
            )
        })?;
    let report = RebaseReport {
        domain: guard.owner().cloned(),
        target: disk.target().cloned(),
        path: disk.chain().top().path.clone(),
        from: from.path.clone(),
        onto: base.path.clone(),
        format: base.format,
        in_place: request.in_place,
        size: None,
    };
    if request.in_place {
        in_place::prove(host, &guard, disk, &onto)?;
    }
    Ok(RebasePlan {
        report,
        warnings,
        guard,
        onto,
        allow_dirs: request.allow_dirs.clone(),
        _guards: guards,
    })
}

/// Does it: what differs between the two bases is copied into the overlay, and it is
/// compared with what it was.
///
/// # Errors
///
/// Before the mark nothing has changed; after it, [`Kind::NotUndone`]: the next run
/// finishes it.
pub fn apply(host: Host<'_>, plan: RebasePlan<'_>) -> Result<RebaseReport> {
    if plan.report.in_place {
        return Ok(RebaseReport {
            size: Some(in_place::apply(host, &plan)?),
            ..plan.report
        });
    }
    let relayer = Relayer {
        act: RelayerAct::Rebase,
        domain: plan.guard.owner(),
        guard: &plan.guard,
        base: Some(&plan.onto),
        allow_dirs: &plan.allow_dirs,
    };
    let size = relayer.apply(host)?;
    Ok(RebaseReport {
        size: Some(size),
        ..plan.report
    })
}
