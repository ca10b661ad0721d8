//! What of a guest of another host goes with it: the volumes that were made for
//! it. Who else uses one is known by what the domains there say; an overlay on it
//! that no domain has is not seen from here.

use std::path::{Path, PathBuf};

use super::{DeletePlan, Storage};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{Disk, Layer, Pool, VolumeName};
use crate::ops::{Host, KnownDomain, Usage, clone};
use crate::store::VolumeIntent;

/// Decides about the disks and the UEFI variables of a domain there.
pub(super) fn add(
    plan: &mut DeletePlan,
    host: Host<'_>,
    usage: &Usage,
    known: &KnownDomain,
) -> Result<()> {
    let mut own = Vec::new();
    for disk in &known.facts.disks {
        if disk.is_private() || known.facts.is_seed(disk) {
            own.extend(clone::path_there(host, &disk.source));
        }
    }
    own.extend(
        known
            .facts
            .nvram
            .iter()
            .filter_map(|nvram| nvram.path.clone()),
    );
    own.into_iter()
        .try_for_each(|path| add_one(plan, host, usage, known, path))
}

/// Decides about one of them.
pub(super) fn add_one(
    plan: &mut DeletePlan,
    host: Host<'_>,
    usage: &Usage,
    known: &KnownDomain,
    path: PathBuf,
) -> Result<()> {
    let why = if !made_for(known).any(|made| *made == path) {
        Some("it is on another host, and was not made for the domain".to_owned())
    } else if plan.request.storage == Storage::Keep {
        Some("--keep-storage".to_owned())
    } else {
        let other = clone::user_there(host, usage, &path, known.domain.uuid)?;
        other.map(|other| format!("domain '{other}' uses it too"))
    };
    if let Some(why) = why {
        plan.keep(&path, why);
        return Ok(());
    }
    usage
        .must_tell(&path, |own| own.domain == known.domain.uuid)
        .map_err(|e| e.hint("to delete the guest and keep its files: `--keep-storage`"))?;
    match intent(host, &path)? {
        Some(volume) => {
            plan.remove.push(path);
            plan.volumes.push(volume);
        }
        None => plan.keep(&path, "it is no volume of an active pool of that host"),
    }
    Ok(())
}

/// The files and volumes that were made for a domain.
fn made_for(known: &KnownDomain) -> impl Iterator<Item = &PathBuf> {
    let lineage = known.facts.lineage.iter();
    lineage.flat_map(|lineage| {
        let disks = lineage.disks.iter().map(|disk| &disk.path);
        disks.chain(&lineage.files)
    })
}

/// The path of a disk that libvirt has cloned in a pool that is no directory. On this
/// host, too, nobody else can remove it.
pub(super) fn of_no_directory(
    host: Host<'_>,
    known: &KnownDomain,
    disk: &Disk,
    layers: &[Layer],
) -> Result<Option<PathBuf>> {
    let made = || clone::path_there(host, &disk.source).filter(|_| disk.is_private());
    let path = match layers.first() {
        Some(layer) if !layer.block => None,
        _ => made().filter(|path| made_for(known).any(|made| made == path)),
    };
    let Some(path) = path else {
        return Ok(None);
    };
    let Some(volume) = host.hypervisor.volume_at(&path)? else {
        return Ok(None);
    };
    let pool = volume.name()?.pool;
    let pools = host.hypervisor.pools()?;
    let is_it = |known: &Pool| known.name == pool && known.path.is_none();
    Ok(pools.iter().any(is_it).then_some(path))
}

/// The volume of this path, as it looks now.
fn intent(host: Host<'_>, path: &Path) -> Result<Option<VolumeIntent>> {
    let Some(volume) = host.hypervisor.volume_at(path)? else {
        return Ok(None);
    };
    let VolumeName { pool, name } = volume.name()?;
    let facts = match volume.facts() {
        // Of Ceph, nothing can be read. Its name tells that it was made for the domain:
        // one that nobody else chooses.
        Err(e) if e.kind() == Kind::WrongState => return Ok(Some(clone::copied(&pool, name))),
        facts => facts?,
    };
    Ok(Some(VolumeIntent {
        pool,
        name,
        size: facts.size,
        head_sha256: image::head_sha256(&volume.read(0, image::HEAD)?),
        copied: false,
    }))
}

/// Fails if not all of the volumes of a plan would go by now, too. A guest that ran
/// when that was made has written to them since.
pub(super) fn still_planned(plan: &DeletePlan, now: &DeletePlan) -> Result<()> {
    let ran = plan.state.is_active();
    let goes = |one: &VolumeIntent| {
        let mut all = now.volumes.iter();
        all.any(|now| now == one || (ran && now.pool == one.pool && now.name == one.name))
    };
    match plan.volumes.iter().find(|one| !goes(one)) {
        None => Ok(()),
        Some(volume) => Err(Error::new(
            Kind::Busy,
            format!(
                "volume '{}' of storage pool '{}' was to go with domain '{}', and it or the \
                 domain has changed",
                volume.name, volume.pool, plan.domain.name
            ),
        )
        .hint("run the same command again, and look at what it would remove")),
    }
}

/// Removes the volumes of a domain that is gone, but for those that another one
/// there has by now. Returns why some stay.
pub(in crate::ops) fn remove(
    host: Host<'_>,
    usage: &Usage,
    uuid: uuid::Uuid,
    volumes: &[VolumeIntent],
) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for volume in volumes {
        let there = host.hypervisor.volume_in(&volume.pool, &volume.name)?;
        if there.is_none() {
            continue;
        }
        let path = host.hypervisor.volume_path(&volume.pool, &volume.name)?;
        match clone::user_there(host, usage, &path, uuid)? {
            Some(other) => kept.push(format!("domain '{other}' has {}", image::shown(&path))),
            None => {
                clone::remove_volume(host, volume)?;
            }
        }
    }
    Ok(kept)
}
