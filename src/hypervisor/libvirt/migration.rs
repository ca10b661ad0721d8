//! Guests that go to another host.

use std::net::ToSocketAddrs as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use virt::domain::MigrateParameters;
use virt::sys;

use super::{Libvirt, failed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Memory as _, Migration, Migrations, uri};
use crate::model::{DiskTarget, Domain, SecretText};

/// How often it is looked whether the other host is still there.
const LOOK: Duration = Duration::from_millis(200);

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
        if !how.copied.is_empty() {
            // Of a disk that stands alone, the top image is all.
            flags |= sys::VIR_MIGRATE_NON_SHARED_INC;
        }
        let address = match (&how.address, how.live) {
            (None, true) => address_of(&there, to),
            (address, _) => address.clone(),
        };
        let instead = how.instead.as_ref();
        let parameters = MigrateParameters {
            uri: address,
            migrate_disks: how.copied.iter().map(DiskTarget::to_string).collect(),
            dest_xml: instead.map(|instead| instead.now.expose().to_owned()),
            persist_xml: instead.map(|instead| instead.next.expose().to_owned()),
            ..MigrateParameters::default()
        };
        let handle = self.handle(domain)?;
        let what = || format!("cannot bring domain '{}' to {to}", domain.name);
        thread::scope(|scope| {
            let (done, wait) = channel::<()>();
            scope.spawn(|| self.stop_if_lost(domain, &there, wait));
            let result = handle.migrate3(&there.conn, parameters, flags);
            drop(done);
            match result {
                Ok(_) => Ok(()),
                Err(_) if there.is_lost() => Err(Error::new(
                    Kind::Environment,
                    format!("{}, which does not answer any more", what()),
                )),
                Err(e) => Err(failed(&e, what())),
            }
        })
    }

    fn migratable_xml(&self, domain: &Domain) -> Result<SecretText> {
        let flags = sys::VIR_DOMAIN_XML_SECURE | sys::VIR_DOMAIN_XML_MIGRATABLE;
        let what = || format!("cannot read what '{}' is now", domain.name);
        let xml = self.handle(domain)?.xml_desc(flags);
        Ok(xml.map_err(|e| failed(&e, what()))?.into())
    }
}

impl Libvirt {
    /// Has a migration end when the other host is lost: QEMU would go on sending as
    /// long as TCP lets it, a quarter of an hour.
    fn stop_if_lost(&self, domain: &Domain, there: &Self, done: Receiver<()>) {
        while done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if there.is_lost() {
                // It may be over, or not have begun: then there is a next time.
                drop(self.abort_memory_job(domain));
            }
        }
    }
}

/// Where memory is sent to: `None` to the name that the host has for itself, the host of
/// the URI if that name means nothing here, or this host: many call themselves
/// `localhost`, or by a name that their own /etc/hosts alone has.
fn address_of(there: &Libvirt, to: &str) -> Option<String> {
    let own = there.conn.hostname().ok();
    if own.as_deref().is_some_and(means_another) {
        return None;
    }
    let host = uri::host(to).filter(|host| means_another(host))?;
    Some(match host.contains(':') {
        true => format!("tcp://[{host}]"),
        false => format!("tcp://{host}"),
    })
}

fn means_another(name: &str) -> bool {
    (name, 0)
        .to_socket_addrs()
        .is_ok_and(|mut all| all.all(|address| !address.ip().is_loopback()))
}
