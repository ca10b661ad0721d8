//! Guests that go to another host.

use virt::domain::MigrateParameters;
use virt::sys;

use super::{Libvirt, failed};
use crate::error::Result;
use crate::hypervisor::{Migration, Migrations};
use crate::model::Domain;

impl Migrations for Libvirt {
    fn migrate(&self, domain: &Domain, to: &str, how: &Migration) -> Result<()> {
        // A connection of its own: it must not be lost with a question of another
        // thread.
        let there = Self::open(Some(to))?;
        let mut flags = sys::VIR_MIGRATE_PERSIST_DEST | sys::VIR_MIGRATE_UNDEFINE_SOURCE;
        flags |= match how.live {
            true => sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_ABORT_ON_ERROR,
            false => sys::VIR_MIGRATE_OFFLINE,
        };
        if how.unsafe_cache {
            flags |= sys::VIR_MIGRATE_UNSAFE;
        }
        let parameters = MigrateParameters {
            uri: how.address.clone(),
            ..MigrateParameters::default()
        };
        let handle = self.handle(domain)?;
        match handle.migrate3(&there.conn, parameters, flags) {
            Ok(_) => Ok(()),
            Err(e) => {
                let what = format!("cannot bring domain '{}' to {to}", domain.name);
                Err(failed(&e, what))
            }
        }
    }
}
