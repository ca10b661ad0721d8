//! Copies of disks that libvirt there makes by itself.
//!
//! Libvirt cannot rename a volume, and what is in one that it copies nobody knows
//! before it is whole. So its name is what tells whose it is: one that nobody else
//! chooses.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use super::pools::Holds;
use super::there::There;
use crate::error::{Error, Kind, Result};
use crate::image::remote::Remote;
use crate::image::{Trust, shown};
use crate::model::{
    Chain, CloneMode, Disk, DiskSource, ImageFormat, Layer, NewVolume, VolumeFacts, VolumeName,
    human_bytes,
};
use crate::ops::Host;
use crate::ops::clone::network::{Origin, share_it};
use crate::ops::clone::plan::{PlannedClone, PlannedDisk};
use crate::ops::guest::image_there;
use crate::store::VolumeIntent;

/// How often it is looked how far a copy is.
const PAUSE: Duration = Duration::from_millis(500);

/// How many digits of the batch are in the name of a copy.
const SHORT: usize = 12;

/// What a copy is called that would have this name at home: the same with a part
/// that is drawn for this batch.
pub(super) fn named(name: &str, batch: Uuid) -> String {
    let drawn = batch.simple().to_string();
    let drawn = drawn.get(..SHORT).unwrap_or(&drawn);
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{drawn}.{extension}"),
        None => format!("{name}-{drawn}"),
    }
}

/// Refuses an image that libvirt would copy as another than the domain has: it goes by
/// the first bytes, which a guest can write to a raw disk. What they name would be
/// copied to its clones.
pub(super) fn same_format(layer: &Layer, facts: &VolumeFacts) -> Result<()> {
    let path = shown(&layer.path);
    if layer.block {
        // Of a device it copies the bytes, and those of an overlay are not the disk.
        return match layer.format {
            ImageFormat::Raw => Ok(()),
            format => Err(Error::new(
                Kind::WrongState,
                format!(
                    "{path} is a device that holds a {format} image, and libvirt copies devices \
                     as they are"
                ),
            )
            .hint("run vmkin on that host")),
        };
    }
    let taken_for = facts.format.as_deref().unwrap_or_default();
    if taken_for == layer.format.as_str() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsafe,
        format!(
            "{path} is a {} image to the domain, and '{taken_for}' to libvirt's storage pool, \
             which would copy something else",
            layer.format
        ),
    )
    .hint(
        "if libvirt has not looked since it was made, `virsh pool-refresh` has it look; else run \
         vmkin on that host",
    ))
}

/// What the journal has to know of a disk that is copied.
pub(in crate::ops) fn intent(pool: &str, name: String) -> VolumeIntent {
    VolumeIntent {
        pool: pool.to_owned(),
        name,
        size: 0,
        head_sha256: String::new(),
        copied: true,
    }
}

impl There {
    /// Has libvirt copy the disks of a clone, one after the other.
    pub(super) fn copy_all(&self, host: Host<'_>, clone: &PlannedClone) -> Result<()> {
        for disk in self.copies(clone) {
            host.interrupt.check()?;
            self.copy(host, clone, disk)?;
            crate::failpoint::hit("clone.file")?;
        }
        // It may have taken long.
        host.interrupt.check()
    }

