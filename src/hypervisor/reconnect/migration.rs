//! Guests that go to another host, over a connection that outlives a restart of the
//! daemon.

use super::Connection;
use crate::error::Result;
use crate::hypervisor::{Migration, Migrations};
use crate::model::{Domain, SecretText};

impl Migrations for Connection {
    fn migrate(&self, domain: &Domain, to: &str, how: &Migration) -> Result<()> {
        // Not asked for twice: whose guest it is after the first time is for the
        // caller to find out.
        self.now().migrate(domain, to, how)
    }

    fn migratable_xml(&self, domain: &Domain) -> Result<SecretText> {
        self.ask(|libvirt| libvirt.migratable_xml(domain))
    }
}
