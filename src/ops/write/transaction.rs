//! All of what is to be changed on the disks of a guest, or nothing of it.
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

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::guest::appliance::Writer;
use crate::guest::change::{Change, Mountable};
use crate::image;
use crate::image::qemu_img::QemuImg;
use crate::interrupt::Interrupt;
use crate::model::{Chain, ImageFormat};
use crate::ops::Host;
use crate::ops::guard::WriteGuard;
use crate::ops::images::pools_over;
use crate::store::{Journal, Operation, RedoDisk, Step, WriteIntent};

/// What is known to have been written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written<'w> {
    /// The file systems, as the changes count them.
    pub mounts: &'w [Mountable],
    /// The changes.
    pub changes: &'w [Change],
}

/// Changes to a guest's disks that are begun: each has a redo overlay beside it,
/// empty at first, and nothing is written to a disk until [`Begun::commit`].
///
/// Left behind by a process that died, the overlays are dropped by the next one.
pub struct Begun<'w> {
    host: Host<'w>,
    guard: &'w WriteGuard<'w>,
    name: &'w str,
    disks: Vec<RedoDisk>,
    overlays: Vec<PathBuf>,
    journal: Journal,
}

impl<'w> Begun<'w> {
    /// Writes down what is begun, and makes the overlays. Up to `needed` bytes
    /// are to be written to each disk.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if libguestfs or qemu-img is missing;
    /// [`Kind::Storage`] if there is no room. Nothing has changed then.
    pub(super) fn new(
        host: Host<'w>,
        guard: &'w WriteGuard<'w>,
        name: &'w str,
        needed: u64,
    ) -> Result<Self> {
        Writer::must_be_installed()?;
        Self::sized(host, guard, name, needed, None)
    }

    /// The same where all disks are to have this size in the end.
    ///
    /// # Errors
    ///
    /// Those of [`Begun::new`], but that libguestfs is not asked for.
    pub(in crate::ops) fn sized(
        host: Host<'w>,
        guard: &'w WriteGuard<'w>,
        name: &'w str,
        needed: u64,
        size: Option<u64>,
    ) -> Result<Self> {
        host.interrupt.check()?;
        QemuImg::find()?;
        // QEMU waits for somebody to make room where it finds none.
        for disk in guard.disks() {
            image::must_have_room(disk.lease(), needed)?;
        }
        let disks = intended(guard, size);
        let journal = host.store.begin(
            host.hypervisor.uri(),
            Operation::Write(WriteIntent {
                name: name.to_owned(),
                disks: disks.clone(),
            }),
        )?;
        let begun = Self {
            host,
            guard,
            name,
            overlays: disks.iter().map(|redo| redo.redo.clone()).collect(),
            disks,
            journal,
        };
        match begun.make_overlays() {
            Ok(()) => Ok(begun),
            Err(error) => Err(begun.failed(error)),
        }
    }

    fn make_overlays(&self) -> Result<()> {
        crate::failpoint::hit("write.journal")?;
        for (disk, redo) in self.guard.disks().iter().zip(&self.disks) {
            drop(match redo.size {
                None => image::write_redo(&redo.redo, disk.chain()),
                Some(size) => image::write_redo_sized(&redo.redo, disk.chain(), size),
            }?);
            crate::failpoint::hit("write.redo")?;
        }
        Ok(())
    }

    /// Cuts the overlays off where the disks are to end, and returns what the disks
    /// will be then.
    ///
    /// # Errors
    ///
    /// Those of [`image::cut_redo`].
    pub(in crate::ops) fn as_they_will_be(&self) -> Result<Vec<Chain>> {
        let disks = self.guard.disks().iter().zip(&self.disks);
        let chains = disks.map(|(disk, redo)| {
            if let Some(size) = redo.size {
                image::cut_redo(&redo.redo, disk.chain(), disk.lease(), size)?;
            }
            image::chain_with_redo(disk.chain(), &redo.redo)
        });
        chains.collect()
    }

    /// The overlays, in the order of the guest's disks: what may be written to.
    pub fn overlays(&self) -> &[PathBuf] {
        &self.overlays
    }

    /// The same, with their format.
    pub fn images(&self) -> Vec<(PathBuf, ImageFormat)> {
        let overlays = self.overlays.iter().cloned();
        overlays.map(|path| (path, ImageFormat::Qcow2)).collect()
    }

