//! What is asked for, and what comes back.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use uuid::Uuid;

use crate::model::{DiskSource, DiskTarget, DomainName, ImageFormat, Lineage, Mac, Smbios};

/// What a clone gets that its golden domain does not have. All decisions are
/// the caller's: nothing here is drawn, looked up or checked to be free.
#[derive(Clone, Copy, Debug)]
pub struct CloneSpec<'a> {
    /// Its name.
    pub name: &'a DomainName,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its generation id, used if the golden domain has one. Guests that see
    /// it change know that they were cloned.
    pub genid: Uuid,
    /// The addresses of its network interfaces, in the order of the XML. What
    /// is left over is not used: an interface that is dropped takes none.
    pub macs: &'a [Mac],
    /// The disks that were made for it. All others stay those of the golden
    /// domain.
    pub disks: &'a [NewDisk],
    /// The copy of the UEFI variables that was made for it.
    pub nvram: Option<&'a Path>,
    /// What becomes of devices of the host.
    pub hostdevs: HostdevRule,
    /// Whether it gets a copy of the state of an emulated TPM.
    pub tpm_copied: bool,
    /// The disk that was made for it and tells its guest who it is. That of the
    /// golden domain is not kept in any case.
    pub seed: Option<&'a Path>,
    /// What its firmware tells its guest.
    pub smbios: Option<&'a Smbios>,
    /// What its metadata tells about where it came from.
    pub lineage: &'a Lineage,
}

/// What becomes of devices of the host that the golden domain takes for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostdevRule {
    /// The clone does not get them.
    Drop,
    /// The clone gets them too; the two cannot run at once.
    Keep,
}

/// A disk that was made for a clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewDisk {
    /// Which disk of the domain it is.
    pub target: DiskTarget,
    /// Where it is: a file, a volume or a block device; or, where the golden domain's
    /// disk is on the network, another name there.
    pub source: DiskSource,
    /// Its format.
    pub format: ImageFormat,
    /// The layers below it, nearest first.
    pub backing: Vec<BackingLayer>,
    /// Whether `backing` is all there is. If not, the XML says nothing about
    /// the chain, and libvirt follows the headers of the images.
    pub chain_known: bool,
}

/// A layer below a disk that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackingLayer {
    /// Where it is: a file, a volume, a block device, or an NBD export that the
    /// golden domain's XML has in the same disk.
    pub source: DiskSource,
    /// Its format.
    pub format: ImageFormat,
    /// Whether libvirt is told to leave its owner alone. Without that, the
    /// first start gives a base for good to the user that QEMU runs as.
    pub keep_owner: bool,
}

/// The XML of a clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Rewritten {
    /// The XML.
    pub xml: String,
    /// What the user should know about it.
    pub notes: Vec<Note>,
}

/// Without the XML, which may have passwords in it.
impl fmt::Debug for Rewritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Rewritten");
        all.field("notes", &self.notes).finish_non_exhaustive()
    }
}

/// Something about a clone that the user should know.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct Note {
    /// What sort of thing it is.
    pub kind: NoteKind,
    /// One line, without a final period.
    pub message: String,
}

/// What sort of thing a [`Note`] is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// The clone does not have it.
    Dropped,
    /// The clone starts with a fresh one.
    Reset,
    /// The clone has one of another name.
    Renamed,
    /// The clone and the golden domain use the same one, as is meant.
    Shared,
    /// The clone and the golden domain get in each other's way, or something
    /// still speaks of the golden domain.
    Warning,
}
