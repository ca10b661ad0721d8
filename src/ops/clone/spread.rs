//! Clones over several hosts: how many each gets, and who they are.
//!
//! Names, UUIDs and addresses are chosen for all hosts at once, so that no two are the
//! same wherever a guest goes one day. Each host then makes its own share, as it would
//! alone.

use std::collections::HashMap;

use super::identity::{Identity, Taken};
use super::request::{CloneRequest, NameChoice, Placement};
use crate::error::{Error, Kind, Result};
use crate::model::{Domain, DomainRef, DomainStatus, HostRoom, Stored, human_bytes};
use crate::ops::images::path_of;
use crate::ops::{Host, KnownDomain, ShutOff, Usage};
use crate::xml::domain;

/// How much of its storage a host keeps free for each clone, in bytes. An overlay takes
/// next to nothing when it is made, and grows.
const SPACE: u64 = 1 << 30;

/// How many virtual processors a processor runs before it counts as full. More than
/// that only makes a host the last choice.
const VCPUS_PER_CPU: u64 = 4;

/// A host that clones can be made on.
#[derive(Debug)]
pub struct Candidate {
    /// The golden domain there.
    pub golden: Domain,
    /// What the host has room for.
    pub room: Room,
    need: Need,
    nics: usize,
    taken: Taken,
}

/// What a host has room for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Memory that is free, and that no guest which runs may come to use, in bytes.
    pub memory: u64,
    /// Processors.
    pub cpus: u64,
    /// Virtual processors of guests that run.
    pub vcpus: u64,
    /// What is free in the storage pool of the disks, in bytes; `None` if nobody can
    /// tell.
    pub space: Option<u64>,
}

/// What a clone takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Need {
    memory: u64,
    vcpus: u64,
}

/// The clones that a host gets.
#[derive(Debug)]
pub struct Share {
    /// Which of the candidates it is.
    pub at: usize,
    identities: Vec<Identity>,
}

impl Share {
    /// How many.
    pub fn count(&self) -> usize {
        self.identities.len()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().map(|one| one.name.as_str())
    }

    /// The request for these and no others.
    pub fn of(&self, request: CloneRequest) -> CloneRequest {
        CloneRequest {
            names: NameChoice::Given(self.identities.iter().map(|one| one.name.clone()).collect()),
            uuids: self.identities.iter().map(|one| one.uuid).collect(),
            macs: self
                .identities
                .iter()
                .flat_map(|one| one.macs.clone())
                .collect(),
            ..request
        }
    }
}

/// Looks at a host that clones may be made on. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if it has no such golden domain; [`Kind::WrongState`] if that is
/// not shut off.
pub fn look(host: Host<'_>, which: &DomainRef, placement: &Placement) -> Result<Candidate> {
    let hypervisor = host.hypervisor;
    let golden = hypervisor.find(which)?;
    ShutOff::check(hypervisor, &golden)?;
    let facts = domain::read(&hypervisor.public_xml(&golden)?)?;
    let journals = host.store.survey()?;
    let usage = Usage::read(hypervisor)?;
    let HostRoom {
        memory,
        free_memory,
        cpus,
    } = hypervisor.room()?;
    let stored: Vec<Stored> = usage.domains.iter().map(KnownDomain::stored).collect();
    let mut running = hypervisor.status_of(&stored)?;
    running.retain(|status| status.as_ref().is_some_and(|one| one.state.is_active()));
    let sum = |of: fn(&DomainStatus) -> u64| {
        let each = running.iter().flatten().map(of);
        each.fold(0, u64::saturating_add)
    };
    // What guests may use is not all in use yet, and may be any time.
    let promised = memory.saturating_sub(sum(|status| status.memory.bytes()));
    Ok(Candidate {
        room: Room {
            memory: free_memory.map_or(promised, |free| free.min(promised)),
            cpus: u64::from(cpus),
            vcpus: sum(|status| u64::from(status.vcpus)),
            space: space(host, &facts, placement)?,
        },
        need: Need {
            memory: facts.memory_bytes,
            vcpus: u64::from(facts.vcpus),
        },
        nics: facts.nics.len(),
        taken: Taken::new(&usage, &journals),
        golden,
    })
}

/// What is free where the disks of clones are made.
fn space(
    host: Host<'_>,
    facts: &domain::DomainFacts,
    placement: &Placement,
) -> Result<Option<u64>> {
    let hypervisor = host.hypervisor;
    let dir = match placement {
        Placement::Pool(pool) => return Ok(Some(hypervisor.pool_facts(pool)?.available)),
        Placement::Dir(dir) => Some(dir.clone()),
        Placement::Beside => match facts.disks.iter().find(|disk| disk.is_private()) {
            Some(disk) => path_of(hypervisor, &disk.source)?
                .and_then(|path| path.parent().map(ToOwned::to_owned)),
            None => None,
        },
    };
    let pools = hypervisor.pools()?;
    let pool = pools
        .iter()
        .find(|pool| pool.active && dir.is_some() && pool.path == dir);
    let facts = pool.map(|pool| hypervisor.pool_facts(&pool.name));
    Ok(facts.transpose()?.map(|facts| facts.available))
}

