use std::sync::atomic::Ordering;

use super::*;
use crate::hypervisor::{Hypervisor as _, Networks as _};
use crate::model::{DhcpHost, DomainState, NetworkFacts};
use crate::ops::clone::{self, CloneRequest, Outcome};
use crate::ops::delete;
use crate::ops::recover::{Recovery, recover};
use crate::ops::testing::{Bench, DELETE_OWN};

/// A host whose network `default` has DHCP in 192.168.122.0/24.
fn bench() -> Bench {
    let bench = Bench::new();
    set_network(&bench, true, true);
    bench
}

fn set_network(bench: &Bench, live: bool, stored: bool) {
    let facts = NetworkFacts {
        subnets: vec![Subnet {
            host: Ipv4Addr::new(192, 168, 122, 1),
            prefix: 24,
            dhcp: true,
        }],
        dns: true,
        ..NetworkFacts::default()
    };
    let network = Network {
        live: live.then(|| facts.clone()),
        stored: stored.then_some(facts),
    };
    *bench.fake.network.lock().unwrap() = Some(("default".to_owned(), network));
}

/// The addresses that the network keeps for somebody, now and for the next start.
fn reserved(bench: &Bench) -> Vec<String> {
    let network = bench.fake.network("default").unwrap().unwrap();
    let hosts = network.sides().flat_map(|facts| &facts.hosts);
    let mut all: Vec<String> = hosts.map(|host| host.ip.unwrap().to_string()).collect();
    let names: usize = network.sides().map(|facts| facts.names.len()).sum();
    assert_eq!(all.len(), names, "one name for each");
    all.sort();
    all.dedup();
    all
}

/// Adds an entry as somebody else might.
fn somebody_has(bench: &Bench, mac: [u8; 3], ip: &str, name: &str) {
    let mut network = bench.fake.network.lock().unwrap();
    let stored = &mut network.as_mut().unwrap().1.stored;
    stored.as_mut().unwrap().hosts.push(DhcpHost {
        mac: Some(Mac::kvm(mac)),
        ip: Some(ip.parse().unwrap()),
        name: Some(name.to_owned()),
    });
}

fn request(bench: &Bench, names: &[&str], addresses: &[&str]) -> CloneRequest {
    CloneRequest {
        addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        ..bench.request("golden", names)
    }
}

fn clones(bench: &Bench, names: &[&str], addresses: &[&str]) -> Result<Outcome> {
    let plan = clone::plan(bench.host(), &request(bench, names, addresses))?;
    clone::apply(bench.host(), plan)
}

fn refused(bench: &Bench, names: &[&str], addresses: &[&str]) -> (Kind, String) {
    let error = clone::plan(bench.host(), &request(bench, names, addresses)).unwrap_err();
    assert!(
        !error.hints().is_empty() || error.kind() == Kind::Usage,
        "{error}"
    );
    (error.kind(), error.to_string())
}

fn delete(bench: &Bench, name: &str) -> Result<()> {
    let plan = delete::plan(bench.host(), &bench.domain(name), &DELETE_OWN)?;
    delete::apply(bench.host(), &[plan]).remove(0)
}

fn recover_all(bench: &Bench) -> Result<()> {
    let copy = || -> Box<dyn crate::hypervisor::Hypervisor> { Box::new(bench.fake.copy()) };
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|_| Ok(Some(copy())),
    };
    recover(&recovery).map(drop)
}

#[test]
fn clones_get_their_addresses_in_order_and_give_them_back_when_they_are_deleted() {
    let bench = bench();
    let outcome = clones(&bench, &["a", "b"], &["192.168.122.50-192.168.122.60"]).unwrap();
    assert_eq!(reserved(&bench), ["192.168.122.50", "192.168.122.51"]);
    let first = &outcome.done[0].reservations[0];
    assert_eq!(
        (first.name.as_str(), first.mac),
        ("a", outcome.done[0].macs[0])
    );
    let facts = crate::xml::domain::read(&bench.domain_xml("b")).unwrap();
    assert_eq!(
        facts.lineage.unwrap().reservations,
        outcome.done[1].reservations
    );
    assert_eq!(bench.store.count_journals(), 0);
    delete(&bench, "a").unwrap();
    assert_eq!(reserved(&bench), ["192.168.122.51"]);
    // That somebody took the entry away, or the network, is no reason to keep the
    // guest.
    bench
        .fake
        .release(&outcome.done[1].reservations[0])
        .unwrap();
    *bench.fake.network.lock().unwrap() = None;
    delete(&bench, "b").unwrap();
}

