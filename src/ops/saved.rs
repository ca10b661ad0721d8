//! Saving the memory of guests, and going on from there.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::lifecycle::{self, Change};
use super::snapshot::word;
use super::{Host, Usage};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Resume, Save, Start};
use crate::model::{Domain, DomainState};

/// How often it is looked how far libvirt is.
const LOOK: Duration = Duration::from_millis(100);

/// Writes the memory of a guest to the disk and ends it; its next start goes on
/// from there.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not running or paused, or has no stored
/// definition; if it is interrupted, the guest goes on.
pub fn save(host: Host<'_>, domain: &Domain, how: Save) -> Result<Change> {
    let status = host.hypervisor.status(domain)?;
    let name = &domain.name;
    match status.state {
        DomainState::Saved => return Ok(Change::Already),
        DomainState::Running | DomainState::Paused => {}
        state => {
            let error = Error::new(
                Kind::WrongState,
                format!("domain '{name}' is {state}, and must be running or paused"),
            );
            return Err(match state {
                DomainState::ShutOff => error.hint(lifecycle::start_it(host, domain)),
                DomainState::PmSuspended => {
                    error.hint(format!("wake it: `vmkin resume -d {}`", word(name)))
                }
                _ => error,
            });
        }
    }
    must_be_stored(domain, status.persistent)?;
    watched(host, domain, &format!("saving '{name}'"), || {
        host.hypervisor.save(domain, how)
    })?;
    Ok(Change::Done)
}

/// Refuses a domain that is gone with its process: nothing that is kept of it
/// could be found again.
pub(super) fn must_be_stored(domain: &Domain, persistent: bool) -> Result<()> {
    if persistent {
        return Ok(());
    }
    let name = &domain.name;
    Err(Error::new(
        Kind::WrongState,
        format!("domain '{name}' is transient, and must have a stored definition"),
    )
    .hint(format!(
        "store it while it runs: `umask 077; virsh dumpxml --security-info {} > guest.xml && \
         virsh define guest.xml`",
        word(name)
    )))
}

/// Does something to a guest that takes libvirt a while; says how far it is, and
/// has it stopped if the user wants to.
pub(super) fn watched<T: Send>(
    host: Host<'_>,
    domain: &Domain,
    what: &str,
    act: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    host.interrupt.check()?;
    thread::scope(|scope| {
        let (tell, hear) = channel();
        scope.spawn(move || drop(tell.send(act())));
        let mut stopped = false;
        loop {
            match hear.recv_timeout(LOOK) {
                // What was stopped tells that in its own words.
                Ok(Err(error)) if stopped => {
                    let kind = host.interrupt.error().kind();
                    return Err(error.with_kind(kind).context("interrupted"));
                }
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Kind::Libvirt, "the thread that does it failed"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if host.interrupt.is_set() {
                // Libvirt may not have begun yet, and then it is told again.
                stopped |= host.hypervisor.abort_memory_job(domain).is_ok();
            } else if let Ok(Some((done, total))) = host.hypervisor.memory_job(domain) {
                if total > 0 {
                    host.observer.progress(what, done, total);
                }
            }
        }
    })
}

/// How a saved guest goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restore {
    /// With its processors running or stopped; `None` as it was saved.
    pub resume: Option<Resume>,
    /// Past the host's cache.
    pub bypass_cache: bool,
}

/// Lets a saved guest go on where it was.
///
/// # Errors
///
/// [`Kind::WrongState`] if nothing was saved of it; [`Kind::Busy`] if another
/// program has a disk of it open; those of [`lifecycle::start`].
pub fn restore(host: Host<'_>, usage: &Usage, domain: &Domain, how: Restore) -> Result<Change> {
    if host.hypervisor.status(domain)?.state == DomainState::ShutOff {
        let name = &domain.name;
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{name}' is shut off, and must have been saved"),
        )
        .hint(format!(
            "boot it from its disks: `vmkin start -d {}`",
            word(name)
        )));
    }
    let start = Start {
        paused: how.resume == Some(Resume::Paused),
        bypass_cache: how.bypass_cache,
        ..Start::default()
    };
    let change = lifecycle::start(host, usage, domain, start);
    let change = change.map_err(|error| advised(domain, error))?;
    // Libvirt knows no other way than to save it for that.
    if change == Change::Done && how.resume == Some(Resume::Running) {
        lifecycle::resume(host, domain)?;
    }
    Ok(change)
}

