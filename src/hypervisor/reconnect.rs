//! A connection that outlives a restart of the daemon.
//!
//! Guests go on while libvirtd is restarted, by an update for instance; what is
//! in the middle of many clones should go on too. A lost connection is opened
//! once more, what was asked is asked again, and of what was to be changed it is
//! looked first whether that was still done.

mod jobs;
mod memory;
mod migration;
mod network;
mod volumes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::uri::{Place, host, place};
use super::{Hypervisor, Libvirt, SnapshotCall, SnapshotRecords, Start, Undefine};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Address, AddressSource, Capabilities, Domain, DomainRef, DomainState, DomainStatus, HostRoom,
    Pool, SecretText, Stored,
};
use crate::xml::{domain, snapshot};

/// How long a daemon may take to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(100);

/// A host that takes longer to say no is not there, and its network says so.
const SLOW: Duration = Duration::from_millis(500);

/// A connection to libvirt that is opened again, once, when it is lost.
#[derive(Debug)]
pub struct Connection {
    uri: String,
    now: RwLock<Arc<Libvirt>>,
    /// Whether a daemon was waited for in vain: each of many questions would
    /// wait as long again.
    given_up: AtomicBool,
    /// When the host last was silent: the next questions need not find that out anew.
    silent: Mutex<Option<Instant>>,
}

impl Connection {
    /// Connects to `uri`, or to the hypervisor libvirt picks if there is none.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`](crate::error::Kind::Environment) if libvirt cannot
    /// be reached.
    pub fn open(uri: Option<&str>) -> Result<Self> {
        Libvirt::open(uri).map(Self::of)
    }

    /// The same of a host that, if it is not this one, has to answer in this time. One
    /// that is switched off would else be waited for as long as TCP does: two minutes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`]; [`Kind::Environment`] if it does not answer.
    pub fn open_within(uri: &str, patience: Duration) -> Result<Self> {
        if place(uri) == Place::Here {
            return Self::open(Some(uri));
        }
        match open_soon(uri, patience) {
            Some(answer) => answer.map(Self::of),
            None => Err(silent(uri, patience)),
        }
    }

    fn of(libvirt: Libvirt) -> Self {
        Self {
            uri: libvirt.uri().to_owned(),
            now: RwLock::new(Arc::new(libvirt)),
            given_up: AtomicBool::new(false),
            silent: Mutex::new(None),
        }
    }

    fn now(&self) -> Arc<Libvirt> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the connection anew, unless another thread has done so already.
    /// Returns whether there is one.
    fn reopen(&self, lost: &Arc<Libvirt>) -> bool {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&now, lost) {
            return true;
        }
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.is_some_and(|since| since.elapsed() < PATIENCE) {
            return false;
        }
        let since = Instant::now();
        loop {
            let tried = Instant::now();
            let left = PATIENCE.saturating_sub(since.elapsed());
            let answer = open_soon(&self.uri, left);
            if let Some(Ok(libvirt)) = answer {
                *now = Arc::new(libvirt);
                self.given_up.store(false, Ordering::Relaxed);
                return true;
            }
            if !self.given_up.load(Ordering::Relaxed) && since.elapsed() < PATIENCE {
                sleep(PAUSE);
                continue;
            }
            self.given_up.store(true, Ordering::Relaxed);
            // A daemon that is not there says so at once, and can be asked again.
            *silent = (tried.elapsed() > SLOW).then(Instant::now);
            return false;
        }
    }

    /// Asks; and asks once more if the answer was lost with the connection.
    fn ask<T>(&self, ask: impl Fn(&Libvirt) -> Result<T>) -> Result<T> {
        let libvirt = self.now();
        match ask(&libvirt) {
            Err(error) if libvirt.is_lost() => {
                if self.reopen(&libvirt) {
                    ask(&self.now())
                } else {
                    Err(error)
                }
            }
            answer => answer,
        }
    }

    /// Changes something. If the answer was lost with the connection, `done`
    /// looks whether the change was made; if not, it is made again.
    fn change<T>(
        &self,
        change: impl Fn(&Libvirt) -> Result<T>,
        done: impl Fn(&Libvirt) -> Result<Option<T>>,
    ) -> Result<T> {
        let libvirt = self.now();
        match change(&libvirt) {
            Err(error) if libvirt.is_lost() => {
                if !self.reopen(&libvirt) {
                    return Err(error);
                }
                let libvirt = self.now();
                match done(&libvirt)? {
                    Some(made) => Ok(made),
                    None => change(&libvirt),
                }
            }
            answer => answer,
        }
    }

    /// Changes the state of a domain, until it is one of those that are wanted.
    fn change_state(
        &self,
        domain: &Domain,
        change: impl Fn(&Libvirt) -> Result<()>,
        wanted: impl Fn(DomainState) -> bool,
    ) -> Result<()> {
        self.change(change, |libvirt| {
            let state = libvirt.status(domain)?.state;
            Ok(wanted(state).then_some(()))
        })
    }
}