#[test]
fn what_cannot_be_reserved_is_refused_before_anything_is_made() {
    let bench = bench();
    somebody_has(&bench, [9, 9, 9], "192.168.122.99", "db");
    let cases: &[(&[&str], &[&str], Kind, &str)] = &[
        (&["a"], &["10.0.0.1"], Kind::Usage, "in none of"),
        (&["a"], &["192.168.122.1"], Kind::Usage, "the host's own"),
        (&["a"], &["192.168.122.0"], Kind::Usage, "network itself"),
        (&["a"], &["192.168.122.255"], Kind::Usage, "broadcast"),
        (
            &["a", "b"],
            &["192.168.122.5"],
            Kind::Usage,
            "has 1 addresses",
        ),
        (
            &["a"],
            &["192.168.122.5", "192.168.122.6"],
            Kind::Usage,
            "2 times",
        ),
        (
            &["a", "b"],
            &["192.168.122.5", "192.168.122.5"],
            Kind::Usage,
            "twice",
        ),
        (&["a.b"], &["192.168.122.5"], Kind::Usage, "DNS name"),
        (&["_a"], &["192.168.122.5"], Kind::Usage, "DNS name"),
        (
            &["a"],
            &["192.168.122.99"],
            Kind::Exists,
            "reserved for 'db'",
        ),
        (&["DB"], &["192.168.122.5"], Kind::Exists, "is that of 'db'"),
    ];
    for (names, addresses, kind, says) in cases {
        let (found, text) = refused(&bench, names, addresses);
        assert_eq!(found, *kind, "{text}");
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(bench.files(), ["golden.raw"]);
    *bench.fake.network.lock().unwrap() = None;
    assert_eq!(
        refused(&bench, &["a"], &["192.168.122.5"]).0,
        Kind::WrongState
    );
}

#[test]
fn a_leased_address_is_taken_unless_it_is_the_guests_own() {
    let mut bench = bench();
    bench.fake.leases = vec![Lease {
        mac: Some(Mac::kvm([9, 9, 9])),
        ip: "192.168.122.5".parse().unwrap(),
    }];
    let (kind, text) = refused(&bench, &["a"], &["192.168.122.5"]);
    assert_eq!(kind, Kind::Exists);
    assert!(text.contains("leased to 52:54:00:09:09:09"), "{text}");
    let own = CloneRequest {
        macs: vec![Mac::kvm([9, 9, 9])],
        ..request(&bench, &["a"], &["192.168.122.5"])
    };
    clone::plan(bench.host(), &own).unwrap();
}

#[test]
fn an_entry_that_was_there_before_is_not_ours_to_take_back() {
    let bench = bench();
    let (mac, ip) = ([9, 9, 9], "192.168.122.5");
    let theirs = Reservation {
        network: "default".to_owned(),
        mac: Mac::kvm(mac),
        ip: ip.parse().unwrap(),
        name: "a".to_owned(),
    };
    bench.fake.reserve(&theirs).unwrap();
    let request = CloneRequest {
        macs: vec![Mac::kvm(mac)],
        ..request(&bench, &["a"], &[ip])
    };
    let plan = clone::plan(bench.host(), &request).unwrap();
    assert!(plan.warnings.iter().any(|text| text.contains("before")));
    clone::apply(bench.host(), plan).unwrap();
    delete(&bench, "a").unwrap();
    assert_eq!(reserved(&bench), [ip]);
}

#[test]
fn what_fails_after_an_address_was_reserved_gives_it_back() {
    for (refuse_define, refuse_reserve) in [(1, 0), (0, 2)] {
        let bench = bench();
        bench
            .fake
            .refuse_define
            .store(refuse_define, Ordering::SeqCst);
        bench
            .fake
            .refuse_reserve
            .store(refuse_reserve, Ordering::SeqCst);
        clones(&bench, &["a", "b"], &["192.168.122.5-192.168.122.6"]).unwrap_err();
        assert!(reserved(&bench).is_empty());
        assert_eq!(bench.files(), ["golden.raw"]);
        assert_eq!(bench.store.count_journals(), 0);
    }
}

#[test]
fn an_address_that_cannot_be_given_back_stays_in_the_journal_until_it_can() {
    let bench = bench();
    clones(&bench, &["b"], &["192.168.122.6"]).unwrap();
    bench.fake.refuse_release.store(true, Ordering::SeqCst);
    let error = delete(&bench, "b").unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone);
    assert!(error.hints()[0].contains("vmkin recover"), "{error}");
    // The guest and its files are gone, and the address is not.
    assert_eq!(bench.files(), ["golden.raw"]);
    assert_eq!(reserved(&bench), ["192.168.122.6"]);
    assert_eq!(bench.store.count_journals(), 1);
    bench.fake.refuse_release.store(false, Ordering::SeqCst);
    recover_all(&bench).unwrap();
    assert_eq!(bench.store.count_journals(), 0);
    assert!(reserved(&bench).is_empty());
}

