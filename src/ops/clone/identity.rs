//! Names, UUIDs and addresses that nobody has.

use std::collections::HashSet;

use uuid::Uuid;

use super::request::{CloneRequest, NameChoice, usage};
use crate::error::{Error, Kind, Result};
use crate::model::{DomainName, Mac};
use crate::ops::Usage;
use crate::store::{Begun, Found, Operation};

/// How often a random address is drawn before something must be wrong. With
/// half of all addresses taken, failing this often has odds of 2⁻¹²⁸.
const DRAWS: usize = 128;

/// What is taken on a host: by domains, and by other processes that are
/// about to define some.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    names: HashSet<String>,
    uuids: HashSet<Uuid>,
    macs: HashSet<Mac>,
    reserved: Vec<(Begun, HashSet<String>)>,
}

/// The identity of one clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) name: DomainName,
    pub(super) uuid: Uuid,
    pub(super) macs: Vec<Mac>,
}

impl Taken {
    /// Collects what the domains have, and what live journals reserve.
    pub(super) fn new(usage: &Usage, journals: &[Found]) -> Self {
        let mut taken = Self {
            names: HashSet::new(),
            uuids: HashSet::new(),
            macs: HashSet::new(),
            reserved: Vec::new(),
        };
        for known in &usage.domains {
            taken.names.insert(known.domain.name.clone());
            taken.uuids.insert(known.domain.uuid);
            let macs = known.facts.nics.iter().filter_map(|nic| nic.mac);
            taken.macs.extend(macs);
        }
        for found in journals {
            let Operation::Clone { clones, .. } = &found.begun.operation else {
                continue;
            };
            let mut names = HashSet::new();
            for clone in clones {
                names.insert(clone.name.clone());
                taken.uuids.insert(clone.uuid);
                taken
                    .macs
                    .extend(clone.macs.iter().filter_map(|mac| mac.parse::<Mac>().ok()));
            }
            taken.reserved.push((found.begun.clone(), names));
        }
        taken
    }

