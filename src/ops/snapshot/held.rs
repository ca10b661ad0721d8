//! The images that a snapshot is about, locked.

use std::path::{Path, PathBuf};

use super::{Subject, word};
use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::{self, refuse_export, shown};
use crate::model::{Disk, DiskSource, Domain, ImageFormat};
use crate::ops::Host;
use crate::ops::guard::{Allowed, LeasedDisk, Seen, Wanted, WriteGuard};
use crate::ops::images::{dirty, real};
use crate::store::SnapshotImage;

/// The images of a domain, or one without a domain: nobody else can open them
/// while this lives.
pub(super) struct Held<'a> {
    pub(super) guard: WriteGuard<'a>,
    /// All disks of the domain, those that have no part in a snapshot too.
    pub(super) disks: Vec<Disk>,
    /// Where the UEFI variables are that are a raw file, or will be when the
    /// domain starts next.
    pub(super) variables_at: Option<PathBuf>,
    /// Whether it has a TPM whose state libvirt keeps.
    pub(super) tpm: bool,
}

impl<'a> Held<'a> {
    /// Locks them.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the domain is not shut off, or an image cannot
    /// hold snapshots; those of [`WriteGuard`].
    pub(super) fn lock(host: Host<'a>, subject: &Subject, dirs: &[PathBuf]) -> Result<Self> {
        let allow = Allowed {
            dirs,
            damaged: false,
        };
        let held = match subject {
            Subject::Domain(domain) => Self::of_domain(host, domain, allow)?,
            Subject::Image { path, format } => {
                let guard = WriteGuard::of_image(host, path, *format, allow)?;
                refuse_disk(&guard, path)?;
                Self {
                    guard,
                    disks: Vec::new(),
                    variables_at: None,
                    tpm: false,
                }
            }
        };
        for disk in held.guard.disks() {
            fit(disk)?;
        }
        Ok(held)
    }

    fn of_domain(host: Host<'a>, domain: &Domain, allow: Allowed<'_>) -> Result<Self> {
        let seen = Seen::shut_off(host, domain)?;
        let facts = seen.facts();
        let disks = facts.disks.clone();
        for disk in disks.iter().filter(|disk| disk.is_private()) {
            can_hold_snapshots(domain, disk)?;
        }
        let wanted = Wanted {
            targets: &[],
            allow,
            variables: true,
        };
        let raw = facts.nvram.as_ref();
        let raw = raw.filter(|nvram| nvram.format == ImageFormat::Raw);
        let at = raw.and_then(|nvram| nvram.path.as_deref());
        let (variables_at, tpm) = (at.map(real), facts.tpm_emulator);
        Ok(Self {
            guard: WriteGuard::of_seen(host, seen, wanted)?,
            disks,
            variables_at,
            tpm,
        })
    }

    /// The images that hold the snapshots: disks, and UEFI variables in qcow2.
    pub(super) fn images(&self) -> impl Iterator<Item = &LeasedDisk> {
        let all = self.guard.disks().iter();
        all.filter(|disk| disk.chain().top().format == ImageFormat::Qcow2)
    }

    /// The UEFI variables that are a raw file, and are copied for a snapshot.
    pub(super) fn variables(&self) -> Option<&LeasedDisk> {
        let mut all = self.guard.disks().iter();
        all.find(|disk| disk.chain().top().format != ImageFormat::Qcow2)
    }

    /// The images, and the snapshots in each.
    pub(super) fn tables(&self) -> Result<Vec<(&LeasedDisk, Vec<Snapshot>)>> {
        let tables = self
            .images()
            .map(|disk| Ok((disk, image::snapshot::table(disk.chain().top())?)));
        tables.collect()
    }
}

/// What an image is called in messages.
pub(super) fn label(disk: &LeasedDisk) -> String {
    match disk.target() {
        Some(target) => target.to_string(),
        None => shown(&disk.chain().top().path).to_string(),
    }
}

/// The image as a journal has it, with a snapshot that it has or will have.
pub(super) fn intended(disk: &LeasedDisk, id: Vec<u8>, tag: Vec<u8>) -> SnapshotImage {
    let top = disk.chain().top();
    SnapshotImage {
        target: disk.target().cloned(),
        path: top.path.clone(),
        format: top.format,
        file: top.file,
        id,
        tag,
    }
}

fn can_hold_snapshots(domain: &Domain, disk: &Disk) -> Result<()> {
    let here = matches!(
        disk.source,
        DiskSource::File(_) | DiskSource::Block(_) | DiskSource::Volume { .. }
    );
    let what = if !here {
        format!("is {}", disk.source)
    } else if disk.format != ImageFormat::Qcow2 {
        format!("is in the format {}", disk.format)
    } else {
        return Ok(());
    };
    let error = Error::new(
        Kind::WrongState,
        format!(
            "disk {} of domain '{}' {what}, and must be a qcow2 image of this host to hold a \
             snapshot",
            disk.target, domain.name
        ),
    )
    .hint(
        "a snapshot is of all disks: convert that one (`qemu-img convert -O qcow2`), or make it \
         read-only or shareable, so that it is no part of the guest's own state",
    );
    // Overlays are files beside it.
    if !here || matches!(disk.source, DiskSource::Block(_)) {
        return Err(error);
    }
    Err(error.hint(format!(
        "or have the guest go on in overlays, which image files of any format can be under: \
         `vmkin snapshot create --external -d {}`",
        word(&domain.name)
    )))
}

fn fit(disk: &LeasedDisk) -> Result<()> {
    let top = disk.chain().top();
    if disk.target().is_none() && top.format == ImageFormat::Raw {
        return Ok(());
    }
    if top.format != ImageFormat::Qcow2 {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is in the format {}, and must be qcow2 to hold snapshots",
                shown(&top.path),
                top.format
            ),
        ));
    }
    if top.dirty {
        return Err(dirty(top));
    }
    if top.encrypted {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is encrypted, and its snapshots cannot be worked on without its secret",
                shown(&top.path)
            ),
        ));
    }
    refuse_export(disk.chain())
}

/// Refuses to work on one disk of a domain alone.
fn refuse_disk(guard: &WriteGuard<'_>, path: &Path) -> Result<()> {
    let mut targets = guard.disks().iter().filter_map(LeasedDisk::target);
    match (targets.next(), guard.owner()) {
        (Some(target), Some(domain)) => Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is disk {target} of domain '{}', and a snapshot is of all its disks",
                shown(path),
                domain.name
            ),
        )
        .hint(format!("name the domain: `-d {}`", word(&domain.name)))),
        _ => Ok(()),
    }
}
