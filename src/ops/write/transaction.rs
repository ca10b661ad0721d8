//! All of what is to be changed on the disks, or nothing of it.
//!
//! 1. The journal says what is begun.
//! 2. Each disk gets a *redo overlay* beside it, and libguestfs those: it never
//!    writes to a disk. When it has ended, and ended well, they are on the disk,
//!    their tables are right, and what was written is read back.
//! 3. The state of the domain is asked once more. Each disk is put *aside*: it gets
//!    a name that nobody looks for, so that nobody can start what is half written.
//! 4. The commit mark. Until here the overlays are dropped if anything fails, and
//!    the disks get their names back, untouched.
//! 5. The overlays are merged into the disks, what was written is read back once
//!    more, and the disks get their names back. What a run does not get done of it,
//!    the next one does.

use std::collections::BTreeSet;
use std::path::Path;

use uuid::Uuid;

use crate::error::{Kind, Result};
use crate::guest::appliance::{Drive, Key, Writer};
use crate::guest::change::{Change, Mountable};
use crate::guest::scratch::Scratch;
use crate::image;
use crate::image::qemu_img::QemuImg;
use crate::interrupt::Interrupt;
use crate::model::Chain;
use crate::ops::Host;
use crate::ops::guard::{LeasedDisk, WriteGuard};
use crate::ops::images::pools_over;
use crate::store::{Operation, RedoDisk, Step, WriteIntent};

/// What is to be done to a guest.
pub(super) struct Work<'w> {
    /// Its name, for messages.
    pub(super) name: &'w str,
    /// Its file systems, as the changes count them.
    pub(super) mounts: &'w [Mountable],
    /// The keys of those that are encrypted.
    pub(super) keys: &'w [Key],
    /// What is to be changed.
    pub(super) changes: &'w [Change],
    /// A place for what is on its way.
    pub(super) scratch: &'w Scratch,
}

/// Does it.
///
/// # Errors
///
/// Those of [`Writing::apply`](super::Writing::apply).
pub(super) fn carry_out(host: Host<'_>, guard: &WriteGuard<'_>, work: &Work<'_>) -> Result<()> {
    host.interrupt.check()?;
    Writer::must_be_installed()?;
    QemuImg::find()?;
    // QEMU waits for somebody to make room where it finds none.
    let needed: u64 = work.changes.iter().map(Change::host_bytes).sum();
    for disk in guard.disks() {
        image::must_have_room(disk.lease(), needed)?;
    }
    let disks = intended(guard);
    let mut journal = host.store.begin(
        host.hypervisor.uri(),
        Operation::Write(WriteIntent {
            name: work.name.to_owned(),
            disks: disks.clone(),
        }),
    )?;
    let prepared = prepare(host, guard, work, &disks)
        .and_then(|()| journal.add(&[Step::Committed { files: Vec::new() }]));
    if let Err(error) = prepared {
        let error = host.stopped_by(error);
        release(&disks).map_err(|e| {
            e.with_kind(Kind::NotUndone).hint(
                "nothing was written to the disks; when the cause is gone, `vmkin recover` tidies \
                 up",
            )
        })?;
        journal.finish()?;
        return Err(error);
    }
    let done = crate::failpoint::hit("write.committed").and_then(|()| {
        let aside = aside(guard, &disks);
        for ((disk, redo), (_, chain)) in guard.disks().iter().zip(&disks).zip(&aside) {
            let mut progress = |done, total| host.observer.progress("writing", done, total);
            image::merge(&redo.redo, chain, disk.lease(), &mut progress)?;
            crate::failpoint::hit("write.merged")?;
        }
        // Nothing is to end it now.
        let never = Interrupt::default();
        super::verify::contents(&aside, work.mounts, work.changes, &never)?;
        release(&disks)
    });
    done.map_err(|error| {
        error.with_kind(Kind::NotUndone).hint(
            "the disks are aside until all is written; when the cause is gone, `vmkin recover` \
             finishes it",
        )
    })?;
    let pools = host.hypervisor.pools().unwrap_or_default();
    let paths = disks.iter().map(|disk| &disk.path);
    host.refresh_pools(&pools_over(&pools, paths));
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "The files of '{}' are changed, but its journal not closed ({error}); `vmkin recover` \
             does that.",
            work.name
        ));
    }
    Ok(())
}

/// The disks as they are while they are aside, with what they are called.
fn aside(guard: &WriteGuard<'_>, disks: &[RedoDisk]) -> Vec<(String, Chain)> {
    let both = guard.disks().iter().zip(disks).enumerate();
    both.map(|(number, (disk, redo))| {
        let chain = image::chain_aside(disk.chain(), &redo.aside);
        (super::drive_name(disk, number), chain)
    })
    .collect()
}