    fn copy(&self, host: Host<'_>, clone: &PlannedClone, disk: &PlannedDisk) -> Result<()> {
        let (place, name) = self.must_have_pool(host, &disk.path)?;
        let pool = &place.name;
        let original = Original::of(host, disk)?;
        must_have_room(host, pool, &disk.path, original.takes)?;
        let new = NewVolume {
            name,
            capacity: original.size,
            allocation: match place.holds {
                // Else it would be one that can run out of room.
                Holds::Devices => original.size,
                Holds::Files | Holds::Rbd => 0,
            },
            format: disk.format,
            mode: None,
        };
        host.observer.status(&format!(
            "Libvirt copies {} to {} on {}.",
            disk.source,
            shown(&disk.path),
            host.hypervisor.uri()
        ));
        let watch = Watch {
            host,
            pool,
            name: &new.name,
            what: format!("{} ({})", clone.name, disk.target),
            takes: original.takes,
        };
        self.make_volume(&disk.path, || {
            watch.over(|| host.hypervisor.copy_volume(&original.name, pool, &new))
        })?;
        match &disk.source {
            Origin::Image(chain) => is_whole(host, disk, chain),
            // Nobody but libvirt can read it.
            Origin::Volume { .. } | Origin::Export { .. } | Origin::Blank { .. } => Ok(()),
        }
    }
}

/// What is copied.
struct Original {
    name: VolumeName,
    /// Its size as a disk, in bytes; 0 for the one that libvirt knows.
    size: u64,
    /// About how much a copy takes, in bytes.
    takes: u64,
}

impl Original {
    fn of(host: Host<'_>, disk: &PlannedDisk) -> Result<Self> {
        let chain = match &disk.source {
            Origin::Image(chain) => chain,
            Origin::Volume { volume, .. } => {
                return Ok(Self {
                    name: volume.clone(),
                    size: 0,
                    takes: 0,
                });
            }
            Origin::Export { .. } | Origin::Blank { .. } => {
                let what = format!("{} is no volume", disk.source);
                return Err(Error::new(Kind::WrongState, what));
            }
        };
        let takes = chain.layers().iter().map(|layer| match layer.block {
            true => layer.virtual_size,
            false => layer.allocated,
        });
        Ok(Self {
            name: named_there(host, &chain.top().path)?,
            size: chain.top().virtual_size,
            takes: takes.fold(0, u64::saturating_add),
        })
    }
}

/// What a disk comes from that is an image of Ceph: a volume of an rbd pool.
pub(super) fn of_ceph(host: Host<'_>, mode: CloneMode, disk: &Disk) -> Result<Option<Origin>> {
    let target = &disk.target;
    let refused = |why: &str| {
        let what = format!("disk {target} is {}, {why}", disk.source);
        Error::new(Kind::WrongState, what)
    };
    let volume = match &disk.source {
        DiskSource::Network(network) if network.protocol == "rbd" => {
            if !network.whole {
                return Err(
                    refused("of which it has only a part or a snapshot").hint(share_it(target))
                );
            }
            let name = network.name.as_deref().unwrap_or_default();
            let found = host.hypervisor.volume_at(Path::new(name))?;
            let found = found.map(|volume| volume.name()).transpose()?;
            found.ok_or_else(|| {
                let why = format!(
                    "which is no volume of an active storage pool of {}",
                    host.hypervisor.uri()
                );
                refused(&why)
                    .hint("make an rbd pool of it there: `virsh pool-create FILE`")
                    .hint(share_it(target))
            })?
        }
        DiskSource::Volume { pool, volume } => {
            if host.hypervisor.pool_facts(pool)?.kind != "rbd" {
                return Ok(None);
            }
            VolumeName {
                pool: pool.clone(),
                name: volume.clone(),
            }
        }
        _ => return Ok(None),
    };
    if mode == CloneMode::Linked {
        return Err(refused("on which there can be no overlay")
            .hint("have libvirt clone it in its pool: `--full`")
            .hint(share_it(target)));
    }
    if disk.format != ImageFormat::Raw {
        return Err(refused(&format!("and holds a {} image", disk.format)).hint(share_it(target)));
    }
    let path = host.hypervisor.volume_path(&volume.pool, &volume.name)?;
    Ok(Some(Origin::Volume { volume, path }))
}

fn named_there(host: Host<'_>, path: &Path) -> Result<VolumeName> {
    let gone = || {
        let what = format!("{} is no volume any more", shown(path));
        Error::new(Kind::WrongState, what)
    };
    host.hypervisor.volume_at(path)?.ok_or_else(gone)?.name()
}

