//! The libvirt seam: what operations need from a hypervisor.
//!
//! The methods are the verbs of this program, not a copy of libvirt's API:
//! a new libvirt call belongs inside [`Libvirt`], a new method here only when
//! an operation needs to say something it could not say before.

#[cfg(test)]
pub(crate) mod fake;
mod jobs;
mod libvirt;
mod memory;
mod migration;
mod networks;
mod reconnect;
mod uri;
mod volumes;

use std::path::PathBuf;

use uuid::Uuid;

use crate::error::Result;
use crate::model::{
    Address, AddressSource, Capabilities, Domain, DomainRef, DomainState, DomainStatus, HostRoom,
    Pool, SecretText, Stored,
};

pub use self::jobs::BlockJobs;
pub use self::libvirt::Libvirt;
pub use self::memory::{Memory, Resume, Save};
pub use self::migration::{Instead, Migration, Migrations};
pub use self::networks::Networks;
pub use self::reconnect::Connection;
pub use self::uri::host as host_of;
pub use self::volumes::{Piece, Volume, Volumes};

/// A host that runs domains. One value may be used by many threads at once.
pub trait Hypervisor: BlockJobs + Memory + Migrations + Networks + Volumes + Send + Sync {
    /// The URI of the connection, as libvirt spells it.
    fn uri(&self) -> &str;

    /// Whether the files that its domain XML names are files of this host.
    fn is_local(&self) -> bool;

    /// What it can run.
    fn capabilities(&self) -> Result<Capabilities>;

    /// What it has for guests.
    fn room(&self) -> Result<HostRoom>;

    /// Finds the domain the user means.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if there is none,
    /// [`Kind::Usage`](crate::error::Kind::Usage) if it could be several.
    fn find(&self, which: &DomainRef) -> Result<Domain>;

    /// The domain with this UUID, if there is one.
    fn find_uuid(&self, uuid: Uuid) -> Result<Option<Domain>>;

    /// All domains, active or not.
    fn domains(&self) -> Result<Vec<Domain>>;

    /// What the domain is doing now. It may have changed by the time the
    /// caller looks at the answer.
    fn state(&self, domain: &Domain) -> Result<DomainState>;

    /// The same with what else is known of it, which takes more questions.
    fn status(&self, domain: &Domain) -> Result<DomainStatus>;

    /// The same of many domains, `None` for those that are gone by now. One that is
    /// not active has what its definition gives it.
    fn status_of(&self, all: &[Stored]) -> Result<Vec<Option<DomainStatus>>>;

    /// The XML the domain will have when it starts next, with its secrets:
    /// without them a clone of it would listen without a password.
    fn secure_xml(&self, domain: &Domain) -> Result<SecretText>;

    /// The XML the domain will have when it starts next, without secrets.
    fn public_xml(&self, domain: &Domain) -> Result<String>;

    /// The public XML of many domains, `None` for those that are gone by now.
    fn public_xml_of(&self, domains: &[Domain]) -> Result<Vec<Option<String>>>;

    /// What domains are now, where that may be another than what they start
    /// with next: the public XML of those that are active, and of those whose
    /// saved memory the next start restores.
    fn current_xml(&self) -> Result<Vec<(Uuid, String)>>;

    /// Makes a persistent domain of the XML, which must name a UUID that no
    /// domain has. `validate` has libvirt check it against its schema too,
    /// which takes ten times as long.
    fn define(&self, xml: &str, validate: bool) -> Result<Domain>;

    /// Removes the definition of a domain that is not active, and with it
    /// whatever of this the domain has.
    fn undefine(&self, domain: &Domain, with: Undefine) -> Result<()>;

    /// Has the domain start whenever the host does, or not.
    fn set_autostart(&self, domain: &Domain, on: bool) -> Result<()>;

    /// Starts the domain.
    fn start(&self, domain: &Domain, how: Start) -> Result<()>;