fn intended(guard: &WriteGuard<'_>) -> Vec<RedoDisk> {
    let batch = Uuid::new_v4();
    let disks = guard.disks().iter().enumerate();
    disks
        .map(|(number, disk)| {
            let path = disk.lease().image().real_path();
            let below = disk.chain().backing().iter();
            RedoDisk {
                path: path.to_owned(),
                file: disk.lease().image().id(),
                format: disk.chain().top().format,
                below: below.map(|layer| layer.path.clone()).collect(),
                redo: image::temporary(path, batch, number),
                aside: image::temporary(path, batch, format_args!("{number}-disk")),
            }
        })
        .collect()
}

/// Makes everything ready for the disks to be written to: the overlays are whole
/// and the disks aside, and all of that is on the disk when this returns.
fn prepare(
    host: Host<'_>,
    guard: &WriteGuard<'_>,
    work: &Work<'_>,
    redo: &[RedoDisk],
) -> Result<()> {
    crate::failpoint::hit("write.journal")?;
    let disks = || guard.disks().iter().zip(redo);
    for (disk, redo) in disks() {
        drop(image::write_redo(&redo.redo, disk.chain())?);
        crate::failpoint::hit("write.redo")?;
    }
    let drive = |(number, disk): (usize, &LeasedDisk)| Drive {
        name: super::drive_name(disk, number),
        chain: disk.chain().clone(),
    };
    let drives: Vec<Drive> = guard.disks().iter().enumerate().map(drive).collect();
    let overlays: Vec<_> = redo.iter().map(|redo| redo.redo.clone()).collect();
    let mounts = work.mounts.to_vec();
    let (keys, scratch) = (work.keys, work.scratch);
    let mut writer = Writer::start(drives, &overlays, mounts, keys, scratch, host.interrupt)?;
    crate::failpoint::hit("write.started")?;
    let total = work.changes.len() as u64;
    writer.carry_out(work.changes, &mut |done| {
        host.observer.counted("changing", done as u64, total);
    })?;
    crate::failpoint::hit("write.changed")?;
    writer.finish()?;
    crate::failpoint::hit("write.closed")?;
    for (disk, redo) in disks() {
        let cancel = host.interrupt.flag();
        image::seal_redo(&redo.redo, disk.chain(), disk.lease(), cancel)?;
    }
    let changed = guard.disks().iter().zip(redo).enumerate();
    let changed = changed.map(|(number, (disk, redo))| {
        let chain = image::chain_with_redo(disk.chain(), &redo.redo)?;
        Ok((super::drive_name(disk, number), chain))
    });
    let changed: Vec<_> = changed.collect::<Result<_>>()?;
    super::verify::contents(&changed, work.mounts, work.changes, host.interrupt)?;
    host.interrupt.check()?;
    guard.recheck()?;
    for (disk, redo) in disks() {
        image::put_aside(disk.lease(), &redo.aside)?;
        crate::failpoint::hit("write.aside")?;
    }
    // With the mark, a disk that has its own name counts as written to.
    sync_dirs(redo)?;
    host.interrupt.check()
}

/// Gives disks that are aside their names back, whether they were written to or
/// not, and drops what was to be written. The other names are this run's alone.
pub(super) fn release(disks: &[RedoDisk]) -> Result<()> {
    names_back(disks)?;
    drop_overlays(disks)
}

fn names_back(disks: &[RedoDisk]) -> Result<()> {
    for disk in disks {
        if image::file_id(&disk.aside)? == Some(disk.file) {
            image::publish(&disk.aside, &disk.path).map_err(|error| {
                let aside = image::shown(&disk.aside);
                error.context(format!(
                    "the disk is {aside}, and cannot have its name back"
                ))
            })?;
            crate::failpoint::hit("write.restored")?;
        }
    }
    sync_dirs(disks)
}

fn drop_overlays(disks: &[RedoDisk]) -> Result<()> {
    for disk in disks {
        if let Some(file) = image::file_id(&disk.redo)? {
            image::remove_own(&disk.redo, file)?;
        }
    }
    sync_dirs(disks)
}

fn sync_dirs(disks: &[RedoDisk]) -> Result<()> {
    let dirs: BTreeSet<&Path> = disks.iter().filter_map(|disk| disk.path.parent()).collect();
    dirs.into_iter().try_for_each(image::sync_dir)
}

/// The chain of a disk that is aside, as it is now.
pub(super) fn chain_of_aside(disk: &RedoDisk) -> Result<Chain> {
    // What is below it was trusted, and not only by its name.
    let trust = image::Trust::new([] as [&Path; 0], disk.below.clone());
    image::resolve(&disk.aside, disk.format, &trust)
}
