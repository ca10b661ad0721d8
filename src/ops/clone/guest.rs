//! What the guests of clones are told about who they are.

use std::path::{Path, PathBuf};

use super::place::Placing;
use super::plan::PlannedClone;
use super::request::{CloneRequest, NameChoice};
use super::site::Site;
use super::{offline, parent};
use crate::error::{Error, Kind, Result};
use crate::image::Seed;
use crate::model::{DiskSource, Hostname, IdentityChannel, Smbios};
use crate::ops::Host;
use crate::ops::customize::Wishes;
use crate::ops::identity::{Guest, Machine, prepare};
use crate::xml::domain::DomainFacts;

/// What the guest of a clone is told. Nothing, unless the user asks for it.
#[derive(Debug, Default)]
pub struct PlannedGuest {
    /// Its host name.
    pub hostname: Option<Hostname>,
    /// The disk that cloud-init reads.
    pub seed: Option<PlannedSeed>,
    /// What its firmware tells it.
    pub smbios: Option<Smbios>,
    /// What is written into its disks.
    pub offline: Option<Wishes>,
}

/// A disk for cloud-init that is to be made.
#[derive(Debug)]
pub struct PlannedSeed {
    /// What is in it.
    pub contents: Seed,
    /// Where it will be.
    pub path: PathBuf,
    /// Where it is while it is made.
    pub temp: PathBuf,
}

/// What was decided for all clones together.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What was chosen, where that was left to vmkin. A sentence.
    pub(super) chosen: Option<String>,
    /// What is not as the user may think. Sentences.
    pub(super) warnings: Vec<String>,
}

/// Decides what the guests are told, and where the disks with it go. Changes
/// nothing but the plan.
///
/// # Errors
///
/// Those of [`prepare`]; [`Kind::Exists`] if something is where a disk is to
/// go; [`Kind::Usage`] if nothing says where that is.
pub(super) fn add(
    host: Host<'_>,
    request: &CloneRequest,
    facts: &DomainFacts,
    placing: &Placing<'_>,
    clones: &mut [PlannedClone],
) -> Result<Decided> {
    let first = match request.names {
        NameChoice::Pattern { from, .. } => from,
        NameChoice::Given(_) | NameChoice::Automatic { .. } => 1,
    };
    let guests: Vec<Guest<'_>> = clones
        .iter()
        .map(|clone| Guest {
            name: &clone.name,
            uuid: clone.uuid,
        })
        .collect();
    let machine = Machine {
        domain_type: &facts.domain_type,
        arch: facts.arch.as_deref(),
    };
    let prepared = prepare(&request.identity, &guests, first, machine)?;
    let taken: Vec<PathBuf> = clones.iter().flat_map(paths).collect();
    for (serial, (clone, told)) in clones.iter_mut().zip(prepared.guests).enumerate() {
        let seed = told
            .seed
            .map(|contents| {
                let path = seed_path(placing, clone)?;
                if taken.contains(&path) {
                    return Err(Error::new(
                        Kind::Usage,
                        format!("{} is given twice", path.display()),
                    ));
                }
                placing.site().claim(host, &path)?;
                placing.site().writable(host, &parent(&path))?;
                Ok(PlannedSeed {
                    contents,
                    temp: placing.temp(&path, format_args!("seed-{serial}")),
                    path,
                })
            })
            .transpose()?;
        let offline = request.identity.channel == Some(IdentityChannel::Offline);
        let cards = facts.nics.iter().map(|nic| nic.mac).zip(&clone.macs);
        let cards = cards.filter_map(|(old, new)| Some((old?, *new)));
        clone.guest = PlannedGuest {
            offline: offline
                .then(|| {
                    let cards = cards.collect();
                    offline::wishes(&request.identity, &told.hostname, clone.uuid, cards)
                })
                .transpose()?,
            hostname: Some(told.hostname),
            seed,
            smbios: told.smbios,
        };
    }
    let mut warnings = prepared.warnings;
    if clones.iter().any(|clone| clone.guest.seed.is_some()) {
        warnings.extend(seeds_of_others(facts, placing.site()));
    }
    Ok(Decided {
        chosen: prepared.chosen,
        warnings,
    })
}

/// Disks for cloud-init that the golden domain has from elsewhere, and that
/// clones share.
fn seeds_of_others(facts: &DomainFacts, site: &dyn Site) -> Vec<String> {
    let disks = facts.disks.iter();
    disks
        .filter(|disk| !disk.is_private() && !facts.is_seed(disk))
        .filter_map(|disk| match &disk.source {
            DiskSource::File(path) | DiskSource::Block(path) => Some((&disk.target, path)),
            _ => None,
        })
        .filter(|(_, path)| site.looks_like_seed(path))
        .map(|(target, path)| {
            format!(
                "Disk {target} ({}) tells cloud-init who the golden guest is, and cloud-init reads \
                 one of the two; take it out of the golden domain.",
                path.display()
            )
        })
        .collect()
}

/// The files that a clone has without this.
fn paths(clone: &PlannedClone) -> Vec<PathBuf> {
    let disks = clone.disks.iter().map(|disk| disk.path.clone());
    let others = [&clone.nvram, &clone.tpm].into_iter().flatten();
    disks.chain(others.map(|file| file.path.clone())).collect()
}

/// Beside the first disk, or where all disks go, if files can be there; else where new
/// images go.
fn seed_path(placing: &Placing<'_>, clone: &PlannedClone) -> Result<PathBuf> {
    let first = clone.disks.first().map(|disk| parent(&disk.path));
    let dir = placing.dir().map(Path::to_owned).or(first).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!(
                "'{}' has no disk of its own, which says nothing about where its disk for \
                 cloud-init goes",
                clone.name
            ),
        )
        .hint("say where: `--dir DIR` or `--pool POOL`")
    })?;
    let name = format!("{}-seed.img", clone.name);
    let path = dir.join(&name);
    // Disks need not be files.
    match (placing.site().must_be_file(&path), placing.default_dir()) {
        (Err(_), Some(dir)) => Ok(dir.join(name)),
        (may_be, _) => may_be.map(|()| path),
    }
}

/// What a dry run prints of it.
pub(super) fn steps(clone: &PlannedClone) -> Vec<String> {
    let guest = &clone.guest;
    let seed = guest.seed.as_ref().map(|seed| {
        format!(
            "write {} for cloud-init ({})",
            seed.path.display(),
            seed.contents.names().join(", ")
        )
    });
    let smbios = guest.smbios.as_ref().map(|smbios| {
        let credentials = smbios.credentials.iter().map(|one| one.name);
        let serial = smbios.instance.iter().map(|_| "serial number");
        let what: Vec<&str> = serial.chain(credentials).collect();
        format!("tell '{}' by SMBIOS: {}", clone.name, what.join(", "))
    });
    let offline = guest
        .offline
        .as_ref()
        .map(|_| format!("write into the disks of '{}' who it is", clone.name));
    seed.into_iter().chain(smbios).chain(offline).collect()
}
