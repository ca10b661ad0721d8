//! What is known of disks: their chains, read from the headers alone.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::Subject;
use super::looked::{Looked, look};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Details, LockState, probe, shown};
use crate::model::{DiskTarget, ImageFormat, Layer};
use crate::ops::guard::Allowed;
use crate::ops::images::real;
use crate::ops::snapshot::time;
use crate::ops::tree::User;
use crate::ops::{Host, Usage};

/// Which disks are to be told of.
#[derive(Clone, Debug)]
pub struct InfoRequest {
    /// The disks.
    pub subject: Subject,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A disk, and the images that it is made of.
#[derive(Clone, Debug, Serialize)]
pub struct DiskInfo {
    /// Its name in the domain; `None` for an image by its path.
    pub target: Option<DiskTarget>,
    /// The image that the guest writes to.
    pub path: PathBuf,
    /// The size that the guest sees, in bytes; `None` if the image cannot be read.
    pub virtual_size: Option<u64>,
    /// What all its images take on the host, in bytes.
    pub allocated: u64,
    /// Whether somebody may be writing to it, so that figures move.
    pub moving: bool,
    /// The images, the one that the guest writes to first.
    pub layers: Vec<LayerInfo>,
    /// The NBD export that they end on.
    pub export: Option<String>,
    /// What keeps the rest of the chain from being read.
    pub problem: Option<String>,
    /// What to do about that.
    pub hints: Vec<String>,
}

/// An image.
#[derive(Clone, Debug, Serialize)]
pub struct LayerInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// Whether it is a block device.
    pub block: bool,
    /// The size of the disk in it, in bytes.
    pub virtual_size: u64,
    /// The size of the file, in bytes.
    pub file_size: u64,
    /// What it takes on the host, in bytes; `None` for a block device.
    pub allocated: Option<u64>,
    /// Whether it was not closed: something writes to it, or died while it did.
    pub dirty: bool,
    /// Whether the guest's data in it is encrypted.
    pub encrypted: bool,
    /// Whether nobody but root may write to it.
    pub sealed: bool,
    /// Whether not even root can, unless it takes that mark away.
    pub immutable: bool,
    /// What others do with it now: `free`, `read` or `written`; `None` if that
    /// cannot be told.
    pub in_use: Option<&'static str>,
    /// The domains that have it as a disk of their own.
    pub users: Vec<User>,
    /// The domains whose disks are based on it.
    pub children: Vec<String>,
    /// What is special about a qcow2 image.
    pub qcow2: Option<Details>,
    /// Its internal snapshots.
    pub snapshots: Vec<InfoSnapshot>,
}

/// An internal snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct InfoSnapshot {
    /// Its id in the image.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Option<String>,
    /// How much of the guest's memory it holds, in bytes.
    pub memory_bytes: u64,
    /// The size of the disk then, in bytes.
    pub disk_size: u64,
}

/// Tells what is known of the disks of a domain, running or not, or of an image.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such disk or image; [`Kind::Usage`] if nobody
/// says which format an image has. That a chain cannot be read to its end is no
/// error here: see [`DiskInfo::verdict`].
pub fn info(host: Host<'_>, request: &InfoRequest) -> Result<Vec<DiskInfo>> {
    host.must_be_here()?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: true,
    };
    let disks = look(host, &usage, &request.subject, allow)?;
    let layers = disks.iter().flat_map(|disk| &disk.survey.layers);
    let states = states_of(host, &usage, layers)?;
    let mut all = Vec::new();
    for disk in disks {
        all.push(describe(&usage, &states, disk)?);
    }
    Ok(all)
}

impl DiskInfo {
    /// Whether all of its chain could be read.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if not.
    pub fn verdict(&self) -> Result<()> {
        let Some(problem) = &self.problem else {
            return Ok(());
        };
        let error = Error::new(
            Kind::Unsafe,
            format!("the chain of {} is not whole: {problem}", shown(&self.path)),
        );
        Err(self.hints.iter().cloned().fold(error, Error::hint))
    }
}