fn silent(uri: &str, patience: Duration) -> Error {
    let seconds = patience.as_secs();
    let what = format!("cannot connect to {uri}: it did not answer within {seconds} seconds");
    let error = Error::new(Kind::Environment, what);
    match host(uri) {
        Some(host) => error.hint(format!("see whether it is up: `ping {host}`")),
        None => error,
    }
}

/// Connects, unless that takes longer than this: `None`.
fn open_soon(uri: &str, patience: Duration) -> Option<Result<Libvirt>> {
    let (tell, answer) = mpsc::channel();
    let uri = uri.to_owned();
    // Not scoped: what hangs inside libvirt is left there until the process ends.
    thread::spawn(move || drop(tell.send(Libvirt::open(Some(&uri)))));
    answer.recv_timeout(patience).ok()
}

impl Hypervisor for Connection {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn is_local(&self) -> bool {
        self.now().is_local()
    }

    fn capabilities(&self) -> Result<Capabilities> {
        self.ask(Libvirt::capabilities)
    }

    fn room(&self) -> Result<HostRoom> {
        self.ask(Libvirt::room)
    }

    fn find(&self, which: &DomainRef) -> Result<Domain> {
        self.ask(|libvirt| libvirt.find(which))
    }

    fn find_uuid(&self, uuid: Uuid) -> Result<Option<Domain>> {
        self.ask(|libvirt| libvirt.find_uuid(uuid))
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        self.ask(Libvirt::domains)
    }

    fn state(&self, domain: &Domain) -> Result<DomainState> {
        self.ask(|libvirt| libvirt.state(domain))
    }

    fn status(&self, domain: &Domain) -> Result<DomainStatus> {
        self.ask(|libvirt| libvirt.status(domain))
    }

    fn status_of(&self, all: &[Stored]) -> Result<Vec<Option<DomainStatus>>> {
        self.ask(|libvirt| libvirt.status_of(all))
    }

    fn secure_xml(&self, domain: &Domain) -> Result<SecretText> {
        self.ask(|libvirt| libvirt.secure_xml(domain))
    }

    fn public_xml(&self, domain: &Domain) -> Result<String> {
        self.ask(|libvirt| libvirt.public_xml(domain))
    }

    fn public_xml_of(&self, domains: &[Domain]) -> Result<Vec<Option<String>>> {
        self.ask(|libvirt| libvirt.public_xml_of(domains))
    }

    fn current_xml(&self) -> Result<Vec<(Uuid, String)>> {
        self.ask(Libvirt::current_xml)
    }

    fn define(&self, xml: &str, validate: bool) -> Result<Domain> {
        self.change(
            |libvirt| libvirt.define(xml, validate),
            |libvirt| {
                let facts = domain::read(xml)?;
                let Some(uuid) = facts.uuid else {
                    return Ok(None);
                };
                // One of another name is somebody else's, who was faster with a
                // UUID that the user gave: then libvirt says so.
                let found = libvirt.find_uuid(uuid)?;
                Ok(found.filter(|found| found.name == facts.name))
            },
        )
    }

