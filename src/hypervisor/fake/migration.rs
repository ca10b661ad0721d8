//! Guests that go to another host that is not there.

use std::sync::atomic::Ordering;

use super::Fake;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor as _, Migration, Migrations};
use crate::model::{Domain, SecretText};

impl Migrations for Fake {
    fn migrate(&self, domain: &Domain, to: &str, how: &Migration) -> Result<()> {
        if self.refuse_start.as_ref() == Some(&domain.name) {
            return Err(Error::new(Kind::Libvirt, format!("{to} does not want it")));
        }
        if self.state(domain)?.is_active() != how.live {
            return Err(Error::new(Kind::Libvirt, "it is not as it was said to be"));
        }
        self.undefine_now(domain);
        if self.deny_undefine.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "the connection was lost"));
        }
        Ok(())
    }
    fn migratable_xml(&self, domain: &Domain) -> Result<SecretText> {
        self.secure_xml(domain)
    }
}
