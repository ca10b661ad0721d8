//! What a system has of those that it is made of.
//!
//! As libosinfo has it (`osinfo/osinfo_os.c`, `osinfo/osinfo_product.c`): a
//! system is followed by those it derives from and then by those it clones,
//! each followed by its own in turn. Of a device or a firmware, the first word
//! counts, be it yes or no. Resources are inherited only where the system says
//! so, and then only those it does not name itself. What a system *upgrades* is
//! history and gives it nothing.

use std::collections::{BTreeMap, HashSet};

use super::database::{OsInfo, warn};
use crate::xml::osinfo::{Amounts, OsEntry};

/// The longest line of descent that is followed. The longest of the package
/// has 57.
const MAX_DEPTH: usize = 256;

/// What is known of a system, with what it inherits.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Devices by their identifiers, and whether they work.
    devices: BTreeMap<String, bool>,
    /// Firmware by processor and type, and whether it works.
    firmware: BTreeMap<(String, String), bool>,
    /// The least and the advised resources, by processor.
    resources: BTreeMap<String, (Amounts, Amounts)>,
    pub(super) cloud_user: Option<String>,
}

impl Facts {
    /// What is known of this system.
    pub(super) fn of(entry: &OsEntry, info: &OsInfo, warnings: &mut Vec<String>) -> Self {
        let mut walk = Walk {
            info,
            warnings,
            path: vec![entry.id.clone()],
            seen: HashSet::from([entry.id.clone()]),
            found: Vec::new(),
        };
        walk.beyond(entry);
        let ancestors = walk.found;
        let mut facts = Self::default();
        for entry in std::iter::once(entry).chain(&ancestors) {
            facts.add(entry);
        }
        for own in &entry.resources {
            let (mut minimum, mut recommended) = (own.minimum, own.recommended);
            if own.inherit {
                let theirs = ancestors.iter().flat_map(|entry| &entry.resources);
                for theirs in theirs.filter(|theirs| theirs.arch == own.arch) {
                    minimum = minimum.or(theirs.minimum);
                    recommended = recommended.or(theirs.recommended);
                }
            }
            let amounts = facts.resources.entry(own.arch.clone()).or_default();
            *amounts = (minimum.or(amounts.0), recommended.or(amounts.1));
        }
        facts
    }

    fn add(&mut self, entry: &OsEntry) {
        // Within one system the last word counts, between two the first.
        let devices = entry.devices.iter();
        let own: BTreeMap<_, _> = devices.map(|link| (&link.id, link.supported)).collect();
        for (id, supported) in own {
            self.devices.entry(id.clone()).or_insert(supported);
        }
        for link in &entry.firmware {
            let key = (link.arch.clone(), link.kind.clone());
            self.firmware.entry(key).or_insert(link.supported);
        }
        if self.cloud_user.is_none() {
            self.cloud_user.clone_from(&entry.cloud_user);
        }
    }

    /// Whether it drives one of these devices.
    pub(super) fn drives(&self, devices: &[&str]) -> bool {
        let mut links = devices.iter().map(|id| self.devices.get(*id));
        links.any(|supported| supported == Some(&true))
    }

    /// Whether it starts with this firmware; `None` if nothing is said.
    pub(super) fn starts_with(&self, arch: &str, kind: &str) -> Option<bool> {
        let key = (arch.to_owned(), kind.to_owned());
        self.firmware.get(&key).copied()
    }

    /// The least and the advised resources on a processor.
    pub(super) fn resources(&self, arch: &str) -> (Amounts, Amounts) {
        let of = |arch: &str| self.resources.get(arch).copied().unwrap_or_default();
        let (own, all) = (of(arch), of("all"));
        (own.0.or(all.0), own.1.or(all.1))
    }
}

/// The way through the ancestors of a system.
struct Walk<'i> {
    info: &'i OsInfo,
    warnings: &'i mut Vec<String>,
    /// Those that lead from the system to the one that is looked at.
    path: Vec<String>,
    seen: HashSet<String>,
    found: Vec<OsEntry>,
}

impl Walk<'_> {
    /// Finds the ancestors of a system, each once.
    fn beyond(&mut self, entry: &OsEntry) {
        for id in entry.derives_from.iter().chain(&entry.clones) {
            if self.path.contains(id) {
                let what = format!("'{id}' is made of itself, by way of '{}'", entry.id);
                warn(self.warnings, what);
                continue;
            }
            if !self.seen.insert(id.clone()) {
                continue;
            }
            if self.path.len() >= MAX_DEPTH {
                let what = format!("'{id}' has more than {MAX_DEPTH} descendants in one line");
                warn(self.warnings, what);
                return;
            }
            let Some(parent) = self.info.by_id(id, self.warnings) else {
                let what = format!("'{id}', which '{}' is made of, is not there", entry.id);
                warn(self.warnings, what);
                continue;
            };
            self.found.push(parent.clone());
            self.path.push(id.clone());
            self.beyond(&parent);
            self.path.pop();
        }
    }
}
