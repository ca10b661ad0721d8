//! Removing volumes of another host that vmkin has made, and no others.

use super::looks::user_there;
use super::{contents, copies};
use crate::error::{Error, Result};
use crate::image;
use crate::model::VolumeFacts;
use crate::ops::{Host, Usage};
use crate::store::{CloneFiles, VolumeIntent};

/// Deletes a volume if it has this size and `ours` says so of what it is and how it
/// begins.
/// Returns whether it did.
pub(super) fn take_back(
    host: Host<'_>,
    pool: &str,
    name: &str,
    size: u64,
    ours: impl Fn(&VolumeFacts, &[u8]) -> bool,
) -> Result<bool> {
    remove_if(host, pool, name, |facts, head| {
        facts.size == size && ours(facts, head)
    })
}

/// Deletes a volume if `ours` says so of what it is and how it begins. Returns whether
/// it did.
///
/// # Errors
///
/// If libvirt cannot look at it or delete it.
pub(in crate::ops) fn remove_if(
    host: Host<'_>,
    pool: &str,
    name: &str,
    ours: impl Fn(&VolumeFacts, &[u8]) -> bool,
) -> Result<bool> {
    let look = || -> Result<bool> {
        let Some(volume) = host.hypervisor.volume_in(pool, name)? else {
            return Ok(false);
        };
        let facts = volume.facts()?;
        if !ours(&facts, &volume.read(0, image::HEAD)?) {
            return Ok(false);
        }
        volume.delete().map(|()| true)
    };
    look().map_err(|e: Error| e.context(format!("volume '{name}' of storage pool '{pool}'")))
}

/// Deletes a volume that a record says goes, if it still begins as it did then.
///
/// # Errors
///
/// If libvirt cannot look at it or delete it.
pub(in crate::ops) fn remove_volume(host: Host<'_>, intent: &VolumeIntent) -> Result<bool> {
    if intent.copied {
        return copies::take_back(host, &intent.pool, &intent.name).map(|()| true);
    }
    take_back(host, &intent.pool, &intent.name, intent.size, |_, head| {
        image::head_sha256(head) == intent.head_sha256
    })
}

/// Deletes the volumes of a clone that was not made to its end. Before they are
/// put on record as `made`, nothing is written to any: one with something in it is
/// somebody else's. A raw disk stays empty until its guest has it. What libvirt copies is
/// known by its name.
///
/// # Errors
///
/// If libvirt cannot look at one or delete it: the record has to stay then.
pub(in crate::ops) fn take_back_volumes(
    host: Host<'_>,
    usage: &Usage,
    clone: &CloneFiles,
    made: bool,
) -> Result<()> {
    for intent in &clone.volumes {
        if host
            .hypervisor
            .volume_in(&intent.pool, &intent.name)?
            .is_none()
        {
            continue;
        }
        // Somebody may have made a domain of what was left.
        let path = host.hypervisor.volume_path(&intent.pool, &intent.name)?;
        if user_there(host, usage, &path, clone.uuid)?.is_some() {
            continue;
        }
        let (pool, name) = (&intent.pool, &intent.name);
        if intent.copied {
            copies::take_back(host, pool, name)?;
            continue;
        }
        take_back(host, pool, name, intent.size, |facts, head| {
            if contents::begins_empty(head) {
                contents::is_empty(facts, head)
            } else {
                made && image::head_sha256(head) == intent.head_sha256
            }
        })?;
    }
    Ok(())
}
