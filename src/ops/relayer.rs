//! Putting images that read the same, and have other layers below them, in the
//! places of a guest's disks.
//!
//! The new images are made beside the old ones and compared, whole. From the mark
//! in the journal on the old ones go aside, so that the guest cannot start while
//! its definition says one thing and its disks are another; the definition is
//! changed, the new ones get their names, and the old ones go last.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::guard::{LeasedDisk, WriteGuard, lease_again};
use super::images::{declared, must_be_found_in, pools_over};
use super::new_image::remove_unused;
use super::snapshot::word;
use super::{Host, ShutOff};
use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{
    BaseRecord, Chain, DiskTarget, Domain, FileId, ImageFormat, Lineage, SecretText, Size,
};
use crate::store::{Journal, Operation, RelayerAct, RelayerIntent, RelayeredDisk, Step};
use crate::xml::domain::{self, BackingLayer, Rechained};

/// New layers for disks that are locked.
pub(super) struct Relayer<'a> {
    /// What is done.
    pub(super) act: RelayerAct,
    /// The domain, if one has them.
    pub(super) domain: Option<&'a Domain>,
    /// The disks that get other layers, all of which are leased.
    pub(super) guard: &'a WriteGuard<'a>,
    /// What they are put on; none if they are to stand alone.
    pub(super) base: Option<&'a Chain>,
    /// Where the user allowed backing files besides the storage pools.
    pub(super) allow_dirs: &'a [PathBuf],
}

/// Refuses a disk that another image cannot take the place of.
pub(super) fn may_be_replaced(name: &str, disk: &LeasedDisk) -> Result<()> {
    let top = disk.chain().top();
    let why = if disk.chain().is_single() {
        "is no overlay: there is nothing below it".to_owned()
    } else if let Some(export) = disk.chain().export() {
        format!("is on {export}, which is not on this host")
    } else if top.format != ImageFormat::Qcow2 {
        format!("is in the format {}, and must be qcow2", top.format)
    } else if top.snapshots > 0 {
        format!(
            "holds {} internal snapshots, which would be lost",
            top.snapshots
        )
    } else if disk.chain().encrypted().is_some() {
        "is encrypted, and cannot be read without its secret".to_owned()
    } else if top.block {
        "is a block device, which cannot be replaced".to_owned()
    } else if disk.chain().layers().iter().any(|layer| layer.dirty) {
        "was not closed well".to_owned()
    } else {
        return image::may_remove(disk.lease().image().real_path());
    };
    let what = match disk.target() {
        Some(target) => format!("disk {target} of domain '{name}'"),
        None => shown(&top.path).to_string(),
    };
    Err(Error::new(Kind::WrongState, format!("{what} {why}")))
}

/// Refuses a domain that has snapshots: they are of the layers that it has.
pub(super) fn no_snapshots(host: Host<'_>, domain: &Domain) -> Result<()> {
    let (name, number) = (&domain.name, host.hypervisor.snapshots(domain)?.len());
    if number == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!("domain '{name}' has {number} snapshots, which need the layers that it has"),
    )
    .hint(format!(
        "see which: `vmkin snapshot list -d {}`",
        word(name)
    ))
    .hint("delete those that are not needed any more: `vmkin snapshot delete`"))
}

