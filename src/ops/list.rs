//! What there is on the host.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::threads::each;
use super::{Host, KnownDomain, Usage};
use crate::error::{Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::model::{
    Address, AddressSource, DiskSource, DiskTarget, Domain, DomainStatus, Layer, Lineage,
    NbdExport, Nic, Size, Stored,
};
use crate::xml::domain::{DomainFacts, Graphics};

/// A domain in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its id while it is active.
    pub id: Option<u32>,
    /// What libvirt says about it.
    #[serde(flatten)]
    pub status: DomainStatus,
    /// What the images that it alone writes to take on the host; `None` if not
    /// all of them can be looked at.
    pub disk_used: Option<Size>,
    /// The image that its first disk is based on.
    pub base: Option<PathBuf>,
    /// The NBD export that it is based on instead.
    pub base_export: Option<NbdExport>,
    /// Its addresses, if it is active and somebody knows them.
    pub addresses: Vec<Address>,
}

/// Everything about one domain.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What a list has.
    #[serde(flatten)]
    pub listed: Listed,
    /// The kind of hypervisor it runs on, such as `kvm`.
    pub domain_type: String,
    /// The title in its XML.
    pub title: Option<String>,
    /// Its disks.
    pub disks: Vec<ShownDisk>,
    /// Its network interfaces.
    pub nics: Vec<Nic>,
    /// Its graphical consoles.
    pub graphics: Vec<Graphics>,
    /// The names of its snapshots.
    pub snapshots: Vec<String>,
    /// The domains whose disks are overlays on its disks.
    pub children: Vec<String>,
    /// Where it came from, if it is a clone.
    pub lineage: Option<Lineage>,
    /// What is wrong with its images.
    pub problems: Vec<String>,
}

/// A disk, and the images it is made of.
#[derive(Clone, Debug, Serialize)]
pub struct ShownDisk {
    /// What the XML says.
    #[serde(flatten)]
    pub disk: crate::model::Disk,
    /// The images, the top one first.
    pub layers: Vec<Layer>,
    /// The NBD export below them, if there is one.
    pub export: Option<NbdExport>,
}

/// How many guests are asked for at once: while one waits for its answer to come
/// over the line, others can ask.
const ASKERS: usize = 16;

/// Lists all domains.
pub fn list(host: Host<'_>) -> Result<Vec<Listed>> {
    let mut all = match host.hypervisor.is_local() {
        true => here(host)?,
        false => there(host)?,
    };
    add_addresses(host, &mut all)?;
    all.sort_by(|a, b| natural(&a.name, &b.name));
    Ok(all)
}

fn here(host: Host<'_>) -> Result<Vec<Listed>> {
    let usage = Usage::read(host.hypervisor)?;
    let stored: Vec<Stored> = usage.domains.iter().map(KnownDomain::stored).collect();
    let statuses = host.hypervisor.status_of(&stored)?;
    let all = usage.domains.iter().zip(statuses);
    Ok(all
        .filter_map(|(known, status)| {
            let (facts, layers) = (&known.facts, &known.layers);
            Some(listed(
                &known.domain,
                status?,
                facts,
                layers,
                &known.exports,
            ))
        })
        .collect())
}

/// The same of another host, whose images are not looked at: then no definition has to
/// be read, and a question for each domain is what such a list takes longest for.
fn there(host: Host<'_>) -> Result<Vec<Listed>> {
    let domains = host.hypervisor.domains()?.into_iter();
    let stored: Vec<Stored> = domains
        .map(|domain| Stored { domain, size: None })
        .collect();
    let statuses = host.hypervisor.status_of(&stored)?;
    let all = stored.into_iter().zip(statuses);
    Ok(all
        .filter_map(|(one, status)| Some(bare(&one.domain, status?)))
        .collect())
}

/// Asks for the addresses of those that are active.
fn add_addresses(host: Host<'_>, all: &mut [Listed]) -> Result<()> {
    let active = all.iter_mut().filter(|one| one.status.state.is_active());
    let mut active: Vec<&mut Listed> = active.collect();
    each(&mut active, ASKERS, |one| {
        let domain = Domain {
            name: one.name.clone(),
            uuid: one.uuid,
            id: one.id,
        };
        one.addresses = addresses(host.hypervisor, &domain, QUICK)?;
        Ok(())
    })
}

