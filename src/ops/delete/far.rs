//! What of a guest of another host goes with it: the volumes that were made for
//! it. Who else uses one is known by what the domains there say; an overlay on it
//! that no domain has is not seen from here.

use std::path::Path;

use super::{DeletePlan, Storage};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::DiskSource;
use crate::ops::images::path_of;
use crate::ops::{Host, KnownDomain, Usage, clone};
use crate::store::VolumeIntent;

/// Decides about the disks and the UEFI variables of a domain there.
pub(super) fn add(
    plan: &mut DeletePlan,
    host: Host<'_>,
    usage: &Usage,
    known: &KnownDomain,
) -> Result<()> {
    let lineage = known.facts.lineage.as_ref();
    let made = lineage.into_iter().flat_map(|lineage| {
        let disks = lineage.disks.iter().map(|disk| &disk.path);
        disks.chain(&lineage.files)
    });
    let made: Vec<&Path> = made.map(AsRef::as_ref).collect();
    let mut own = Vec::new();
    for disk in &known.facts.disks {
        if disk.is_private() || known.facts.is_seed(disk) {
            own.extend(there(host, &disk.source));
        }
    }
    own.extend(
        known
            .facts
            .nvram
            .iter()
            .filter_map(|nvram| nvram.path.clone()),
    );
    for path in own {
        let why = if !made.contains(&path.as_path()) {
            Some("it is on another host, and was not made for the domain".to_owned())
        } else if plan.request.storage == Storage::Keep {
            Some("--keep-storage".to_owned())
        } else {
            let other = clone::user_there(host, usage, &path, known.domain.uuid)?;
            other.map(|other| format!("domain '{other}' uses it too"))
        };
        if let Some(why) = why {
            plan.keep(&path, why);
            continue;
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
    }
    Ok(())
}

/// The path of a disk there, if it has one.
fn there(host: Host<'_>, source: &DiskSource) -> Option<std::path::PathBuf> {
    path_of(host.hypervisor, source).ok().flatten()
}

/// The volume of this path, as it looks now.
fn intent(host: Host<'_>, path: &Path) -> Result<Option<VolumeIntent>> {
    let pools = host.hypervisor.pools()?;
    let mut pools = pools.iter().filter(|pool| pool.active);
    let pool = pools.find(|pool| pool.path.as_deref() == path.parent());
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(pool), Some(name)) = (pool, name) else {
        return Ok(None);
    };
    let Some(volume) = host.hypervisor.volume_in(&pool.name, name)? else {
        return Ok(None);
    };
    Ok(Some(VolumeIntent {
        pool: pool.name.clone(),
        name: name.to_owned(),
        size: volume.facts()?.size,
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
