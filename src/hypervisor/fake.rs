//! A hypervisor that lives in memory, for unit tests of operations: it can be
//! told to refuse, which a real one does only when it must not.

mod jobs;
mod memory;
mod migration;
mod volumes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use uuid::Uuid;

use super::{Hypervisor, Networks, SnapshotCall, SnapshotRecords, Start, Undefine};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Address, AddressSource, Capabilities, DhcpHost, DnsHost, Domain, DomainRef, DomainState,
    DomainStatus, GuestAbility, HostRoom, Lease, Network, Pool, PoolFacts, Reservation, SecretText,
    Size, Stored,
};
use crate::xml::{domain, snapshot};

/// A domain of the fake.
#[derive(Clone, Debug)]
pub(crate) struct FakeDomain {
    pub(crate) domain: Domain,
    pub(crate) state: DomainState,
    pub(crate) persistent: bool,
    pub(crate) xml: String,
    pub(crate) snapshots: Vec<String>,
    /// What is on record of snapshots: the documents.
    pub(crate) records: Vec<String>,
    /// The name of the current snapshot.
    pub(crate) current_snapshot: Option<String>,
    pub(crate) addresses: Vec<Address>,
    /// What it is now, if that is another than `xml`.
    pub(crate) current: Option<String>,
    /// How often the guest is asked to shut down before it does.
    pub(crate) deaf: usize,
    /// It goes down by itself just before it is asked to.
    pub(crate) hasty: bool,
}

/// What somebody else does to a host meanwhile.
struct Meanwhile(Box<dyn FnOnce(&Fake) + Send>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

/// What the fake has been told.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    domains: Mutex<Vec<FakeDomain>>,
    pub(crate) pools: Vec<Pool>,
    /// What those of them are that are no directories.
    pub(crate) special: Vec<(String, PoolFacts)>,
    /// How often it was asked for something, or to do something.
    pub(crate) asked: AtomicUsize,
    /// Its only network.
    pub(crate) network: Arc<Mutex<Option<(String, Network)>>>,
    pub(crate) leases: Vec<Lease>,
    /// This reservation, counted from 1, is refused; 0 refuses none.
    pub(crate) refuse_reserve: AtomicUsize,
    /// No reservation is removed any more.
    pub(crate) refuse_release: AtomicBool,
    reserved: AtomicUsize,
    /// This definition, counted from 1, is refused; 0 refuses none.
    pub(crate) refuse_define: AtomicUsize,
    /// A domain of this name does not start.
    pub(crate) refuse_start: Option<String>,
    /// Nobody answers any more after the next definition.
    pub(crate) die_at_define: AtomicBool,
    pub(crate) dead: AtomicBool,
    /// A domain is undefined, and the answer is that it was not.
    pub(crate) deny_undefine: AtomicBool,
    /// Nobody answers any more after the next domain is undefined.
    pub(crate) die_at_undefine: AtomicBool,
    /// Nothing is put on record of snapshots.
    pub(crate) refuse_records: AtomicBool,
    /// Saving takes until somebody stops it.
    pub(crate) slow_save: AtomicBool,
    /// Somebody has.
    pub(crate) aborted: AtomicBool,
    after_listing: Mutex<Option<Meanwhile>>,
    /// Its domains are on another host.
    pub(crate) elsewhere: bool,
    /// Its volumes, and which file here each is.
    pub(crate) volumes: volumes::Files,
    /// This volume that is to be made, counted from 1, is refused; 0 refuses
    /// none.
    pub(crate) refuse_create: AtomicUsize,
    /// Nobody answers any more in the middle of the next copy.
    pub(crate) die_at_copy: AtomicBool,
    /// A volume is still being copied: none can be deleted.
    pub(crate) building: Arc<AtomicBool>,
    created: AtomicUsize,
    defined: AtomicUsize,
}

impl Fake {
    /// Adds a shut-off domain.
    pub(crate) fn with(self, xml: &str) -> Self {
        self.add(xml, DomainState::ShutOff);
        self
    }