/// Shows one domain.
pub fn show(host: Host<'_>, domain: &Domain) -> Result<Shown> {
    let usage = Usage::read(host.hypervisor)?;
    let status = host.hypervisor.status(domain)?;
    let known = usage
        .domains
        .iter()
        .find(|known| known.domain.uuid == domain.uuid);
    let (mut facts, layers, mut exports) = match known {
        Some(known) => (
            known.facts.clone(),
            known.layers.clone(),
            known.exports.clone(),
        ),
        None => {
            let facts = crate::xml::domain::read(&host.hypervisor.public_xml(domain)?)?;
            (facts, Vec::new(), HashMap::new())
        }
    };
    // Only the XML with secrets tells whether there is a password; facts never
    // hold the password itself. Who may not read it is told what the other says.
    if let Ok(secure) = host.hypervisor.secure_xml(domain) {
        facts.graphics = crate::xml::domain::read(secure.expose())?.graphics;
    }
    let mut children: Vec<String> = layers
        .iter()
        .filter_map(|layers| layers.first())
        .flat_map(|top| usage.children(top.file))
        .map(str::to_owned)
        .collect();
    for disk in &facts.disks {
        if let DiskSource::Network(network) = &disk.source {
            let export = network.export.as_ref().ok();
            let names = export.map(|export| usage.children_of_export(export));
            children.extend(names.into_iter().flatten().map(str::to_owned));
        }
    }
    children.sort();
    children.dedup();
    let mut listed = [listed(domain, status, &facts, &layers, &exports)];
    add_addresses(host, &mut listed)?;
    let [listed] = listed;
    Ok(Shown {
        listed,
        domain_type: facts.domain_type.clone(),
        title: facts.title.clone(),
        nics: facts.nics.clone(),
        graphics: facts.graphics.clone(),
        snapshots: host.hypervisor.snapshots(domain)?,
        children,
        lineage: facts.lineage.clone(),
        problems: usage
            .problems
            .iter()
            .filter(|problem| problem.domain == domain.uuid)
            .map(|problem| problem.text.clone())
            .collect(),
        disks: facts
            .disks
            .into_iter()
            .enumerate()
            .map(|(i, disk)| ShownDisk {
                export: exports.remove(&disk.target),
                disk,
                layers: layers.get(i).cloned().unwrap_or_default(),
            })
            .collect(),
    })
}

fn listed(
    domain: &Domain,
    status: DomainStatus,
    facts: &DomainFacts,
    layers: &[Vec<Layer>],
    exports: &HashMap<DiskTarget, NbdExport>,
) -> Listed {
    let private = facts
        .disks
        .iter()
        .zip(layers)
        .filter(|(disk, _)| disk.is_private());
    let disk_used = private.clone().try_fold(0_u64, |sum, (_, layers)| {
        Some(sum.saturating_add(layers.first()?.allocated))
    });
    let (base, base_export) = private
        .map(|(disk, layers)| match layers.get(1) {
            Some(base) => (Some(base.path.clone()), None),
            None => (None, exports.get(&disk.target).cloned()),
        })
        .find(|(base, export)| base.is_some() || export.is_some())
        .unwrap_or_default();
    Listed {
        disk_used: disk_used.map(Size),
        base,
        base_export,
        ..bare(domain, status)
    }
}

/// A domain of whose images nothing is known.
fn bare(domain: &Domain, status: DomainStatus) -> Listed {
    Listed {
        name: domain.name.clone(),
        uuid: domain.uuid,
        id: domain.id,
        status,
        disk_used: None,
        base: None,
        base_export: None,
        addresses: Vec::new(),
    }
}

/// Whom to ask for addresses in a list: an agent that hangs would hold it up.
const QUICK: &[AddressSource] = &[AddressSource::Lease, AddressSource::Arp];

/// Whom to ask for the addresses of one guest, the surest first.
pub const ALL_SOURCES: &[AddressSource] = &[
    AddressSource::Lease,
    AddressSource::Agent,
    AddressSource::Arp,
];

/// The addresses of an active guest, from the first of these sources that
/// knows any.
///
/// # Errors
///
/// If libvirt does not answer. That nobody knows an address is no error.
pub fn addresses(
    hypervisor: &dyn Hypervisor,
    domain: &Domain,
    sources: &[AddressSource],
) -> Result<Vec<Address>> {
    for source in sources {
        let found = match hypervisor.addresses(domain, *source) {
            Ok(found) => found,
            // It has shut off, or is gone, since it was listed.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::WrongState) => {
                return Ok(Vec::new());
            }
            Err(e) => return Err(e),
        };
        let useful: Vec<Address> = found
            .into_iter()
            .filter(|address| !address.ip.is_loopback() && !is_link_local(address))
            .collect();
        if !useful.is_empty() {
            return Ok(useful);
        }
    }
    Ok(Vec::new())
}

fn is_link_local(address: &Address) -> bool {
    match address.ip {
        std::net::IpAddr::V4(ip) => ip.is_link_local(),
        std::net::IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Compares names so that `web-9` comes before `web-10`.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let key = |name: &str| {
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (stem, number) = name.split_at(name.len() - digits);
        (stem.to_owned(), number.parse::<u64>().ok(), name.to_owned())
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_with_numbers_are_in_the_order_of_the_numbers() {
        let mut names = ["web-10", "web-9", "db", "web", "web-09", "2"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["2", "db", "web", "web-09", "web-9", "web-10"]);
    }
}