    /// What is taken on any of these hosts.
    pub(super) fn of_all<'t>(hosts: impl Iterator<Item = &'t Self>) -> Self {
        let mut all = Self {
            names: HashSet::new(),
            uuids: HashSet::new(),
            macs: HashSet::new(),
            reserved: Vec::new(),
        };
        for host in hosts {
            all.names.extend(host.names.iter().cloned());
            all.uuids.extend(&host.uuids);
            all.macs.extend(&host.macs);
            all.reserved.extend(host.reserved.iter().cloned());
        }
        all
    }

    /// Whether a domain or another process has this name.
    fn has_name(&self, name: &str) -> bool {
        self.names.contains(name) || self.reserved.iter().any(|(_, names)| names.contains(name))
    }

    /// Chooses the identities of all clones. `nics` is how many interfaces
    /// each has, `golden` the name of the golden domain.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if the user asked for something that a domain has,
    /// [`Kind::Busy`] if another process is about to have it, [`Kind::Usage`]
    /// if the user asked for the same thing twice or for too little.
    pub(super) fn choose(
        &self,
        request: &CloneRequest,
        golden: &str,
        nics: usize,
    ) -> Result<Vec<Identity>> {
        let names = self.names_for(&request.names, golden)?;
        let uuids = self.uuids_for(&request.uuids, names.len())?;
        let macs = self.macs_for(&request.macs, names.len(), nics)?;
        Ok(names
            .into_iter()
            .zip(uuids)
            .zip(macs)
            .map(|((name, uuid), macs)| Identity { name, uuid, macs })
            .collect())
    }

    fn names_for(&self, choice: &NameChoice, golden: &str) -> Result<Vec<DomainName>> {
        let names = match choice {
            NameChoice::Given(names) => names.clone(),
            NameChoice::Pattern {
                pattern,
                from,
                count,
            } => (*from..from.saturating_add(*count))
                .map(|n| pattern.name(n).map_err(usage))
                .collect::<Result<_>>()?,
            NameChoice::Automatic { count } => return self.automatic(golden, *count),
        };
        let mut seen = HashSet::new();
        for name in &names {
            if !seen.insert(name) {
                return Err(usage(format!("the name '{name}' is given twice")));
            }
        }
        let taken: Vec<&DomainName> = names
            .iter()
            .filter(|name| self.names.contains(name.as_str()))
            .collect();
        if let Some((first, more)) = taken.split_first() {
            let others = match more.len() {
                0 => String::new(),
                n => format!(" (and {n} more of these names)"),
            };
            return Err(Error::new(
                Kind::Exists,
                format!("domain '{first}' exists already{others}"),
            )
            .hint(format!(
                "choose another name, or delete it: `vmkin delete -d {first}`"
            )));
        }
        for (begun, reserved) in &self.reserved {
            if let Some(name) = names.iter().find(|name| reserved.contains(name.as_str())) {
                return Err(Error::new(
                    Kind::Busy,
                    format!("vmkin (pid {}) is making '{name}' now", begun.pid),
                )
                .hint("wait for it, or choose another name"));
            }
        }
        Ok(names)
    }

    /// virt-clone's rule: `X-clone`, `X-clone1`, `X-clone2`, …; of a clone, the
    /// next number (where virt-clone stumbles over the 0 in `X-clone10`).
    fn automatic(&self, golden: &str, count: u64) -> Result<Vec<DomainName>> {
        let (stem, first) = match golden.rsplit_once("-clone") {
            Some((stem, "")) => (stem, 1),
            Some((stem, digits))
                if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') =>
            {
                match digits.parse::<u64>() {
                    Ok(n) => (stem, n.saturating_add(1)),
                    Err(_) => (golden, 0),
                }
            }
            _ => (golden, 0),
        };
        let mut names = Vec::new();
        let mut n = first;
        while u64::try_from(names.len()).unwrap_or(u64::MAX) < count {
            let name = match n {
                0 => format!("{stem}-clone"),
                n => format!("{stem}-clone{n}"),
            };
            n = n.saturating_add(1);
            if self.has_name(&name) {
                continue;
            }
            names.push(name.parse::<DomainName>().map_err(|e| {
                usage(e.to_string())
                    .context(format!("'{golden}' gives no good name for a clone"))
                    .hint("give one: `--name NAME`")
            })?);
        }
        Ok(names)
    }

    fn uuids_for(&self, asked: &[Uuid], clones: usize) -> Result<Vec<Uuid>> {
        if asked.is_empty() {
            return Ok((0..clones).map(|_| Uuid::new_v4()).collect());
        }
        if asked.len() != clones {
            return Err(usage(format!(
                "{} UUIDs are given for {clones} clones",
                asked.len()
            )));
        }
        let mut seen = HashSet::new();
        for uuid in asked {
            if uuid.is_nil() || uuid.is_max() {
                return Err(usage(format!("{uuid} cannot be the UUID of a domain")));
            }
            if !seen.insert(uuid) {
                return Err(usage(format!("the UUID {uuid} is given twice")));
            }
            if self.uuids.contains(uuid) {
                return Err(Error::new(
                    Kind::Exists,
                    format!("a domain with the UUID {uuid} exists already"),
                )
                .hint(format!("see which: `vmkin show -d {uuid}`")));
            }
        }
        Ok(asked.to_vec())
    }

    fn macs_for(&self, asked: &[Mac], clones: usize, nics: usize) -> Result<Vec<Vec<Mac>>> {
        let all = clones.saturating_mul(nics);
        if asked.len() > all {
            return Err(usage(format!(
                "{} MAC addresses are given, and {clones} clones have {all} interfaces",
                asked.len()
            )));
        }
        // For one clone the rest is drawn, as virt-clone does; for many it
        // would not be clear which of them the given ones are for.
        if clones > 1 && !asked.is_empty() && asked.len() < all {
            return Err(usage(format!(
                "{} MAC addresses are given, and {clones} clones with {nics} interfaces each need {all}",
                asked.len()
            )));
        }
        let mut used = HashSet::new();
        for mac in asked {
            if !used.insert(*mac) {
                return Err(usage(format!("the MAC address {mac} is given twice")));
            }
            if self.macs.contains(mac) {
                return Err(Error::new(
                    Kind::Exists,
                    format!("the MAC address {mac} belongs to another domain"),
                )
                .hint("leave --mac out, and a free one is drawn"));
            }
        }
        let mut asked = asked.iter().copied();
        let mut next = || -> Result<Mac> {
            if let Some(mac) = asked.next() {
                return Ok(mac);
            }
            for _ in 0..DRAWS {
                let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
                let mac = Mac::kvm([a, b, c]);
                if !self.macs.contains(&mac) && used.insert(mac) {
                    return Ok(mac);
                }
            }
            Err(Error::new(
                Kind::Exists,
                "no free MAC address was found under 52:54:00",
            ))
        };
        (0..clones)
            .map(|_| (0..nics).map(|_| next()).collect())
            .collect()
    }
}

