//! Addresses that the DHCP servers of libvirt's networks keep for guests: which
//! may be reserved, and when they are given back.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use uuid::Uuid;

use super::{Host, Usage};
use crate::error::{Error, Kind, Result};
use crate::model::{IpRange, Lease, Mac, Network, Nic, NicSource, Reservation, Subnet};
use crate::store::{Found, Operation};

/// The longest name of a host (RFC 1035, a label).
const MAX_NAME: usize = 63;

/// A guest that is to have an address.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// Its name, which becomes its DNS name.
    pub name: &'a str,
    /// The hardware addresses of its interfaces.
    pub macs: &'a [Mac],
}

/// Which addresses are reserved for which guests.
#[derive(Debug, Default)]
pub struct Chosen {
    /// One for each guest, in their order; `None` for a guest whose address was
    /// reserved for it by somebody else, so that it is not ours to take back.
    pub reservations: Vec<Option<Reservation>>,
    /// What is not as the user may think. Sentences.
    pub warnings: Vec<String>,
}

/// The addresses that other runs are reserving on this connection now, with
/// their process numbers. To be asked with the lock on names held.
pub fn under_way(host: Host<'_>, journals: &[Found]) -> Vec<(u32, Reservation)> {
    let here = journals
        .iter()
        .filter(|found| found.begun.uri == host.hypervisor.uri());
    here.flat_map(|found| match &found.begun.operation {
        Operation::Clone { clones, .. } => clones
            .iter()
            .flat_map(|clone| &clone.reservations)
            .map(|reservation| (found.begun.pid, reservation.clone()))
            .collect(),
        Operation::Delete { .. }
        | Operation::Reset { .. }
        | Operation::Snapshot(_)
        | Operation::Write(_)
        | Operation::MoveBase(_)
        | Operation::Relayer(_)
        | Operation::Commit(_)
        | Operation::Rename(_)
        | Operation::Migrate(_)
        | Operation::Build { .. } => Vec::new(),
    })
    .collect()
}

/// Decides which interface of which guest gets which address, and whether that
/// may be. Changes nothing. `nics` are the interfaces that all guests have, and
/// `model` is the domain or image they are made of, for messages.
///
/// # Errors
///
/// [`Kind::Usage`] if there are too few or too many addresses, one twice, one
/// that no guest can have, or a name that is none in DNS; [`Kind::WrongState`] if
/// the guests have no interface on a network with DHCP; [`Kind::Exists`] if an
/// address or a name is somebody else's; [`Kind::Busy`] if another run is about
/// to reserve it.
pub fn choose(
    host: Host<'_>,
    ranges: &[IpRange],
    model: &str,
    nics: &[Nic],
    guests: &[Guest<'_>],
    under_way: &[(u32, Reservation)],
) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    if ranges.is_empty() {
        chosen.reservations.resize(guests.len(), None);
        return Ok(chosen);
    }
    let addresses = deal(ranges, guests.len())?;
    let places = places(host, model, nics)?;
    let mut leases: HashMap<&str, Vec<Lease>> = HashMap::new();
    for place in &places {
        chosen.warnings.extend(place.warning());
        if !leases.contains_key(place.name) {
            leases.insert(place.name, host.hypervisor.leases(place.name)?);
        }
    }
    for (guest, ip) in guests.iter().zip(addresses) {
        must_be_dns_name(guest.name)?;
        let place = place_for(&places, ip)?;
        let Some(mac) = guest.macs.get(place.nic) else {
            continue;
        };
        let wanted = Reservation {
            network: place.name.to_owned(),
            mac: *mac,
            ip,
            name: guest.name.to_owned(),
        };
        if let Some((pid, _)) = under_way.iter().find(|(_, other)| collide(other, &wanted)) {
            return Err(Error::new(
                Kind::Busy,
                format!(
                    "vmkin (pid {pid}) is reserving {ip} or the name '{}' now",
                    guest.name
                ),
            )
            .hint("wait for it, or choose another address"));
        }
        if let Some(why) = place.network.conflict(&wanted) {
            return Err(taken(&wanted, &why));
        }
        let of_others = leases.get(place.name).into_iter().flatten();
        let mut of_others = of_others.filter(|lease| lease.mac != Some(*mac));
        if let Some(lease) = of_others.find(|lease| lease.ip == IpAddr::V4(ip)) {
            let whose = lease
                .mac
                .map_or_else(String::new, |mac| format!(" to {mac}"));
            return Err(
                taken(&wanted, &format!("it is leased{whose} now")).hint(format!(
                    "or wait until the lease runs out, for dnsmasq heeds it: \
                 `virsh net-dhcp-leases {}`",
                    place.name
                )),
            );
        }
        if place.network.sides().any(|facts| facts.has_host(&wanted)) {
            chosen.warnings.push(format!(
                "{ip} was reserved for '{}' before, and stays so when that is deleted.",
                guest.name
            ));
            chosen.reservations.push(None);
        } else {
            chosen.reservations.push(Some(wanted));
        }
    }
    Ok(chosen)
}

