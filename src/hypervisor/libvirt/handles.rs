//! The handles of domains: what libvirt's calls on a domain are made on.
//!
//! A handle is a name and a UUID, and every call on it goes by the UUID: it is
//! as good for another call as a new one is, and looking the domain up again
//! would be one more question each time. Of a domain that is gone by now, the
//! call itself says so. Only the id in it is of the moment when it was looked
//! up, and so is not to be asked for of a handle from here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use virt::domain::Domain as VirDomain;

use super::{Libvirt, failed, identity};
use crate::error::Result;
use crate::model::Domain;

/// The handles that there have been.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<HashMap<Uuid, Arc<VirDomain>>>);

impl Handles {
    fn get(&self, uuid: Uuid) -> Option<Arc<VirDomain>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&uuid).map(Arc::clone)
    }

    fn keep(&self, uuid: Uuid, handle: VirDomain) -> Arc<VirDomain> {
        let handle = Arc::new(handle);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(uuid, Arc::clone(&handle));
        handle
    }
}

impl Libvirt {
    /// A handle of this domain. By UUID, so that a rename between two calls
    /// cannot switch domains.
    pub(super) fn handle(&self, domain: &Domain) -> Result<Arc<VirDomain>> {
        match self.handles.get(domain.uuid) {
            Some(handle) => Ok(handle),
            None => self.fresh_handle(domain),
        }
    }

    /// One that has just been looked up: it tells whether the domain is there,
    /// and by its id whether it is active.
    pub(super) fn fresh_handle(&self, domain: &Domain) -> Result<Arc<VirDomain>> {
        self.conn
            .lookup_domain_by_uuid(domain.uuid)
            .map(|handle| self.handles.keep(domain.uuid, handle))
            .map_err(|e| failed(&e, format!("cannot look up domain '{}'", domain.name)))
    }

    /// Whose handle this is; it is kept.
    pub(super) fn known(&self, handle: VirDomain) -> Result<Domain> {
        let domain = identity(&handle)?;
        self.handles.keep(domain.uuid, handle);
        Ok(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::hypervisor::{Hypervisor as _, Start, Undefine};
    use crate::model::DomainState;

    #[test]
    fn a_handle_that_is_kept_hides_nothing() {
        // The driver has one host for all connections of a process.
        let (ours, others) = (open(), open());
        let xml = |name: &str, memory: &str| {
            format!(
                "<domain type='test'><name>{name}</name>\
                 <uuid>6f0e9d5c-6c1f-4f0e-9b51-0d6c3a3f7a11</uuid>\
                 <memory>{memory}</memory><os><type>hvm</type></os></domain>"
            )
        };
        let domain = ours.define(&xml("kept", "2048"), false).unwrap();
        assert_eq!(ours.state(&domain).unwrap(), DomainState::ShutOff);
        assert!(ours.public_xml(&domain).unwrap().contains("2048"));
        others.start(&domain, Start::default()).unwrap();
        assert_eq!(ours.state(&domain).unwrap(), DomainState::Running);
        assert_eq!(ours.status(&domain).unwrap().state, DomainState::Running);
        others.destroy(&domain, false).unwrap();
        assert_eq!(ours.state(&domain).unwrap(), DomainState::ShutOff);

        others.undefine(&domain, Undefine::default()).unwrap();
        for error in [
            ours.public_xml(&domain).map(drop).unwrap_err(),
            ours.state(&domain).map(drop).unwrap_err(),
            ours.set_autostart(&domain, true).unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::NotFound, "{error}");
        }
        assert_eq!(ours.find_uuid(domain.uuid).unwrap(), None);

        // Another name and other contents, and the same domain all the same.
        others.define(&xml("renamed", "4096"), false).unwrap();
        let now = ours.public_xml(&domain).unwrap();
        assert!(now.contains("renamed") && now.contains("4096"), "{now}");
        let found = ours.find_uuid(domain.uuid).unwrap().unwrap();
        assert_eq!(found.name, "renamed");
        ours.undefine(&found, Undefine::default()).unwrap();
    }

    fn open() -> Libvirt {
        Libvirt::open(Some("test:///default")).unwrap()
    }
}