    pub(crate) fn add(&self, xml: &str, state: DomainState) -> Domain {
        let facts = domain::read(xml).expect("good XML");
        let domain = Domain {
            name: facts.name,
            uuid: facts.uuid.expect("a UUID"),
            id: None,
        };
        self.all().push(FakeDomain {
            domain: domain.clone(),
            state,
            persistent: true,
            xml: xml.to_owned(),
            snapshots: Vec::new(),
            records: Vec::new(),
            current_snapshot: None,
            addresses: Vec::new(),
            current: None,
            deaf: 0,
            hasty: false,
        });
        domain
    }

    fn all(&self) -> MutexGuard<'_, Vec<FakeDomain>> {
        self.domains
            .lock()
            .expect("no test fails while it holds this")
    }

    /// Changes a domain.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut FakeDomain)) {
        let mut all = self.all();
        change(all.iter_mut().find(|d| d.domain.name == name).expect("it"));
    }

    /// Has somebody else do something once, right after the domains are listed
    /// next.
    pub(crate) fn after_listing(&self, act: impl FnOnce(&Self) + Send + 'static) {
        *self.after_listing.lock().expect("nobody fails") = Some(Meanwhile(Box::new(act)));
    }

    /// Takes a domain away, as somebody else might.
    pub(crate) fn undefine_now(&self, domain: &Domain) {
        self.all().retain(|one| one.domain.uuid != domain.uuid);
    }

    /// Another connection to a host with these domains.
    pub(crate) fn copy(&self) -> Self {
        Self {
            domains: Mutex::new(self.all().clone()),
            network: Arc::clone(&self.network),
            pools: self.pools.clone(),
            special: self.special.clone(),
            volumes: Arc::clone(&self.volumes),
            elsewhere: self.elsewhere,
            building: Arc::clone(&self.building),
            ..Self::default()
        }
    }

    /// The names of all domains, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.all().iter().map(|d| d.domain.name.clone()).collect();
        names.sort();
        names
    }

    fn answer(&self) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.dead.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Environment, "the daemon is gone"));
        }
        Ok(())
    }

    fn with_domain<T>(
        &self,
        domain: &Domain,
        act: impl FnOnce(&mut FakeDomain) -> Result<T>,
    ) -> Result<T> {
        self.answer()?;
        let mut all = self.all();
        let found = all.iter_mut().find(|d| d.domain.uuid == domain.uuid);
        act(found.ok_or_else(|| Error::new(Kind::NotFound, "no such domain"))?)
    }
}

impl Hypervisor for Fake {
    fn uri(&self) -> &str {
        match self.elsewhere {
            true => "fake://there/",
            false => "fake:///",
        }
    }

    fn is_local(&self) -> bool {
        !self.elsewhere
    }

    fn room(&self) -> Result<HostRoom> {
        self.answer()?;
        Ok(HostRoom {
            memory: 64 << 30,
            free_memory: None,
            cpus: 8,
        })
    }

    fn capabilities(&self) -> Result<Capabilities> {
        self.answer()?;
        let guest = GuestAbility {
            os_type: "hvm".to_owned(),
            arch: "x86_64".to_owned(),
            domain_types: vec!["qemu".to_owned()],
            machines: vec!["q35".to_owned(), "pc".to_owned()],
        };
        Ok(Capabilities {
            host_arch: guest.arch.clone(),
            guests: vec![guest],
        })
    }

    fn find(&self, which: &DomainRef) -> Result<Domain> {
        self.answer()?;
        self.all()
            .iter()
            .find(|d| d.domain.name == which.as_str() || Some(d.domain.uuid) == which.uuid())
            .map(|d| d.domain.clone())
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no domain '{which}'")))
    }

    fn find_uuid(&self, uuid: Uuid) -> Result<Option<Domain>> {
        self.answer()?;
        let all = self.all();
        let found = all.iter().find(|d| d.domain.uuid == uuid);
        Ok(found.map(|d| d.domain.clone()))
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        self.answer()?;
        let listed = self.all().iter().map(|d| d.domain.clone()).collect();
        let meanwhile = self.after_listing.lock().expect("nobody fails").take();
        if let Some(Meanwhile(act)) = meanwhile {
            act(self);
        }
        Ok(listed)
    }

    fn state(&self, domain: &Domain) -> Result<DomainState> {
        self.status(domain).map(|status| status.state)
    }

