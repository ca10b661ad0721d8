//! What operations need of guests that go to another host.

use crate::error::Result;
use crate::model::Domain;

/// Guests that go to another host.
pub trait Migrations {
    /// Has libvirt bring a domain to the host of this URI: the memory of one that
    /// runs, while it runs, and the definition. When this returns, it is there and no
    /// longer here; if it fails, it is here, and goes on.
    fn migrate(&self, domain: &Domain, to: &str, how: &Migration) -> Result<()>;
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
}