/// What the domains do that have one of these images as a disk.
fn states_of<'l>(
    host: Host<'_>,
    usage: &Usage,
    layers: impl Iterator<Item = &'l Layer>,
) -> Result<HashMap<Uuid, String>> {
    let mut seen = HashSet::new();
    let mut domains = Vec::new();
    for one in layers.flat_map(|layer| usage.of(layer.file)) {
        if let Some(known) = usage.domain(one).filter(|_| one.depth == 0) {
            if seen.insert(known.domain.uuid) {
                domains.push(known.stored());
            }
        }
    }
    let states = host.hypervisor.status_of(&domains)?;
    let known = domains.iter().zip(states);
    Ok(known
        .filter_map(|(one, status)| Some((one.domain.uuid, status?.state.to_string())))
        .collect())
}

fn describe(usage: &Usage, states: &HashMap<Uuid, String>, disk: Looked) -> Result<DiskInfo> {
    let survey = disk.survey;
    if let Some(missing) = survey.problem.as_ref().filter(|_| survey.layers.is_empty()) {
        if missing.kind() == Kind::NotFound {
            let error = Error::new(Kind::NotFound, missing);
            return Err(missing.hints().iter().cloned().fold(error, Error::hint));
        }
    }
    let mut layers = Vec::new();
    for layer in &survey.layers {
        layers.push(layer_info(usage, states, layer)?);
    }
    let taken = layers.iter().filter_map(|layer| layer.allocated);
    Ok(DiskInfo {
        target: disk.target,
        path: disk.path,
        virtual_size: layers.first().map(|top| top.virtual_size),
        allocated: taken.fold(0, u64::saturating_add),
        moving: disk.moving,
        layers,
        export: survey.export.map(|export| export.to_string()),
        problem: survey.problem.as_ref().map(ToString::to_string),
        hints: survey
            .problem
            .map(|problem| problem.hints().to_vec())
            .unwrap_or_default(),
    })
}

fn layer_info(usage: &Usage, states: &HashMap<Uuid, String>, layer: &Layer) -> Result<LayerInfo> {
    // What is sealed is the file, and not a link to it.
    let seal = image::seal_state(&real(&layer.path))?;
    let details = image::details(layer)?;
    let snapshots = details.iter().flat_map(|details| &details.snapshots);
    let snapshots = snapshots
        .map(|snapshot| InfoSnapshot {
            id: String::from_utf8_lossy(&snapshot.id).into_owned(),
            name: String::from_utf8_lossy(&snapshot.name).into_owned(),
            created: time(i64::from(snapshot.seconds)),
            memory_bytes: snapshot.vm_state_size,
            disk_size: snapshot.disk_size,
        })
        .collect();
    let mut users: Vec<User> = usage
        .of(layer.file)
        .iter()
        .filter(|one| one.depth == 0)
        .filter_map(|one| {
            let domain = &usage.domain(one)?.domain;
            Some(User {
                domain: domain.name.clone(),
                target: one.target.clone(),
                // Without a state it is gone by now.
                state: states.get(&domain.uuid)?.clone(),
            })
        })
        .collect();
    users.sort();
    users.dedup();
    let children = usage.children(layer.file);
    Ok(LayerInfo {
        path: layer.path.clone(),
        format: layer.format,
        block: layer.block,
        virtual_size: layer.virtual_size,
        file_size: layer.file_size,
        allocated: (!layer.block).then_some(layer.allocated),
        dirty: layer.dirty,
        encrypted: layer.encrypted,
        sealed: seal.sealed,
        immutable: seal.immutable,
        in_use: probe(&layer.path).ok().map(|state| match state {
            LockState::Free => "free",
            LockState::Readers => "read",
            LockState::Writer => "written",
        }),
        users,
        children: children.into_iter().map(str::to_owned).collect(),
        qcow2: details,
        snapshots,
    })
}