impl Relayer<'_> {
    /// Does it: all disks, or none. Returns what the new images take on the host.
    ///
    /// # Errors
    ///
    /// Before the mark nothing has changed; after it, [`Kind::NotUndone`]: the next
    /// run finishes it.
    pub(super) fn apply(&self, host: Host<'_>) -> Result<Size> {
        host.interrupt.check()?;
        self.base_must_be_found(host)?;
        let intent = self.intent();
        let mut journal = host
            .store
            .begin(host.hypervisor.uri(), Operation::Relayer(intent.clone()))?;
        let made = self.make(host, &intent);
        let mut size = 0_u64;
        let committed = made.and_then(|files| {
            for disk in &intent.disks {
                let new = image::ImageFile::open(&disk.temp)?;
                size = size.saturating_add(new.allocated());
            }
            journal.add(&[Step::Committed {
                files: files.clone(),
            }])?;
            Ok(files)
        });
        let files = match committed {
            Ok(files) => files,
            Err(error) => {
                let error = Journal::may_take_back(error)?;
                remove_temps(&intent)?;
                journal.finish()?;
                return Err(host.stopped_by(error));
            }
        };
        if let Err(error) = self.put(host, &intent, &files) {
            if is_untouched(&intent) {
                remove_temps(&intent)?;
                journal.finish()?;
                return Err(error);
            }
            return Err(error.with_kind(Kind::NotUndone).hint(
                "the guest cannot be started until it is done; when the cause is gone, `vmkin \
                 recover` finishes it",
            ));
        }
        if let Err(error) = journal.finish() {
            host.observer.warning(&format!(
                "'{}' is done, but its journal not closed ({error}); `vmkin recover` does that.",
                intent.name
            ));
        }
        Ok(Size(size))
    }

    fn base_must_be_found(&self, host: Host<'_>) -> Result<()> {
        let dir = self.base.and_then(|base| base.top().path.parent());
        let Some(dir) = dir else {
            return Ok(());
        };
        for leased in self.guard.disks() {
            if let Some(disk) = leased.disk() {
                must_be_found_in(host.hypervisor, disk, &leased.chain().top().path, dir)?;
            }
        }
        Ok(())
    }

    fn intent(&self) -> RelayerIntent {
        let batch = Uuid::new_v4();
        let mut disks = Vec::new();
        for (serial, disk) in self.guard.disks().iter().enumerate() {
            let old = disk.lease().image();
            disks.push(RelayeredDisk {
                target: disk.target().cloned(),
                path: old.real_path().to_owned(),
                file: old.id(),
                format: ImageFormat::Qcow2,
                temp: image::temporary(old.real_path(), batch, serial),
                aside: image::temporary(old.real_path(), batch, format!("{serial}-disk")),
            });
        }
        let mut names = self.guard.disks().iter();
        RelayerIntent {
            act: self.act,
            name: names
                .next()
                .map_or(String::new(), |disk| self.guard.name(disk)),
            uuid: self.domain.map(|domain| domain.uuid),
            disks,
            allow_dirs: self.allow_dirs.to_vec(),
        }
    }

    /// Makes the new images, on the disk and compared when this returns.
    fn make(&self, host: Host<'_>, intent: &RelayerIntent) -> Result<Vec<FileId>> {
        crate::failpoint::hit("relayer.journal")?;
        let cancel = host.interrupt.flag();
        let mut files = Vec::new();
        for (disk, new) in self.guard.disks().iter().zip(&intent.disks) {
            let (chain, lease) = (disk.chain(), disk.lease());
            let what = of_disk(&intent.name, new.target.as_ref());
            let progress = |done, total| host.observer.progress(&what, done, total);
            let made = match self.base {
                None => image::flattened(chain, lease, &new.temp, new.format, &progress, cancel)?,
                Some(base) => image::rebased(chain, lease, &new.temp, base, &progress, cancel)?,
            };
            made.belong_like(lease.image())?;
            made.sync()?;
            crate::failpoint::hit("relayer.file")?;
            let now = image::chain_of_new(&new.temp, new.format, self.base)?;
            let what = format!("{what}, compared");
            let progress = |done, total| host.observer.progress(&what, done, total);
            image::must_read_the_same(chain, &now, &progress, cancel)?;
            files.push(made.id());
        }
        sync_dirs(intent)?;
        host.interrupt.check()?;
        self.guard.recheck()?;
        crate::failpoint::hit("relayer.made")?;
        Ok(files)
    }

    fn put(&self, host: Host<'_>, intent: &RelayerIntent, files: &[FileId]) -> Result<()> {
        crate::failpoint::hit("relayer.committed")?;
        for (disk, new) in self.guard.disks().iter().zip(&intent.disks) {
            image::put_aside(disk.lease(), &new.aside)?;
            crate::failpoint::hit("relayer.aside")?;
        }
        sync_dirs(intent)?;
        finish(host, self.domain, intent, files)
    }
}

/// Changes the definition and gives the new images their names; the old ones are
/// aside.
fn finish(
    host: Host<'_>,
    domain: Option<&Domain>,
    intent: &RelayerIntent,
    files: &[FileId],
) -> Result<()> {
    if let Some(domain) = domain {
        redefine(host, domain, intent, files)?;
    }
    crate::failpoint::hit("relayer.defined")?;
    for (disk, file) in intent.disks.iter().zip(files) {
        let has_name = image::file_id(&disk.path)? == Some(*file);
        // It can have both, where giving a name takes two steps.
        if !has_name || image::file_id(&disk.temp)? == Some(*file) {
            image::publish(&disk.temp, &disk.path)?;
        }
        crate::failpoint::hit("relayer.published")?;
    }
    sync_dirs(intent)?;
    for disk in &intent.disks {
        image::remove_own(&disk.aside, disk.file)?;
        crate::failpoint::hit("relayer.removed")?;
    }
    let pools = host.hypervisor.pools().unwrap_or_default();
    host.refresh_pools(&pools_over(
        &pools,
        intent.disks.iter().map(|disk| &disk.path),
    ));
    Ok(())
}

/// Has the definition name the new layers.
fn redefine(
    host: Host<'_>,
    domain: &Domain,
    intent: &RelayerIntent,
    files: &[FileId],
) -> Result<()> {
    let mut chains = Vec::new();
    for (disk, file) in intent.disks.iter().zip(files) {
        let Some(target) = &disk.target else {
            continue;
        };
        let there = if image::file_id(&disk.temp)? == Some(*file) {
            &disk.temp
        } else {
            &disk.path
        };
        chains.push((target, chain_of_own(there, disk.format)?));
    }
    rechain(host, domain, &chains)
}