    fn undefine(&self, domain: &Domain, with: Undefine) -> Result<()> {
        self.change(
            |libvirt| libvirt.undefine(domain, with),
            |libvirt| {
                let gone = libvirt.find_uuid(domain.uuid)?.is_none();
                Ok(gone.then_some(()))
            },
        )
    }

    /// Said twice, it is so all the same.
    fn set_autostart(&self, domain: &Domain, on: bool) -> Result<()> {
        self.ask(|libvirt| libvirt.set_autostart(domain, on))
    }

    fn start(&self, domain: &Domain, how: Start) -> Result<()> {
        let start = |libvirt: &Libvirt| libvirt.start(domain, how);
        self.change_state(domain, start, DomainState::is_active)
    }

    fn shutdown(&self, domain: &Domain) -> Result<()> {
        let ask = |libvirt: &Libvirt| libvirt.shutdown(domain);
        self.change_state(domain, ask, |state| !state.is_active())
    }

    /// Whether the guest has heard nobody can tell, and twice is once too often.
    fn reboot(&self, domain: &Domain) -> Result<()> {
        self.now().reboot(domain)
    }

    fn suspend(&self, domain: &Domain) -> Result<()> {
        let suspend = |libvirt: &Libvirt| libvirt.suspend(domain);
        self.change_state(domain, suspend, |state| state == DomainState::Paused)
    }

    fn resume(&self, domain: &Domain) -> Result<()> {
        let resume = |libvirt: &Libvirt| libvirt.resume(domain);
        self.change_state(domain, resume, |state| state == DomainState::Running)
    }

    fn destroy(&self, domain: &Domain, graceful: bool) -> Result<()> {
        self.change(
            |libvirt| libvirt.destroy(domain, graceful),
            // One without a stored definition is gone with its process.
            |libvirt| match libvirt.find_uuid(domain.uuid)? {
                Some(now) => Ok((!libvirt.status(&now)?.state.is_active()).then_some(())),
                None => Ok(Some(())),
            },
        )
    }

    fn addresses(&self, domain: &Domain, source: AddressSource) -> Result<Vec<Address>> {
        self.ask(|libvirt| libvirt.addresses(domain, source))
    }

    fn snapshots(&self, domain: &Domain) -> Result<Vec<String>> {
        self.ask(|libvirt| libvirt.snapshots(domain))
    }

    fn snapshot_records(&self, domain: &Domain) -> Result<SnapshotRecords> {
        self.ask(|libvirt| libvirt.snapshot_records(domain))
    }

    fn secure_snapshot(&self, domain: &Domain, name: &str) -> Result<Option<SecretText>> {
        self.ask(|libvirt| libvirt.secure_snapshot(domain, name))
    }

    // What these two do, and `redefine`, is the same when it is done twice.

    fn record_snapshot(&self, domain: &Domain, document: &SecretText, current: bool) -> Result<()> {
        self.ask(|libvirt| libvirt.record_snapshot(domain, document, current))
    }

    fn forget_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        self.ask(|libvirt| libvirt.forget_snapshot(domain, name))
    }

    fn snapshot(&self, domain: &Domain, call: &SnapshotCall) -> Result<()> {
        self.change(
            |libvirt| libvirt.snapshot(domain, call),
            |libvirt| {
                let names = libvirt.snapshots(domain)?;
                let done = match call {
                    SnapshotCall::Create { document, .. } => {
                        names.contains(&snapshot::read(document)?.name)
                    }
                    // Done twice, it is the same.
                    SnapshotCall::Revert { .. } => false,
                };
                Ok(done.then_some(()))
            },
        )
    }

    fn redefine(&self, domain: &Domain, definition: &SecretText) -> Result<()> {
        self.ask(|libvirt| libvirt.redefine(domain, definition))
    }

    fn volume_path(&self, pool: &str, volume: &str) -> Result<PathBuf> {
        self.ask(|libvirt| libvirt.volume_path(pool, volume))
    }

    fn pools(&self) -> Result<Vec<Pool>> {
        self.ask(Libvirt::pools)
    }

    fn refresh_pool(&self, name: &str) -> Result<()> {
        self.ask(|libvirt| libvirt.refresh_pool(name))
    }
}