/// Refuses a copy that would fill the pool: guests would find no more room in it.
fn must_have_room(host: Host<'_>, pool: &str, path: &Path, takes: u64) -> Result<()> {
    let available = host.hypervisor.pool_facts(pool)?.available;
    if takes <= available {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format!(
            "storage pool '{pool}' has room for {}, and {} takes up to {}",
            human_bytes(available),
            shown(path),
            human_bytes(takes)
        ),
    )
    .hint("name another one: `--pool POOL`; or make overlays: leave out `--full`"))
}

/// Fails if what libvirt has made is not one image that holds all of the disk.
fn is_whole(host: Host<'_>, disk: &PlannedDisk, chain: &Chain) -> Result<()> {
    let not_whole = || {
        format!(
            "what libvirt has made of {} is no whole copy",
            shown(&chain.top().path)
        )
    };
    let read = Remote::default();
    // Nothing may be below it.
    let trust = Trust::default();
    let copy = image_there(host.hypervisor, &read, &disk.path, disk.format, &trust)
        .map_err(|e| e.context(not_whole()))?;
    let (has, wanted) = (copy.top().virtual_size, chain.top().virtual_size);
    if copy.is_single() && has >= wanted {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format!(
            "{}: it has {} of {}",
            not_whole(),
            human_bytes(has),
            human_bytes(wanted)
        ),
    ))
}

/// A copy that is looked at while libvirt makes it.
struct Watch<'a> {
    host: Host<'a>,
    pool: &'a str,
    name: &'a str,
    /// What the progress is of.
    what: String,
    /// About how much it takes in the end, in bytes.
    takes: u64,
}

impl Watch<'_> {
    /// Waits for the copy, and tells meanwhile how far it is.
    fn over<T>(&self, copy: impl FnOnce() -> Result<T>) -> Result<T> {
        thread::scope(|scope| {
            let (at_work, ended) = mpsc::channel::<()>();
            scope.spawn(move || self.tell(&ended));
            let copied = copy();
            drop(at_work);
            copied
        })
    }

    fn tell(&self, ended: &Receiver<()>) {
        let mut told = false;
        while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            if !told && self.host.interrupt.check().is_err() {
                told = true;
                self.host.observer.status(
                    "Libvirt cannot be stopped while it copies; when it is done, what it has made \
                     is removed.",
                );
            }
            let facts = || {
                let volume = self.host.hypervisor.volume_in(self.pool, self.name)?;
                volume.map(|volume| volume.facts()).transpose()
            };
            // It need not be there yet.
            if let Ok(Some(facts)) = facts() {
                let done = facts.allocated.min(self.takes);
                self.host.observer.progress(&self.what, done, self.takes);
            }
        }
    }
}

/// Deletes a copy, whatever is in it: nobody else has chosen its name.
///
/// # Errors
///
/// [`Kind::Busy`] if libvirt still copies to it.
pub(super) fn take_back(host: Host<'_>, pool: &str, name: &str) -> Result<()> {
    let what = VolumeName {
        pool: pool.to_owned(),
        name: name.to_owned(),
    };
    let Some(volume) = host.hypervisor.volume_in(pool, name)? else {
        return Ok(());
    };
    match volume.delete() {
        // Libvirt removes itself what it could not copy.
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        Err(e) if e.kind() == Kind::Busy => Err(e.context(format!(
            "libvirt still copies to {what}, which cannot be stopped"
        ))),
        deleted => deleted.map_err(|e| e.context(what.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_copy_is_that_at_home_with_a_part_of_its_own() {
        let batch = Uuid::from_u128(0x0123_4567_89ab_cdef << 64);
        assert_eq!(named("web-01.qcow2", batch), "web-01-0123456789ab.qcow2");
        assert_eq!(named("web-01-vdb", batch), "web-01-vdb-0123456789ab");
    }
}
