//! What is taken out of domain XML.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use crate::model::{Disk, DiskSource, Lineage, Nic, Nvram};

/// What the XML of a domain says about it.
///
/// It holds no password, whatever the XML has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainFacts {
    /// Its name: any text that libvirt accepts.
    pub name: String,
    /// Its UUID; libvirt draws one for XML that has none.
    pub uuid: Option<Uuid>,
    /// The hypervisor that runs it: `kvm`, `qemu`, `test`.
    pub domain_type: String,
    /// A title for people.
    pub title: Option<String>,
    /// A longer text for people.
    pub description: Option<String>,
    /// The memory it starts with, in bytes; 0 if the XML leaves that to libvirt.
    pub memory_bytes: u64,
    /// The memory it may use at most, in bytes; as above.
    pub memory_most_bytes: u64,
    /// The processors it starts with.
    pub vcpus: u32,
    /// The architecture, such as `x86_64`.
    pub arch: Option<String>,
    /// The machine type, such as `pc-q35-10.0`.
    pub machine: Option<String>,
    /// The program that runs it.
    pub emulator: Option<PathBuf>,
    /// Its disks, in the order of the XML.
    pub disks: Vec<Disk>,
    /// Its network interfaces, in the order of the XML.
    pub nics: Vec<Nic>,
    /// Its UEFI variables; `None` if the XML does not speak of any.
    pub nvram: Option<Nvram>,
    /// Whether it has a TPM that libvirt emulates, whose state is kept under
    /// the UUID of the domain.
    pub tpm_emulator: bool,
    /// Its screens.
    pub graphics: Vec<Graphics>,
    /// How many devices of the host it takes for itself, network interfaces
    /// (`<interface type='hostdev'>`) included.
    pub hostdevs: u32,
    /// Whether it has the channel over which a guest agent is spoken to.
    pub agent_channel: bool,
    /// Where it was cloned from, if this program did that.
    pub lineage: Option<Lineage>,
    /// Why there is no `lineage` although the XML has one: somebody changed
    /// it. What it owns is then not known.
    pub lineage_damage: Option<String>,
}

impl DomainFacts {
    /// Whether this disk of the domain was made for it by vmkin to tell its
    /// guest who it is: no other domain may have it, and it goes with this one.
    pub fn is_seed(&self, disk: &Disk) -> bool {
        let DiskSource::File(path) = &disk.source else {
            return false;
        };
        let made = self.lineage.as_ref().map(|lineage| &lineage.files);
        disk.readonly && made.is_some_and(|made| made.contains(path))
    }
}

/// A screen of a domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Graphics {
    /// `vnc`, `spice`, or another word of libvirt's.
    pub kind: String,
    /// The address it listens on, if the XML says.
    pub listen: Option<String>,
    /// The port, if it is fixed and not drawn at each start.
    pub port: Option<u16>,
    /// Whether it asks for a password.
    pub password_set: bool,
}

impl fmt::Display for Graphics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(listen) = &self.listen {
            write!(f, " on {listen}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if self.password_set {
            f.write_str(" (with a password)")?;
        }
        Ok(())
    }
}
