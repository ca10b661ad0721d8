//! What the disks of clones come from: an image, an export of an NBD server, or a
//! volume that libvirt alone can clone.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::request::{CloneRequest, Golden, usage};
use crate::error::{Error, Kind, Result};
use crate::image::{self, ReflinkRule};
use crate::model::{
    Chain, CloneMode, Disk, DiskSource, DiskTarget, ImageFormat, NbdExport, VolumeName, human_bytes,
};
use crate::ops::{Host, Usage};

/// What a disk of the golden domain is.
#[derive(Clone, Debug)]
pub enum Origin {
    /// An image of this host, and what is below it.
    Image(Arc<Chain>),
    /// A raw disk that an NBD server offers.
    Export {
        /// Which.
        export: NbdExport,
        /// Its size, in bytes.
        virtual_size: u64,
    },
    /// A volume of another host that nobody but its libvirt can read.
    Volume {
        /// Which.
        volume: VolumeName,
        /// Its path, as libvirt spells it.
        path: PathBuf,
    },
    /// Nothing: the disk is new and empty.
    Blank {
        /// Its size, in bytes.
        size: u64,
        /// Its format.
        format: ImageFormat,
    },
}

impl Origin {
    /// Finds out about a disk that is no file of this host.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it cannot be cloned; those of
    /// [`image::export_size`].
    pub(super) fn off_host(host: Host<'_>, request: &CloneRequest, disk: &Disk) -> Result<Self> {
        let export = cloneable(disk)?.clone();
        if request.mode == CloneMode::Full && request.reflink == ReflinkRule::Always {
            return Err(Error::new(
                Kind::WrongState,
                format!("a copy of {export} cannot share its blocks: it is on the network"),
            )
            .hint("allow a plain copy: `--reflink auto`"));
        }
        let virtual_size = image::export_size(&export, host.interrupt.flag())
            .map_err(|e| e.context(format!("disk {} cannot be used", disk.target)))?;
        Ok(Self::Export {
            export,
            virtual_size,
        })
    }

    /// The image, if it is one.
    pub fn chain(&self) -> Option<&Arc<Chain>> {
        match self {
            Self::Image(chain) => Some(chain),
            Self::Export { .. } | Self::Volume { .. } | Self::Blank { .. } => None,
        }
    }

    /// The export that clones depend on: the disk itself, or what is below it.
    pub fn export(&self) -> Option<&NbdExport> {
        match self {
            Self::Image(chain) => chain.export(),
            Self::Export { export, .. } => Some(export),
            Self::Volume { .. } | Self::Blank { .. } => None,
        }
    }

    /// A copy has the format of its original, unless more than one image has
    /// to be read to make it: then it is one qcow2 image.
    pub(super) fn copy_format(&self) -> ImageFormat {
        match self {
            Self::Export { .. } | Self::Volume { .. } => ImageFormat::Raw,
            Self::Blank { format, .. } => *format,
            Self::Image(chain) => {
                let top = chain.top();
                match top.format {
                    ImageFormat::Raw if chain.is_single() && top.snapshots == 0 => ImageFormat::Raw,
                    _ => ImageFormat::Qcow2,
                }
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(chain) => chain.top().path.display().fmt(f),
            Self::Export { export, .. } => export.fmt(f),
            Self::Volume { path, .. } => path.display().fmt(f),
            Self::Blank { size, .. } => write!(f, "{} of nothing", human_bytes(*size)),
        }
    }
}

/// The export that a disk is on, if clones can be made of it.
fn cloneable(disk: &Disk) -> Result<&NbdExport> {
    let why_not = match &disk.source {
        DiskSource::Network(network) if network.protocol == "rbd" => {
            let what = format!("disk {}, {},", disk.target, disk.source);
            return Err(through_libvirt(no_file(&what), disk));
        }
        DiskSource::Network(network) => match &network.export {
            Ok(export) if disk.format == ImageFormat::Raw => return Ok(export),
            Ok(export) => format!(
                "is in the format {} on {export}, and of NBD exports only raw ones can be cloned",
                disk.format
            ),
            Err(why) => why.clone(),
        },
        DiskSource::Other(word) => format!("is of type '{word}', which has no image to clone"),
        _ => "has no image".to_owned(),
    };
    let error = Error::new(Kind::WrongState, format!("disk {} {why_not}", disk.target));
    Err(error.hint(share_it(&disk.target)))
}

/// What to type where clones cannot have a disk of their own.
pub(super) fn share_it(target: &DiskTarget) -> String {
    format!("let the clones share it, if what is on it can take that: `--share {target}`")
}

/// The same where libvirt may be able to clone the disk by itself.
pub(super) fn through_libvirt(error: Error, disk: &Disk) -> Error {
    error
        .hint(
            "have libvirt clone it in its pool, as on another host: `vmkin -c \
             qemu+ssh://localhost/system clone … --full`",
        )
        .hint(share_it(&disk.target))
}

/// The error for what is no file or device of this host.
pub(super) fn no_file(what: &dyn fmt::Display) -> Error {
    let what = format!(
        "{what} is no file or device of this host, and clones can only be made of those here"
    );
    Error::new(Kind::WrongState, what)
}

/// Refuses two disks on one export: each clone would have two overlays that
/// were one disk.
pub(super) fn no_export_twice(own: &[&Disk], origins: &[Origin]) -> Result<()> {
    let mut seen: Vec<(&Disk, &NbdExport)> = Vec::new();
    for (disk, origin) in own.iter().zip(origins) {
        let Origin::Export { export, .. } = origin else {
            continue;
        };
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == export) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "disks {} and {} are the same export, {export}",
                    other.target, disk.target
                ),
            ));
        }
        seen.push((disk, export));
    }
    Ok(())
}

/// Refuses to copy overlays on an export, before anything is made.
pub(super) fn can_be_copied(images: &[(&Disk, Arc<Chain>)]) -> Result<()> {
    images.iter().try_for_each(|(disk, chain)| {
        image::refuse_export(chain)
            .map_err(|e| e.context(format!("disk {} cannot be copied", disk.target)))
    })
}

/// What the user has to know of bases that vmkin has no hold on.
pub(super) fn warnings(request: &CloneRequest, usage: &Usage, origins: &[Origin]) -> Vec<String> {
    let mut exports: Vec<&NbdExport> = origins.iter().filter_map(Origin::export).collect();
    exports.sort_by_key(|export| export.uri());
    exports.dedup();
    if exports.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = exports.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let mut warnings = vec![match request.mode {
        CloneMode::Linked => format!(
            "vmkin cannot lock, seal or fingerprint {names}: nothing may write there as long as \
             there are clones, and nobody notices if something does."
        ),
        CloneMode::Full => format!(
            "vmkin cannot lock {names}: what writes there while it is copied spoils the copy."
        ),
    }];
    let golden = match &request.golden {
        Golden::Domain(golden) => golden.uuid,
        Golden::Xml(_) | Golden::Blueprint(_) => Uuid::nil(),
    };
    for export in exports {
        let others = usage.writers_to(export);
        for other in others.filter(|other| other.domain.uuid != golden) {
            warnings.push(format!(
                "{export} is also a disk of domain '{}', which would write to it.",
                other.domain.name
            ));
        }
    }
    warnings
}

/// Why there is no place that clones of this export go to by themselves.
pub(super) fn no_place(disk: &Disk, export: &NbdExport) -> Error {
    usage(format!(
        "disk {} is on the network, {export}, which says nothing about where clones go",
        disk.target
    ))
    .hint("say where: `--dir DIR` or `--pool POOL`")
}