/// Says what can be done about a saved guest that libvirt could not start.
fn advised(domain: &Domain, error: Error) -> Error {
    if error.kind() != Kind::Libvirt {
        return error;
    }
    let (name, said) = (word(&domain.name), error.to_string());
    // QEMU's words for an image that is open elsewhere; libvirt has no code for it.
    if said.contains("Failed to get ") && said.contains("\" lock") {
        return error.with_kind(Kind::Busy).hint(format!(
            "another program or guest has a disk of it open, and its memory is kept: shut that \
             down, and then `vmkin restore -d {name}`"
        ));
    }
    error.hint(format!(
        "if its memory is damaged, it can only be dropped: `vmkin restore --discard -d {name}`"
    ))
}

/// Throws away what was saved of a guest.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not shut off.
pub fn discard(host: Host<'_>, domain: &Domain) -> Result<Change> {
    match host.hypervisor.status(domain)?.state {
        DomainState::Saved => {}
        DomainState::ShutOff => return Ok(Change::Already),
        state => {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "domain '{}' is {state}, and has no saved memory",
                    domain.name
                ),
            ));
        }
    }
    host.hypervisor.discard_saved(domain)?;
    Ok(Change::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::ops::testing::Bench;

    fn running(bench: &Bench) -> Domain {
        bench
            .fake
            .change("golden", |d| d.state = DomainState::Running);
        bench.domain("golden")
    }

    #[test]
    fn a_guest_is_saved_once_and_goes_on_once() {
        let bench = Bench::new();
        let golden = bench.domain("golden");
        let save_it = || save(bench.host(), &golden, Save::default());
        assert_eq!(save_it().unwrap_err().kind(), Kind::WrongState);
        running(&bench);
        assert_eq!(save_it().unwrap(), Change::Done);
        assert_eq!(save_it().unwrap(), Change::Already);
        let usage = Usage::read(&bench.fake).unwrap();
        let restore_it = || restore(bench.host(), &usage, &golden, Restore::default());
        assert_eq!(restore_it().unwrap(), Change::Done);
        assert_eq!(restore_it().unwrap(), Change::Already);
        assert_eq!(
            discard(bench.host(), &golden).unwrap_err().kind(),
            Kind::WrongState
        );
        save_it().unwrap();
        assert_eq!(discard(bench.host(), &golden).unwrap(), Change::Done);
        assert_eq!(discard(bench.host(), &golden).unwrap(), Change::Already);
        let error = restore_it().unwrap_err();
        assert!(error.hints()[0].contains("vmkin start -d golden"));
    }

    #[test]
    fn memory_is_not_dropped_for_a_disk_that_is_open_elsewhere() {
        let bench = Bench::new();
        let golden = bench.domain("golden");
        let said = |what: &str| advised(&golden, Error::new(Kind::Libvirt, what));
        let error = said("unable to execute 'cont': Failed to get \"write\" lock");
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.hints()[0].contains("`vmkin restore -d golden`"));
        let error = said("load of migration failed");
        assert_eq!(error.kind(), Kind::Libvirt);
        assert!(error.hints()[0].contains("--discard"));
    }

    #[test]
    fn what_has_no_definition_is_not_saved() {
        let bench = Bench::new();
        let golden = running(&bench);
        bench.fake.change("golden", |d| d.persistent = false);
        let error = save(bench.host(), &golden, Save::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains("transient"), "{error}");
    }

    #[test]
    fn an_interrupted_save_leaves_the_guest_running() {
        let bench = Bench::new();
        let golden = running(&bench);
        bench.fake.slow_save.store(true, Ordering::SeqCst);
        let result = thread::scope(|scope| {
            let saving = scope.spawn(|| save(bench.host(), &golden, Save::default()));
            bench.interrupt.flag().store(true, Ordering::SeqCst);
            saving.join().unwrap()
        });
        assert!(matches!(
            result.unwrap_err().kind(),
            Kind::Interrupted | Kind::Terminated
        ));
        let state = bench.host().hypervisor.status(&golden).unwrap().state;
        assert_eq!(state, DomainState::Running);
    }
}