    /// Writes to the disks what is in the overlays, which nobody has open any
    /// more: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// Before the commit mark, nothing has changed; after it,
    /// [`Kind::NotUndone`]: the next run finishes it.
    pub fn commit(mut self, written: Written<'_>) -> Result<()> {
        let prepared = self.prepare(written).and_then(|()| {
            let committed = Step::Committed { files: Vec::new() };
            self.journal.add(&[committed])
        });
        if let Err(error) = prepared {
            let error = Journal::may_take_back(error)?;
            return Err(self.failed(error));
        }
        self.merge(written).map_err(|error| {
            error.with_kind(Kind::NotUndone).hint(
                "the disks are aside until all is written; when the cause is gone, `vmkin \
                 recover` finishes it",
            )
        })?;
        let pools = self.host.hypervisor.pools().unwrap_or_default();
        let paths = self.disks.iter().map(|disk| &disk.path);
        self.host.refresh_pools(&pools_over(&pools, paths));
        if let Err(error) = self.journal.finish() {
            self.host.observer.warning(&format!(
                "'{}' is changed, but its journal not closed ({error}); `vmkin \
                 recover` does that.",
                self.name
            ));
        }
        Ok(())
    }

    /// Drops the overlays: nothing has changed.
    ///
    /// # Errors
    ///
    /// [`Kind::NotUndone`] if they cannot be dropped.
    pub fn abort(self) -> Result<()> {
        release(&self.disks).map_err(|error| {
            error.with_kind(Kind::NotUndone).hint(
                "nothing was written to the disks; when the cause is gone, `vmkin recover` tidies \
                 up",
            )
        })?;
        self.journal.finish()
    }

    /// Drops the overlays for this error, and returns what is to be told.
    pub fn failed(self, error: Error) -> Error {
        let error = self.host.stopped_by(error);
        self.abort().err().unwrap_or(error)
    }

    /// Makes everything ready for the disks to be written to: the overlays are
    /// whole and the disks aside, and all of that is on the disk when this returns.
    fn prepare(&self, written: Written<'_>) -> Result<()> {
        let Self { host, guard, .. } = self;
        let disks = || guard.disks().iter().zip(&self.disks);
        for (disk, redo) in disks() {
            let cancel = host.interrupt.flag();
            if let Some(size) = redo.size {
                image::cut_redo(&redo.redo, disk.chain(), disk.lease(), size)?;
            }
            image::seal_redo(&redo.redo, disk.chain(), disk.lease(), cancel)?;
        }
        let changed = disks().enumerate().map(|(number, (disk, redo))| {
            let chain = image::chain_with_redo(disk.chain(), &redo.redo)?;
            Ok((super::drive_name(disk, number), chain))
        });
        let changed: Vec<_> = changed.collect::<Result<_>>()?;
        super::verify::contents(&changed, written, host.interrupt)?;
        host.interrupt.check()?;
        guard.recheck()?;
        for (disk, redo) in disks() {
            image::put_aside(disk.lease(), &redo.aside)?;
            crate::failpoint::hit("write.aside")?;
        }
        // With the mark, a disk that has its own name counts as written to.
        sync_dirs(&self.disks)?;
        host.interrupt.check()
    }

    fn merge(&self, written: Written<'_>) -> Result<()> {
        crate::failpoint::hit("write.committed")?;
        let aside = self.aside();
        let disks = self.guard.disks().iter().zip(&self.disks);
        for ((disk, redo), (_, chain)) in disks.zip(&aside) {
            let mut progress = |done, total| self.host.observer.progress("writing", done, total);
            image::merge(&redo.redo, chain, disk.lease(), &mut progress)?;
            crate::failpoint::hit("write.merged")?;
            if let Some(size) = redo.size {
                image::settle_size(chain, disk.lease(), size)?;
                crate::failpoint::hit("write.resized")?;
            }
        }
        // Nothing is to end it now.
        super::verify::contents(&aside, written, &Interrupt::default())?;
        release(&self.disks)
    }

    /// The disks as they are while they are aside, with what they are called.
    fn aside(&self) -> Vec<(String, Chain)> {
        let both = self.guard.disks().iter().zip(&self.disks).enumerate();
        both.map(|(number, (disk, redo))| {
            let chain = image::chain_aside(disk.chain(), &redo.aside);
            (super::drive_name(disk, number), chain)
        })
        .collect()
    }
}

fn intended(guard: &WriteGuard<'_>, size: Option<u64>) -> Vec<RedoDisk> {
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
                size,
            }
        })
        .collect()
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
        image::remove_temporary(&disk.redo)?;
    }
    sync_dirs(disks)
}

fn sync_dirs(disks: &[RedoDisk]) -> Result<()> {
    image::sync_dirs_of(disks.iter().map(|disk| disk.path.as_path()))
}

/// The chain of a disk that is aside, as it is now.
pub(super) fn chain_of_aside(disk: &RedoDisk) -> Result<Chain> {
    // What is below it was trusted, and not only by its name.
    let trust = image::Trust::new([] as [&Path; 0], disk.below.clone());
    image::resolve(&disk.aside, disk.format, &trust)
}