/// Has the definition of a domain say that its disks are of these layers.
///
/// # Errors
///
/// [`Kind::WrongState`] if it says something else and the domain is not shut off.
pub(super) fn rechain(
    host: Host<'_>,
    domain: &Domain,
    chains: &[(&DiskTarget, Chain)],
) -> Result<()> {
    let rechained = chains.iter().map(|(target, chain)| Rechained {
        target: (*target).clone(),
        image: None,
        backing: layers_below(chain),
    });
    let rechained: Vec<_> = rechained.collect();
    let old = host.hypervisor.secure_xml(domain)?;
    let lineage = domain::read(old.expose())?.lineage;
    let lineage = lineage
        .map(|lineage| with_bases(lineage, chains))
        .transpose()?;
    let new = domain::rechained(old.expose(), &rechained, lineage.as_ref())?;
    if new != old.expose() {
        ShutOff::check(host.hypervisor, domain)?;
        host.hypervisor.redefine(domain, &SecretText::from(new))?;
    }
    Ok(())
}

/// The chain of an image that was made a moment ago: its header is ours, or that of
/// a QEMU that was told what to do.
pub(super) fn chain_of_own(path: &Path, format: ImageFormat) -> Result<Chain> {
    let root = [Path::new("/")];
    image::resolve(
        path,
        format,
        &image::Trust::new(root, std::iter::empty::<PathBuf>()),
    )
}

/// What progress on a disk is told as, by the name of its domain, or of its image.
pub(super) fn of_disk(name: &str, target: Option<&DiskTarget>) -> String {
    match target {
        Some(target) => format!("{name} {target}"),
        None => name.to_owned(),
    }
}

/// How domain XML says what is below an image.
pub(super) fn layers_below(chain: &Chain) -> Vec<BackingLayer> {
    let layers = chain.backing().iter();
    layers
        .map(|layer| declared(layer, image::readable_by_all(&layer.path)))
        .collect()
}

/// The lineage of a clone whose disks have these chains.
pub(super) fn with_bases(mut lineage: Lineage, chains: &[(&DiskTarget, Chain)]) -> Result<Lineage> {
    for made in &mut lineage.disks {
        let mut chains = chains.iter();
        let Some((_, chain)) = chains.find(|(target, _)| **target == made.target) else {
            continue;
        };
        made.export = None;
        made.bases = Vec::new();
        for layer in chain.backing() {
            made.bases.push(BaseRecord {
                path: layer.path.clone(),
                format: layer.format,
                identity: image::identity(&layer.path)?,
            });
        }
    }
    Ok(lineage)
}

fn sync_dirs(intent: &RelayerIntent) -> Result<()> {
    image::sync_dirs_of(intent.disks.iter().map(|disk| disk.path.as_path()))
}

/// Removes what was made.
fn remove_temps(intent: &RelayerIntent) -> Result<()> {
    remove_unused(intent.disks.iter().map(|disk| disk.temp.as_path()))
}

/// Whether all disks have their names still.
fn is_untouched(intent: &RelayerIntent) -> bool {
    let mut disks = intent.disks.iter();
    disks.all(|disk| image::file_id(&disk.path).is_ok_and(|file| file == Some(disk.file)))
}

/// Finishes or takes back what was left behind, and says what is there now, as a
/// sentence.
///
/// # Errors
///
/// If it cannot be finished now: a disk is locked, or libvirt does not answer.
pub(super) fn recover(host: Host<'_>, intent: &RelayerIntent, steps: &[Step]) -> Result<String> {
    let Some(files) = Step::committed(steps) else {
        remove_temps(intent)?;
        return Ok("Its disks are as they were.".to_owned());
    };
    let domain = match intent.uuid {
        Some(uuid) => host.hypervisor.find_uuid(uuid)?,
        None => None,
    };
    if intent.uuid.is_some() && domain.is_none() {
        return Ok(
            "The domain is gone; what is left of its disks has names of vmkin's, and `vmkin prune` \
             finds it."
                .to_owned(),
        );
    }
    // The guest may have been started since, and written to its disks: what was
    // made is then not what they are any more.
    if is_untouched(intent) {
        remove_temps(intent)?;
        return Ok("Its disks are as they were.".to_owned());
    }
    let done = intent
        .disks
        .iter()
        .zip(files)
        .all(|(disk, file)| image::file_id(&disk.path).ok().flatten() == Some(*file));
    if done {
        // The definition was changed before. The guest may be running by now.
        for disk in &intent.disks {
            image::remove_own(&disk.aside, disk.file)?;
        }
        return Ok("All its disks have their new layers.".to_owned());
    }
    let mut leases = Vec::new();
    for disk in &intent.disks {
        if image::file_id(&disk.path)? == Some(disk.file) {
            let lease = lease_again(&disk.path)?;
            image::put_aside(&lease, &disk.aside)?;
            leases.push(lease);
        }
    }
    finish(host, domain.as_ref(), intent, files)?;
    Ok("All its disks have their new layers now.".to_owned())
}