    fn status(&self, domain: &Domain) -> Result<DomainStatus> {
        self.with_domain(domain, |d| {
            Ok(DomainStatus {
                state: d.state,
                persistent: d.persistent,
                autostart: false,
                memory: Size(1 << 30),
                vcpus: 1,
            })
        })
    }

    fn status_of(&self, all: &[Stored]) -> Result<Vec<Option<DomainStatus>>> {
        let all = all.iter();
        all.map(|one| self.status(&one.domain).map(Some)).collect()
    }

    fn secure_xml(&self, domain: &Domain) -> Result<SecretText> {
        self.with_domain(domain, |d| Ok(d.xml.clone().into()))
    }

    fn public_xml(&self, domain: &Domain) -> Result<String> {
        self.with_domain(domain, |d| Ok(d.xml.clone()))
    }

    fn public_xml_of(&self, domains: &[Domain]) -> Result<Vec<Option<String>>> {
        domains
            .iter()
            .map(|d| self.public_xml(d).map(Some))
            .collect()
    }

    fn current_xml(&self) -> Result<Vec<(Uuid, String)>> {
        self.answer()?;
        let all = self.all();
        let current = all
            .iter()
            .filter_map(|d| Some((d.domain.uuid, d.current.clone()?)));
        Ok(current.collect())
    }

    fn define(&self, xml: &str, _validate: bool) -> Result<Domain> {
        self.answer()?;
        let number = self.defined.fetch_add(1, Ordering::SeqCst) + 1;
        if self.die_at_define.load(Ordering::SeqCst) {
            self.dead.store(true, Ordering::SeqCst);
            self.answer()?;
        }
        if number == self.refuse_define.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "I do not like this one"));
        }
        Ok(self.add(xml, DomainState::ShutOff))
    }

    fn undefine(&self, domain: &Domain, _with: Undefine) -> Result<()> {
        self.answer()?;
        self.all().retain(|d| d.domain.uuid != domain.uuid);
        if self.die_at_undefine.load(Ordering::SeqCst) {
            self.dead.store(true, Ordering::SeqCst);
            self.answer()?;
        }
        if self.deny_undefine.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "I had to stop half-way"));
        }
        Ok(())
    }

    fn set_autostart(&self, domain: &Domain, _on: bool) -> Result<()> {
        self.with_domain(domain, |_| Ok(()))
    }

    fn start(&self, domain: &Domain, _how: Start) -> Result<()> {
        if self.refuse_start.as_ref() == Some(&domain.name) {
            return Err(Error::new(Kind::Libvirt, "not today"));
        }
        self.with_domain(domain, |d| {
            d.state = DomainState::Running;
            Ok(())
        })
    }

    fn shutdown(&self, domain: &Domain) -> Result<()> {
        self.with_domain(domain, |d| {
            if d.hasty {
                d.state = DomainState::ShutOff;
                return Err(Error::new(Kind::WrongState, "domain is not running"));
            }
            match d.deaf.checked_sub(1) {
                Some(less) => d.deaf = less,
                None => d.state = DomainState::ShutOff,
            }
            Ok(())
        })
    }

    fn reboot(&self, domain: &Domain) -> Result<()> {
        self.with_domain(domain, |_| Ok(()))
    }

    fn suspend(&self, domain: &Domain) -> Result<()> {
        self.with_domain(domain, |d| {
            d.state = DomainState::Paused;
            Ok(())
        })
    }

    fn resume(&self, domain: &Domain) -> Result<()> {
        self.start(domain, Start::default())
    }

    fn destroy(&self, domain: &Domain, _graceful: bool) -> Result<()> {
        self.with_domain(domain, |d| {
            d.state = DomainState::ShutOff;
            Ok(())
        })
    }

    fn addresses(&self, domain: &Domain, source: AddressSource) -> Result<Vec<Address>> {
        self.with_domain(domain, |d| {
            let of_source = d.addresses.iter().filter(|a| a.source == source);
            Ok(of_source.cloned().collect())
        })
    }

    fn snapshots(&self, domain: &Domain) -> Result<Vec<String>> {
        self.with_domain(domain, |d| Ok(d.snapshots.clone()))
    }

    fn snapshot_records(&self, domain: &Domain) -> Result<SnapshotRecords> {
        self.with_domain(domain, |d| {
            Ok(SnapshotRecords {
                documents: d.records.clone(),
                current: d.current_snapshot.clone(),
            })
        })
    }

    fn secure_snapshot(&self, domain: &Domain, name: &str) -> Result<Option<SecretText>> {
        self.with_domain(domain, |d| {
            let mut records = d.records.iter();
            let found = records.find(|xml| is_called(xml, name));
            Ok(found.map(|xml| SecretText::from(xml.clone())))
        })
    }

    fn record_snapshot(&self, domain: &Domain, document: &SecretText, current: bool) -> Result<()> {
        if self.refuse_records.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "I keep no records"));
        }
        let name = snapshot::read(document.expose())?.name;
        self.with_domain(domain, |d| {
            d.records.retain(|xml| !is_called(xml, &name));
            d.records.push(document.expose().to_owned());
            if current {
                d.current_snapshot = Some(name);
            }
            Ok(())
        })
    }

    fn forget_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        self.with_domain(domain, |d| {
            d.records.retain(|xml| !is_called(xml, name));
            if d.current_snapshot.as_deref() == Some(name) {
                d.current_snapshot = None;
            }
            Ok(())
        })
    }

    fn snapshot(&self, domain: &Domain, call: &SnapshotCall) -> Result<()> {
        match call {
            SnapshotCall::Create { document, .. } => {
                self.record_snapshot(domain, &SecretText::from(document.clone()), true)
            }
            SnapshotCall::Revert { .. } => Ok(()),
        }
    }

    fn redefine(&self, domain: &Domain, definition: &SecretText) -> Result<()> {
        self.with_domain(domain, |d| {
            d.xml = definition.expose().to_owned();
            Ok(())
        })
    }

    fn volume_path(&self, pool: &str, volume: &str) -> Result<PathBuf> {
        Ok(self.pool_of(pool)?.join(volume))
    }

    fn pools(&self) -> Result<Vec<Pool>> {
        self.answer()?;
        Ok(self.pools.clone())
    }

    fn refresh_pool(&self, _name: &str) -> Result<()> {
        self.answer()
    }
}