/// One address for each of so many guests.
fn deal(ranges: &[IpRange], guests: usize) -> Result<Vec<Ipv4Addr>> {
    let usage = |message: String| Error::new(Kind::Usage, message);
    let addresses: Vec<Ipv4Addr> = ranges
        .iter()
        .flat_map(|range| range.addresses())
        .take(guests.saturating_add(1))
        .collect();
    if addresses.len() < guests {
        return Err(usage(format!(
            "--ip has {} addresses, and {guests} guests need one each",
            addresses.len()
        ))
        .hint("give a range: `--ip 192.168.122.50-192.168.122.69`"));
    }
    // Of a range what is left over stays free; a single address was meant for
    // somebody.
    if ranges.iter().all(|range| range.is_single()) && ranges.len() > guests {
        return Err(usage(format!(
            "--ip is given {} times, and there are {guests} guests",
            ranges.len()
        )));
    }
    let mut seen = HashSet::new();
    for ip in addresses.iter().take(guests) {
        if !seen.insert(*ip) {
            return Err(usage(format!("--ip has the address {ip} twice")));
        }
    }
    Ok(addresses)
}

/// An interface on a network with a DHCP server.
struct Place<'a> {
    /// The number of the interface.
    nic: usize,
    /// The name of the network.
    name: &'a str,
    network: Network,
    subnet: Subnet,
}

impl Place<'_> {
    fn warning(&self) -> Option<String> {
        let name = self.name;
        if self.network.live.is_none() {
            return Some(format!(
                "Network '{name}' is not active; its guests get no address before it is: \
                 `virsh net-start {name}`."
            ));
        }
        self.network.stored.is_none().then(|| {
            format!("Network '{name}' is not stored, and forgets what is reserved when it stops.")
        })
    }
}

/// The interfaces for which addresses can be reserved, in their order.
fn places<'a>(host: Host<'_>, model: &str, nics: &'a [Nic]) -> Result<Vec<Place<'a>>> {
    let mut places: Vec<Place<'a>> = Vec::new();
    for (nic, one) in nics.iter().enumerate() {
        let NicSource::Network(name) = &one.source else {
            continue;
        };
        let Some(network) = host.hypervisor.network(name)? else {
            continue;
        };
        let subnets = network.sides().next().map(|now| now.subnets.as_slice());
        let subnet = subnets.unwrap_or_default().iter().find(|s| s.dhcp).copied();
        places.extend(subnet.map(|subnet| Place {
            nic,
            name,
            network,
            subnet,
        }));
    }
    if places.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "'{model}' has no interface on a libvirt network with DHCP, where an address \
                 could be reserved"
            ),
        )
        .hint("see what it is connected to: `virsh domiflist`, `virsh net-list --all`"));
    }
    Ok(places)
}

/// The first interface on a network that has this address in it.
fn place_for<'p, 'a>(places: &'p [Place<'a>], ip: Ipv4Addr) -> Result<&'p Place<'a>> {
    let Some(place) = places.iter().find(|place| place.subnet.contains(ip)) else {
        let there: Vec<String> = places
            .iter()
            .map(|place| format!("{} ('{}')", place.subnet, place.name))
            .collect();
        return Err(Error::new(
            Kind::Usage,
            format!("{ip} is in none of the guest's networks"),
        )
        .hint(format!("choose one in {}", there.join(" or "))));
    };
    match place.subnet.reserved(ip) {
        None => Ok(place),
        Some(why) => Err(Error::new(
            Kind::Usage,
            format!("{ip} {why} in network '{}'", place.name),
        )
        .hint(format!("choose another one in {}", place.subnet))),
    }
}

/// Whether two reservations cannot both be.
fn collide(one: &Reservation, other: &Reservation) -> bool {
    one.network == other.network
        && (one.ip == other.ip
            || one.mac == other.mac
            || one.name.eq_ignore_ascii_case(&other.name))
}

/// Refuses a name that dnsmasq would ignore, or cut at a dot.
fn must_be_dns_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let ends_well = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let fine = bytes.iter().copied().all(plain)
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.len() <= MAX_NAME;
    if fine {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!("'{name}' cannot be the DNS name of a guest, which a reserved address comes with"),
    )
    .hint(format!(
        "choose a name of at most {MAX_NAME} letters, digits and hyphens"
    )))
}

fn taken(wanted: &Reservation, why: &str) -> Error {
    let Reservation { network, ip, .. } = wanted;
    Error::new(
        Kind::Exists,
        format!("{ip} cannot be reserved on network '{network}': {why}"),
    )
    .hint(format!(
        "choose another address; what is reserved: `virsh net-dumpxml {network}`"
    ))
}

/// Those of a guest's reservations that go with it: a copy that virt-clone made
/// of the guest carries the same metadata, and the address is not the copy's.
pub(super) fn own(usage: &Usage, guest: Uuid, all: &[Reservation]) -> Vec<Reservation> {
    let others = usage.domains.iter().filter(|one| one.domain.uuid != guest);
    let nics = others.flat_map(|one| &one.facts.nics);
    let macs: HashSet<Mac> = nics.filter_map(|nic| nic.mac).collect();
    let own = all.iter().filter(|one| !macs.contains(&one.mac));
    own.cloned().collect()
}

/// Gives addresses back. That one is free already, is somebody else's by now, or
/// was on a network that is gone, is no error.
///
/// # Errors
///
/// [`Kind::NotUndone`] if libvirt does not do it.
pub(super) fn release(host: Host<'_>, reservations: &[Reservation]) -> Result<()> {
    for reservation in reservations {
        host.hypervisor
            .release(reservation)
            .map_err(|error| error.with_kind(Kind::NotUndone))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