    /// Asks the guest to shut down, and does not wait for it.
    fn shutdown(&self, domain: &Domain) -> Result<()>;

    /// Asks the guest to reboot.
    fn reboot(&self, domain: &Domain) -> Result<()>;

    /// Stops the processors of the domain.
    fn suspend(&self, domain: &Domain) -> Result<()>;

    /// Lets the processors go on, or wakes a guest that suspended itself.
    fn resume(&self, domain: &Domain) -> Result<()>;

    /// Pulls the plug. `graceful` gives QEMU time to write its caches out.
    fn destroy(&self, domain: &Domain, graceful: bool) -> Result<()>;

    /// The addresses of an active guest that this source knows; empty where it
    /// knows none.
    fn addresses(&self, domain: &Domain, source: AddressSource) -> Result<Vec<Address>>;

    /// The names of the snapshots libvirt has of the domain.
    fn snapshots(&self, domain: &Domain) -> Result<Vec<String>>;

    /// What is on record of the snapshots of the domain. A driver that keeps
    /// none has none.
    fn snapshot_records(&self, domain: &Domain) -> Result<SnapshotRecords>;

    /// What is on record of one snapshot, with the secrets of the definition
    /// in it; `None` if there is no such snapshot.
    fn secure_snapshot(&self, domain: &Domain, name: &str) -> Result<Option<SecretText>>;

    /// Puts a snapshot on record, or replaces what is on record of it, and
    /// makes it the current one if asked. The images are the caller's business.
    fn record_snapshot(&self, domain: &Domain, document: &SecretText, current: bool) -> Result<()>;

    /// Takes a snapshot off the record, if it is on it. The images are the
    /// caller's business.
    fn forget_snapshot(&self, domain: &Domain, name: &str) -> Result<()>;

    /// Has libvirt itself work on an external snapshot: on all disks, and on the
    /// definition of the domain.
    fn snapshot(&self, domain: &Domain, call: &SnapshotCall) -> Result<()>;

    /// Gives a domain that is there another definition, with the same name and
    /// UUID.
    fn redefine(&self, domain: &Domain, definition: &SecretText) -> Result<()>;

    /// The path of a volume.
    fn volume_path(&self, pool: &str, volume: &str) -> Result<PathBuf>;

    /// The storage pools.
    fn pools(&self) -> Result<Vec<Pool>>;

    /// Has libvirt look again which volumes a pool has.
    fn refresh_pool(&self, name: &str) -> Result<()>;
}

/// What else goes when a domain is undefined. Libvirt refuses to undefine a
/// domain that has one of these unless told what to do with it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Undefine {
    /// Let libvirt delete the file of the UEFI variables; else it stays.
    pub nvram: bool,
    /// Delete the state of its TPM; else it stays.
    pub tpm: bool,
    /// Delete the saved memory.
    pub managed_save: bool,
    /// Forget the snapshots.
    pub snapshots: bool,
}

/// What is on record of the snapshots of a domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SnapshotRecords {
    /// A document for each, in no order; of one that is being made, too.
    pub documents: Vec<String>,
    /// The name of the current one.
    pub current: Option<String>,
}

/// What libvirt is to do with an external snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SnapshotCall {
    /// Make it, of disks alone: of all that the document names, or of none.
    Create {
        /// The snapshot, see [`NewOverlays`](crate::xml::snapshot::NewOverlays).
        document: String,
        /// Have the guest agent freeze the file systems for that moment.
        quiesce: bool,
    },
    /// Give a domain that is shut off fresh overlays on what was there then, and
    /// remove the overlays it has.
    Revert {
        /// Its name.
        name: String,
    },
}

/// How a domain starts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// With its processors stopped.
    pub paused: bool,
    /// From its disks, even if there is a managed save, which is thrown away.
    pub force_boot: bool,
    /// Reading saved memory past the host's cache.
    pub bypass_cache: bool,
}