#[cfg(test)]
impl Taken {
    /// A host with domains of these names.
    pub(super) fn with_names(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|s| (*s).to_owned()).collect(),
            uuids: [Uuid::from_u128(9)].into(),
            macs: ["52:54:00:00:00:09".parse().unwrap()].into(),
            reserved: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &[&str]) -> Taken {
        Taken::with_names(names)
    }

    fn automatic(golden: &str, names: &[&str], count: u64) -> Vec<String> {
        taken(names)
            .automatic(golden, count)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_clone_without_a_name_is_named_as_virt_clone_does() {
        assert_eq!(automatic("x", &["x"], 1), ["x-clone"]);
        assert_eq!(
            automatic("x", &["x", "x-clone"], 2),
            ["x-clone1", "x-clone2"]
        );
        assert_eq!(automatic("x-clone", &[], 1), ["x-clone1"]);
        assert_eq!(automatic("x-clone9", &[], 1), ["x-clone10"]);
        assert_eq!(automatic("x-clone10", &[], 1), ["x-clone11"]);
        assert_eq!(automatic("x-clone1", &["x-clone2"], 1), ["x-clone3"]);
        assert_eq!(automatic("x-clones", &[], 1), ["x-clones-clone"]);
        assert!(taken(&[]).automatic("my vm", 1).is_err());
    }

    #[test]
    fn what_is_taken_is_not_given_again() {
        let taken = taken(&["a"]);
        let kind = |result: Result<Vec<DomainName>>| result.unwrap_err().kind();
        let given =
            |names: &[&str]| NameChoice::Given(names.iter().map(|n| n.parse().unwrap()).collect());
        assert_eq!(kind(taken.names_for(&given(&["a"]), "g")), Kind::Exists);
        assert_eq!(kind(taken.names_for(&given(&["b", "b"]), "g")), Kind::Usage);
        let uuids = |asked: &[u128]| {
            let asked: Vec<Uuid> = asked.iter().map(|u| Uuid::from_u128(*u)).collect();
            taken.uuids_for(&asked, 1).map_err(|e| e.kind())
        };
        assert_eq!(uuids(&[9]), Err(Kind::Exists));
        assert_eq!(uuids(&[0]), Err(Kind::Usage));
        assert_eq!(uuids(&[1, 2]), Err(Kind::Usage));
        assert!(uuids(&[1]).is_ok());
        let macs = |asked: &[&str], clones, nics| {
            let asked: Vec<Mac> = asked.iter().map(|m| m.parse().unwrap()).collect();
            taken.macs_for(&asked, clones, nics).map_err(|e| e.kind())
        };
        let (one, two) = ("52:54:00:00:00:01", "52:54:00:00:00:02");
        assert_eq!(macs(&["52:54:00:00:00:09"], 1, 1), Err(Kind::Exists));
        assert_eq!(macs(&[one, one], 1, 2), Err(Kind::Usage));
        assert_eq!(macs(&[one, two], 1, 1), Err(Kind::Usage));
        assert_eq!(macs(&[one], 2, 1), Err(Kind::Usage));
        assert_eq!(macs(&[one, two], 2, 1).unwrap().len(), 2);
        assert_eq!(macs(&[one], 1, 2).unwrap()[0].len(), 2);
    }

    #[test]
    fn drawn_addresses_differ_and_have_the_prefix() {
        let macs: Vec<Mac> = taken(&[]).macs_for(&[], 300, 2).unwrap().concat();
        assert_eq!(macs.iter().collect::<HashSet<_>>().len(), 600);
        assert!(macs.iter().all(|m| m.to_string().starts_with("52:54:00:")));
    }
}
