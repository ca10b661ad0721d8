//! What operations need of guests that go to another host.

use crate::error::Result;
use crate::model::{DiskTarget, Domain, SecretText};

/// Guests that go to another host.
pub trait Migrations {
    /// Has libvirt bring a domain to the host of this URI: the memory of one that
    /// runs, while it runs, and the definition. When this returns, it is there and no
    /// longer here; if it fails, it is here, and goes on.
    fn migrate(&self, domain: &Domain, to: &str, how: &Migration) -> Result<()>;

    /// What an active domain is now, as a host that it goes to takes it, with its
    /// secrets.
    fn migratable_xml(&self, domain: &Domain) -> Result<SecretText>;
}

/// How a domain goes to another host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Migration {
    /// It runs, and goes on running; else only its definition goes.
    pub live: bool,
    /// Do not refuse where libvirt thinks that a cache of a host could hide from the
    /// other what was written.
    pub unsafe_cache: bool,
    /// Where the memory is sent to, `tcp://HOST[:PORT]`; else to the name that the
    /// host has for itself.
    pub address: Option<String>,
    /// The disks of one that runs that are copied meanwhile: what the guest has in their
    /// top images goes into images of the same paths, which are there and empty.
    pub copied: Vec<DiskTarget>,
    /// What it is there instead of what it is here.
    pub instead: Option<Instead>,
}

/// What a domain is on another host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instead {
    /// What it is when it arrives, of [`Migrations::migratable_xml`].
    pub now: SecretText,
    /// What it is when it starts next.
    pub next: SecretText,
}
