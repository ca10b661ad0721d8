//! Taking back what was copied to a host where the guest did not come to be.

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{Domain, VolumeFacts};
use crate::ops::clone::{begins_empty, is_empty, remove_volume_if, user_there};
use crate::ops::recover::Recovery;
use crate::ops::snapshot::word;
use crate::ops::{Host, Usage};
use crate::store::{MigrateIntent, Step, VolumeIntent};

/// Deletes the volumes that were made for a guest, if it is not there and nobody has
/// come to use them. Until they are on record as `made`, nothing was written to any.
///
/// # Errors
///
/// [`Kind::NotUndone`] if the guest is there; if libvirt cannot look at one or delete it.
pub(super) fn remove(to: Host<'_>, intent: &MigrateIntent, made: bool) -> Result<()> {
    if to.hypervisor.find_uuid(intent.uuid)?.is_some() {
        return Err(Error::new(
            Kind::NotUndone,
            format!("{} has '{}' still", to.hypervisor.uri(), intent.name),
        ));
    }
    let usage = Usage::read(to.hypervisor)?;
    for volume in &intent.volumes {
        let VolumeIntent { pool, name, .. } = volume;
        if to.hypervisor.volume_in(pool, name)?.is_none() {
            continue;
        }
        let path = to.hypervisor.volume_path(pool, name)?;
        if user_there(to, &usage, &path, intent.uuid)?.is_some() {
            continue;
        }
        remove_volume_if(to, pool, name, |facts, head| match made {
            true => may_be_ours(intent.live, volume, facts, head),
            false => facts.size == volume.size && is_empty(facts, head),
        })?;
    }
    Ok(())
}

/// Whether a volume is still what was made, or what libvirt has made of that.
fn may_be_ours(live: bool, volume: &VolumeIntent, facts: &VolumeFacts, head: &[u8]) -> bool {
    let as_made = image::head_sha256(head) == volume.head_sha256;
    let has_size = facts.size == volume.size;
    if !live {
        // What makes an image of it is sent last.
        return has_size && (as_made || begins_empty(head));
    }
    // An image that grows keeps its header, and one that has none its size.
    as_made || (has_size && (begins_empty(head) || is_blank(volume)))
}

/// Whether it was made to be filled, with nothing at its beginning.
fn is_blank(volume: &VolumeIntent) -> bool {
    let most = usize::try_from(volume.size).unwrap_or(image::HEAD);
    image::head_sha256(&vec![0; most.min(image::HEAD)]) == volume.head_sha256
}

/// Finds out where a guest is that was to go to this host with its disks; if it has
/// not gone, takes its copies back. Says what is there then, as a sentence. `None` if
/// the host that it leaves is not to be asked now.
///
/// # Errors
///
/// [`Kind::NotUndone`] if it is on both hosts or on neither, or is arriving still.
pub(in crate::ops) fn recover(
    recovery: &Recovery<'_>,
    to: Host<'_>,
    intent: &MigrateIntent,
    steps: &[Step],
) -> Result<Option<String>> {
    let Some(from) = (recovery.connect)(&intent.from)? else {
        return Ok(None);
    };
    let (here, there) = (&intent.from, to.hypervisor.uri());
    let find = |uuid: Uuid| -> Result<[Option<Domain>; 2]> {
        Ok([from.find_uuid(uuid)?, to.hypervisor.find_uuid(uuid)?])
    };
    let name = word(&intent.name);
    let unclear = |what: String| Err(Error::new(Kind::NotUndone, what));
    match find(intent.uuid)? {
        [_, Some(arriving)] if !to.hypervisor.status(&arriving)?.persistent => unclear(format!(
            "it is on its way to {there} still; if that does not end, end it: `virsh -c {there} \
             destroy {name}`"
        )),
        [None, Some(_)] => Ok(Some(format!("It has gone to {there}."))),
        [Some(stayed), None] => {
            let made = steps.iter().any(|step| matches!(step, Step::Made { .. }));
            remove(to, intent, made)?;
            let state = from.state(&stayed)?;
            Ok(Some(format!(
                "It is on {here}, {state}, and nothing of it is left on {there}."
            )))
        }
        [Some(_), Some(_)] => unclear(format!(
            "it is on both hosts; start it on one alone, and undefine the other: \
             `virsh -c {here} undefine {name} --keep-nvram`, or `virsh -c {there} undefine {name} \
             --keep-nvram`"
        )),
        [None, None] => unclear(format!(
            "it is neither on {here} nor on {there}, where copies of its disks may be: {}",
            named(&intent.volumes)
        )),
    }
}

/// Volumes, each as `pool/name`.
fn named(volumes: &[VolumeIntent]) -> String {
    let names: Vec<String> = volumes
        .iter()
        .map(|volume| format!("{}/{}", volume.pool, volume.name))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(size: u64, head: &[u8]) -> VolumeIntent {
        VolumeIntent {
            pool: "p".to_owned(),
            name: "n".to_owned(),
            size,
            head_sha256: image::head_sha256(head),
            copied: false,
        }
    }

    fn facts(size: u64) -> VolumeFacts {
        VolumeFacts {
            block: false,
            size,
            capacity: size,
            allocated: 0,
            modified: None,
            mode: None,
            backing: None,
            format: None,
        }
    }

    #[test]
    fn what_vmkin_fills_holds_what_it_was_made_to_hold_or_no_beginning() {
        let file = volume(9, b"header...");
        let ours = |size, head: &[u8]| may_be_ours(false, &file, &facts(size), head);
        assert!(ours(9, b"header...") && ours(9, &[0; 9]));
        assert!(!ours(8, b"header..") && !ours(9, b"another's") && !ours(10, &[0; 10]));
    }

    #[test]
    fn what_libvirt_fills_keeps_its_header_or_its_size() {
        let overlay = volume(9, b"header...");
        let ours = |size, head: &[u8]| may_be_ours(true, &overlay, &facts(size), head);
        // It grows.
        assert!(ours(9, b"header...") && ours(900, b"header..."));
        assert!(ours(9, &[0; 9]));
        assert!(!ours(9, b"another's") && !ours(900, &[0; 900]));
        let raw = volume(9, &[0; 9]);
        let ours = |size, head: &[u8]| may_be_ours(true, &raw, &facts(size), head);
        assert!(ours(9, b"data of a") && !ours(10, b"data of ab"));
    }
}