#[test]
fn an_address_that_another_run_is_reserving_is_busy() {
    let bench = bench();
    let first = clone::plan(bench.host(), &request(&bench, &["a"], &["192.168.122.5"])).unwrap();
    let operation = Operation::Clone {
        golden: "golden".to_owned(),
        clones: vec![crate::store::CloneFiles {
            name: "a".to_owned(),
            uuid: first.clones[0].uuid,
            macs: Vec::new(),
            volumes: Vec::new(),
            files: Vec::new(),
            reservations: first.clones[0].reservations.clone(),
        }],
        bases: Vec::new(),
        seals: Vec::new(),
    };
    let uri = bench.fake.uri().to_owned();
    let journal = bench.store.begin(&uri, operation).unwrap();
    drop(first);
    let (kind, text) = refused(&bench, &["b"], &["192.168.122.5"]);
    assert_eq!(kind, Kind::Busy, "{text}");
    clone::plan(bench.host(), &request(&bench, &["b"], &["192.168.122.6"])).unwrap();
    journal.finish().unwrap();
    clone::plan(bench.host(), &request(&bench, &["b"], &["192.168.122.5"])).unwrap();
}

#[test]
fn a_network_that_does_not_run_or_is_not_stored_is_spoken_of() {
    let bench = bench();
    let warnings = |bench: &Bench| {
        let request = request(bench, &["a"], &["192.168.122.5"]);
        clone::plan(bench.host(), &request)
            .unwrap()
            .warnings
            .join("\n")
    };
    assert!(!warnings(&bench).contains("Network"));
    set_network(&bench, false, true);
    assert!(warnings(&bench).contains("is not active"));
    set_network(&bench, true, false);
    assert!(warnings(&bench).contains("is not stored"));
}

#[test]
fn a_copy_by_other_means_does_not_give_the_address_of_its_original_away() {
    let bench = bench();
    clones(&bench, &["a"], &["192.168.122.5"]).unwrap();
    // As virt-clone makes it: the metadata is the same, the identity is not.
    std::fs::copy(bench.path("a.qcow2"), bench.path("copy.qcow2")).unwrap();
    let original = bench.domain_xml("a");
    let mac = crate::xml::domain::read(&original).unwrap().nics[0]
        .mac
        .unwrap();
    let uuid = bench.domain("a").uuid.to_string();
    let copy = original
        .replace("<name>a</name>", "<name>copy</name>")
        .replace(&uuid, &Uuid::from_u128(77).to_string())
        .replace("a.qcow2", "copy.qcow2")
        .replace(
            &format!("<mac address='{mac}'/>"),
            "<mac address='52:54:00:07:07:07'/>",
        );
    bench.fake.add(&copy, DomainState::ShutOff);
    delete(&bench, "copy").unwrap();
    assert_eq!(reserved(&bench), ["192.168.122.5"]);
    delete(&bench, "a").unwrap();
    assert!(reserved(&bench).is_empty());
}