/// Chooses who the clones are, and which host gets which.
///
/// # Errors
///
/// Those of choosing names for one host; [`Kind::Usage`] if the golden domains of the
/// hosts have not the same interfaces; [`Kind::WrongState`] if there is no room for all.
pub fn share(
    candidates: &[&Candidate],
    request: &CloneRequest,
    most: Option<usize>,
) -> Result<Vec<Share>> {
    let Some(first) = candidates.first() else {
        return Err(Error::new(Kind::NotFound, "no host has the golden domain"));
    };
    if let Some(other) = candidates.iter().find(|other| other.nics != first.nics) {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "'{}' has {} interfaces on one host and {} on another, and must be the same",
                first.golden.name, first.nics, other.nics
            ),
        ));
    }
    let taken = Taken::of_all(candidates.iter().map(|one| &one.taken));
    let identities = taken.choose(request, &first.golden.name, first.nics)?;
    let counts = apportion(candidates, identities.len(), most)?;
    let mut identities = identities.into_iter();
    let shares = counts.into_iter().enumerate().map(|(at, count)| Share {
        at,
        identities: identities.by_ref().take(count).collect(),
    });
    Ok(shares.filter(|share| share.count() > 0).collect())
}

/// How many clones each host gets: each goes where there is most room for it then.
fn apportion(candidates: &[&Candidate], clones: usize, most: Option<usize>) -> Result<Vec<usize>> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for _ in 0..clones {
        let loads = candidates.iter().enumerate().filter_map(|(at, one)| {
            let next = counts.get(&at).copied().unwrap_or(0).saturating_add(1);
            let load = load(one, next).filter(|_| most.is_none_or(|most| next <= most))?;
            Some((at, load))
        });
        let Some((at, _)) = loads.min_by(|(_, a), (_, b)| a.total_cmp(b)) else {
            return Err(no_room(candidates, clones, most));
        };
        let count = counts.entry(at).or_default();
        *count = count.saturating_add(1);
    }
    Ok((0..candidates.len())
        .map(|at| counts.get(&at).copied().unwrap_or(0))
        .collect())
}

/// How full a host is with so many clones, 1 for as full as it may be; `None` if they
/// have no room there.
fn load(one: &Candidate, clones: usize) -> Option<f64> {
    let clones = clones as u64;
    let part = |taken: u64, all: u64| taken as f64 / all.max(1) as f64;
    let memory = part(one.need.memory.saturating_mul(clones), one.room.memory);
    let space = one
        .room
        .space
        .map_or(0.0, |space| part(SPACE.saturating_mul(clones), space));
    if memory > 1.0 || space > 1.0 {
        return None;
    }
    let vcpus = one
        .room
        .vcpus
        .saturating_add(one.need.vcpus.saturating_mul(clones));
    let cpus = part(vcpus, one.room.cpus.saturating_mul(VCPUS_PER_CPU));
    Some(memory.max(space).max(cpus))
}

fn no_room(candidates: &[&Candidate], clones: usize, most: Option<usize>) -> Error {
    let fits = |one: &Candidate| {
        let memory = one.room.memory / one.need.memory.max(1);
        let space = one.room.space.map_or(u64::MAX, |space| space / SPACE);
        let most = most.map_or(u64::MAX, |most| most as u64);
        memory.min(space).min(most)
    };
    let all = candidates.iter().map(|one| fits(one));
    let all = all.fold(0, u64::saturating_add);
    let need = candidates.first().map_or(0, |one| one.need.memory);
    let error = Error::new(
        Kind::WrongState,
        format!(
            "there is room for {all} of {clones} clones: each takes {} of free memory and {} in \
             the storage pool",
            human_bytes(need),
            human_bytes(SPACE)
        ),
    )
    .hint(format!("make fewer: `--count {all}`"));
    match most {
        Some(most) => error.hint(format!(
            "allow more than {most} on a host: `--max-per-host N`"
        )),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn candidate(memory: u64, cpus: u64, space: u64, names: &[&str]) -> Candidate {
        let gib = 1 << 30;
        Candidate {
            golden: Domain {
                name: "golden".to_owned(),
                uuid: Uuid::from_u128(1),
                id: None,
            },
            room: Room {
                memory: memory * gib,
                cpus,
                vcpus: 0,
                space: Some(space * gib),
            },
            need: Need {
                memory: gib,
                vcpus: 1,
            },
            nics: 1,
            taken: Taken::with_names(names),
        }
    }

    fn counts(all: &[Candidate], clones: usize, most: Option<usize>) -> Result<Vec<usize>> {
        apportion(&all.iter().collect::<Vec<_>>(), clones, most)
    }

    #[test]
    fn each_host_gets_as_much_as_it_has_room_for() {
        let alike = [candidate(64, 64, 900, &[]), candidate(64, 64, 900, &[])];
        assert_eq!(counts(&alike, 10, None).unwrap(), [5, 5]);
        let one_is_larger = [candidate(64, 64, 900, &[]), candidate(16, 64, 900, &[])];
        assert_eq!(counts(&one_is_larger, 10, None).unwrap(), [8, 2]);
        let few_cpus = [candidate(64, 1, 900, &[]), candidate(64, 64, 900, &[])];
        assert_eq!(counts(&few_cpus, 10, None).unwrap(), [0, 10]);
        let full_disk = [candidate(64, 64, 2, &[]), candidate(64, 64, 900, &[])];
        assert_eq!(counts(&full_disk, 40, None).unwrap(), [1, 39]);
        assert_eq!(counts(&full_disk, 60, None).unwrap(), [1, 59]);
        assert_eq!(counts(&alike, 10, Some(5)).unwrap(), [5, 5]);
        let refused = counts(&alike, 11, Some(5)).unwrap_err();
        assert_eq!(refused.kind(), Kind::WrongState);
        assert!(refused.to_string().contains("10 of 11"), "{refused}");
        let refused = counts(&full_disk, 67, None).unwrap_err();
        assert!(refused.to_string().contains("66 of 67"), "{refused}");
    }

    #[test]
    fn ten_thousand_clones_over_a_hundred_hosts_are_shared_out() {
        let hosts: Vec<Candidate> = (0..100).map(|_| candidate(512, 256, 9000, &[])).collect();
        assert_eq!(counts(&hosts, 10_000, None).unwrap(), [100; 100]);
    }
}
