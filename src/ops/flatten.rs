//! Making a guest independent of its base.

pub mod live;

use std::path::PathBuf;

use serde::Serialize;

use super::guard::{Allowed, Wanted, WriteGuard};
use super::images::{chain_of, path_of};
use super::relayer::{Relayer, may_be_replaced, no_snapshots};
use super::{Host, ShutOff};
use crate::error::{Error, Kind, Result};
use crate::image::shell_word;
use crate::model::{Chain, DiskTarget, Domain, Size};
use crate::store::RelayerAct;
use crate::xml::domain;

/// Which disks are flattened, and what is allowed on the way.
#[derive(Clone, Debug, Default)]
pub struct FlattenRequest {
    /// The disks by name; empty for all overlays that are the domain's own.
    pub targets: Vec<DiskTarget>,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A guest that is shut off and is to be flattened. Nobody can open its disks
/// while this lives.
pub struct FlattenPlan<'a> {
    /// What is to be done.
    pub flattened: Flattened,
    guard: WriteGuard<'a>,
    allow_dirs: Vec<PathBuf>,
}

/// What became of a guest, or is to become of it.
#[derive(Clone, Debug, Serialize)]
pub struct Flattened {
    /// The domain.
    pub domain: Domain,
    /// The disks that stand alone.
    pub disks: Vec<FlattenedDisk>,
    /// What their images take on the host then; at the most, before it is done.
    pub size: Size,
}

/// A disk that stands alone.
#[derive(Clone, Debug, Serialize)]
pub struct FlattenedDisk {
    /// Its name in the domain.
    pub target: DiskTarget,
    /// Where it is.
    pub path: PathBuf,
    /// The layers that were below it, the nearest first.
    pub layers: Vec<PathBuf>,
}

impl FlattenedDisk {
    fn of(target: &DiskTarget, chain: &Chain) -> Self {
        let below = chain.backing().iter();
        Self {
            target: target.clone(),
            path: chain.top().path.clone(),
            layers: below.map(|layer| layer.path.clone()).collect(),
        }
    }
}

/// The error for a domain of which nothing is to be flattened.
fn stands_alone(domain: &Domain) -> Error {
    let name = &domain.name;
    Error::new(
        Kind::WrongState,
        format!("domain '{name}' has no disk that is an overlay: it stands alone"),
    )
    .hint(format!(
        "see what its disks are: `vmkin show -d {}`",
        shell_word(name.as_bytes())
    ))
}

/// The own disks of a domain that are overlays.
pub(super) fn overlays_of(
    host: Host<'_>,
    domain: &Domain,
    allow_dirs: &[PathBuf],
) -> Result<Vec<DiskTarget>> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let allow = Allowed {
        dirs: allow_dirs,
        damaged: false,
    };
    let trust = allow.trust(host, &facts.disks)?;
    let mut overlays = Vec::new();
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        if let Some(path) = path_of(host.hypervisor, &disk.source)? {
            if !chain_of(disk, &path, &trust)?.is_single() {
                overlays.push(disk.target.clone());
            }
        }
    }
    Ok(overlays)
}

/// Works it out, and locks the disks. Changes nothing.
///
/// # Errors
///
/// Those of [`WriteGuard::of_domain`]; [`Kind::WrongState`] if the domain has
/// snapshots, or a disk is no overlay or cannot be replaced.
pub fn plan<'a>(
    host: Host<'a>,
    domain: &Domain,
    request: &FlattenRequest,
) -> Result<FlattenPlan<'a>> {
    host.must_be_here()?;
    ShutOff::check(host.hypervisor, domain)?;
    no_snapshots(host, domain)?;
    let mut targets = request.targets.clone();
    if targets.is_empty() {
        targets = overlays_of(host, domain, &request.allow_dirs)?;
    }
    if targets.is_empty() {
        return Err(stands_alone(domain));
    }
    let wanted = Wanted {
        targets: &targets,
        allow: Allowed {
            dirs: &request.allow_dirs,
            damaged: false,
        },
        ..Wanted::default()
    };
    let guard = WriteGuard::of_domain(host, domain, wanted)?;
    let mut disks = Vec::new();
    let mut size = 0_u64;
    for (disk, target) in guard.disks().iter().zip(&targets) {
        may_be_replaced(&domain.name, disk)?;
        let chain = disk.chain();
        let taken = chain.layers().iter().map(|layer| layer.allocated);
        let all = taken
            .fold(0, u64::saturating_add)
            .min(chain.top().virtual_size);
        size = size.saturating_add(all);
        disks.push(FlattenedDisk::of(target, chain));
    }
    Ok(FlattenPlan {
        flattened: Flattened {
            domain: domain.clone(),
            disks,
            size: Size(size),
        },
        guard,
        allow_dirs: request.allow_dirs.clone(),
    })
}

/// Does it: all disks, or none.
///
/// # Errors
///
/// Before the mark nothing has changed; after it, [`Kind::NotUndone`]: the next run
/// finishes it.
pub fn apply(host: Host<'_>, plan: FlattenPlan<'_>) -> Result<Flattened> {
    let relayer = Relayer {
        act: RelayerAct::Flatten,
        domain: Some(&plan.flattened.domain),
        guard: &plan.guard,
        base: None,
        allow_dirs: &plan.allow_dirs,
    };
    let size = relayer.apply(host)?;
    Ok(Flattened {
        size,
        ..plan.flattened
    })
}