impl Networks for Fake {
    fn network(&self, name: &str) -> Result<Option<Network>> {
        self.answer()?;
        let network = self.network.lock().expect("nobody fails");
        let found = network.as_ref().filter(|(known, _)| known == name);
        Ok(found.map(|(_, network)| network.clone()))
    }

    fn leases(&self, _network: &str) -> Result<Vec<Lease>> {
        self.answer()?;
        Ok(self.leases.clone())
    }

    fn reserve(&self, reservation: &Reservation) -> Result<()> {
        let number = self.reserved.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.refuse_reserve.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "I do not like this address"));
        }
        let known = self.network(&reservation.network)?;
        if known.is_none_or(|known| known.conflict(reservation).is_some()) {
            return Err(Error::new(Kind::Exists, "somebody was faster"));
        }
        self.release(reservation)?;
        let mut network = self.network.lock().expect("nobody fails");
        let sides = network.iter_mut();
        for facts in sides.flat_map(|(_, n)| n.live.iter_mut().chain(&mut n.stored)) {
            facts.hosts.push(DhcpHost {
                mac: Some(reservation.mac),
                ip: Some(reservation.ip.into()),
                name: Some(reservation.name.clone()),
            });
            facts.names.push(DnsHost {
                ip: reservation.ip.into(),
                names: vec![reservation.name.clone()],
            });
        }
        Ok(())
    }

    fn release(&self, reservation: &Reservation) -> Result<bool> {
        self.answer()?;
        if self.refuse_release.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Libvirt, "it stays"));
        }
        let mut network = self.network.lock().expect("nobody fails");
        let mut found = false;
        let sides = network.iter_mut();
        for facts in sides.flat_map(|(_, n)| n.live.iter_mut().chain(&mut n.stored)) {
            found |= facts.has_host(reservation) || facts.has_name(reservation);
            let (mac, ip) = (Some(reservation.mac), reservation.ip.into());
            facts.hosts.retain(|h| h.mac != mac || h.ip != Some(ip));
            facts.names.retain(|n| n.ip != ip);
        }
        Ok(found)
    }
}

fn is_called(record: &str, name: &str) -> bool {
    snapshot::read(record).is_ok_and(|record| record.name == name)
}
