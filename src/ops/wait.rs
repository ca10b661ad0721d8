//! Waiting until guests can be reached.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use super::{Host, list};
use crate::error::{Error, Kind, Result};
use crate::model::{Address, Domain};

/// How often to look while waiting for guests.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// A guest and its addresses.
#[derive(Clone, Debug, Serialize)]
pub struct Reached {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// What came of waiting for guests.
#[derive(Debug, Default)]
pub struct Waited {
    /// Those that have an address, in the order in which they were asked for.
    pub reached: Vec<Reached>,
    /// Those that have none, and why.
    pub failed: Vec<(String, Error)>,
    /// The user did not want to wait any longer; those that are in neither list
    /// are still waited for.
    pub stopped: Option<Error>,
}

/// Waits until each of these guests has an address, all at once: `limit` is for
/// all of them together.
pub fn for_addresses(host: Host<'_>, domains: &[Domain], limit: Duration) -> Waited {
    let since = Instant::now();
    let mut waited = Waited::default();
    let mut found: Vec<Option<Vec<Address>>> = domains.iter().map(|_| None).collect();
    let mut given_up: Vec<bool> = domains.iter().map(|_| false).collect();
    let total = u64::try_from(domains.len()).unwrap_or(u64::MAX);
    let mut done = 0_u64;
    loop {
        for ((domain, addresses), given_up) in domains.iter().zip(&mut found).zip(&mut given_up) {
            if addresses.is_some() || *given_up {
                continue;
            }
            match look(host, domain) {
                Ok(none) if none.is_empty() => continue,
                Ok(some) => *addresses = Some(some),
                Err(error) => {
                    waited.failed.push((domain.name.clone(), error));
                    *given_up = true;
                }
            }
            done = done.saturating_add(1);
        }
        if done == total {
            break;
        }
        host.observer.counted("waiting for addresses", done, total);
        if let Err(error) = host.interrupt.check() {
            waited.stopped = Some(error);
            break;
        }
        let Some(left) = limit
            .checked_sub(since.elapsed())
            .filter(|left| !left.is_zero())
        else {
            break;
        };
        thread::sleep(LOOK.min(left));
    }
    for ((domain, addresses), given_up) in domains.iter().zip(found).zip(given_up) {
        match addresses {
            Some(addresses) => waited.reached.push(Reached {
                name: domain.name.clone(),
                uuid: domain.uuid,
                addresses,
            }),
            None if given_up || waited.stopped.is_some() => {}
            None => waited
                .failed
                .push((domain.name.clone(), none_known(&domain.name, Some(limit)))),
        }
    }
    waited
}

fn look(host: Host<'_>, domain: &Domain) -> Result<Vec<Address>> {
    let state = host.hypervisor.status(domain)?.state;
    if !state.is_active() {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{}' is {state}, and gets no address", domain.name),
        ));
    }
    list::addresses(host.hypervisor, domain, list::ALL_SOURCES)
}

/// The error for a guest of which nobody knows an address; with a limit, after
/// it was waited for so long.
pub(super) fn none_known(name: &str, limit: Option<Duration>) -> Error {
    let error = |how: String| {
        Error::new(
            Kind::NotFound,
            format!("no address of domain '{name}' is known{how}"),
        )
    };
    match limit {
        None => error(String::new()).hint(format!(
            "it may still be booting; wait for it: `vmkin ip -d {name} --wait`"
        )),
        Some(limit) => {
            error(format!(" after {}", humantime::format_duration(limit))).hint(format!(
                "only libvirt's networks, the guest agent and the host's ARP table are asked; see \
                 what it is connected to: `vmkin show -d {name}`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AddressSource, DomainState};
    use crate::ops::testing::Bench;

    /// A host with two guests that run, `a` and `b`; only `a` has an address.
    fn bench() -> (Bench, Vec<Domain>) {
        let bench = Bench::new();
        let guests: Vec<Domain> = [("a", 2), ("b", 3)]
            .into_iter()
            .map(|(name, id)| {
                let xml = bench.xml(name, id, "golden.raw", "raw");
                bench.fake.add(&xml, DomainState::Running)
            })
            .collect();
        bench.fake.change("a", |d| {
            d.addresses = vec![Address {
                mac: None,
                ip: "10.0.0.3".parse().unwrap(),
                prefix: 24,
                source: AddressSource::Lease,
            }];
        });
        (bench, guests)
    }

    #[test]
    fn those_that_have_an_address_are_told_whatever_becomes_of_the_others() {
        let (bench, guests) = bench();
        let waited = for_addresses(bench.host(), &guests, Duration::from_millis(1));
        assert_eq!(waited.reached.len(), 1);
        assert_eq!(waited.reached[0].name, "a");
        assert_eq!(waited.failed[0].0, "b");
        assert_eq!(waited.failed[0].1.kind(), Kind::NotFound);
        assert!(waited.stopped.is_none());
        assert!(
            for_addresses(bench.host(), &[], Duration::ZERO)
                .failed
                .is_empty()
        );
    }

    #[test]
    fn a_guest_that_has_shut_off_is_not_waited_for() {
        let (bench, guests) = bench();
        bench.fake.change("b", |d| d.state = DomainState::ShutOff);
        let waited = for_addresses(bench.host(), &guests, Duration::from_secs(600));
        assert_eq!(waited.failed[0].1.kind(), Kind::WrongState);
        assert_eq!(waited.reached.len(), 1);
        bench.fake.undefine_now(&guests[1]);
        let waited = for_addresses(bench.host(), &guests, Duration::from_secs(600));
        assert_eq!(waited.failed[0].1.kind(), Kind::NotFound);
    }

    #[test]
    fn a_signal_ends_the_waiting_and_what_is_known_is_told() {
        let (bench, guests) = bench();
        let flag = bench.interrupt.flag();
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        let waited = for_addresses(bench.host(), &guests, Duration::from_secs(600));
        assert_eq!(waited.reached.len(), 1);
        assert!(waited.failed.is_empty());
        assert!(waited.stopped.is_some());
        assert!(bench.host().hypervisor.status(&guests[1]).is_ok());
    }
}
