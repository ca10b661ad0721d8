//! Libvirt's networks, and the addresses that their DHCP servers keep for
//! guests.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Mac;

/// The most addresses one range may have. Nothing breaks beyond it; it is there
/// because a range over a whole /8 is a slip.
const MAX_RANGE: u32 = 1 << 16;

/// An address that the DHCP server of a libvirt network gives to one guest
/// alone, and the name by which its DNS server knows the guest.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Reservation {
    /// The libvirt network.
    pub network: String,
    /// The interface that gets the address.
    pub mac: Mac,
    /// The address.
    pub ip: Ipv4Addr,
    /// The name of the guest in that network.
    pub name: String,
}

/// A libvirt network, as it is now and as it will be when it starts next.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Network {
    /// What it is now, if it is active.
    pub live: Option<NetworkFacts>,
    /// What it will be, if its definition is stored.
    pub stored: Option<NetworkFacts>,
}

/// What the XML of a libvirt network says about addresses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkFacts {
    /// The IPv4 networks in which the host has an address.
    pub subnets: Vec<Subnet>,
    /// For whom its DHCP server keeps addresses.
    pub hosts: Vec<DhcpHost>,
    /// Whether it has a DNS server.
    pub dns: bool,
    /// What its DNS server is told to answer.
    pub names: Vec<DnsHost>,
}

/// An IPv4 network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subnet {
    /// The address that the host itself has in it.
    pub host: Ipv4Addr,
    /// The length of its prefix, in bits; 32 at the most.
    pub prefix: u8,
    /// Whether there is a DHCP server in it.
    pub dhcp: bool,
}

/// An entry of a DHCP server. Libvirt wants a MAC address or a name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DhcpHost {
    /// Whom it is for.
    pub mac: Option<Mac>,
    /// The address.
    pub ip: Option<IpAddr>,
    /// The name that goes with it.
    pub name: Option<String>,
}

/// An entry of a DNS server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DnsHost {
    /// The address.
    pub ip: IpAddr,
    /// Its names.
    pub names: Vec<String>,
}

/// An address that a DHCP server has given away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// To whom.
    pub mac: Option<Mac>,
    /// The address.
    pub ip: IpAddr,
}

impl Network {
    /// What it is now and what it will be, as far as there is either.
    pub fn sides(&self) -> impl Iterator<Item = &NetworkFacts> {
        self.live.iter().chain(&self.stored)
    }

    /// The first entry, of now or of the next start, that stands in the way of
    /// this reservation: a clause.
    pub fn conflict(&self, wanted: &Reservation) -> Option<String> {
        self.sides().find_map(|facts| facts.conflict(wanted))
    }

    /// Whether nothing of this reservation is there.
    pub fn has_nothing_of(&self, reservation: &Reservation) -> bool {
        self.sides()
            .all(|facts| !facts.has_host(reservation) && !facts.has_name(reservation))
    }
}

impl NetworkFacts {
    /// Whether the DHCP server has exactly this entry.
    pub fn has_host(&self, reservation: &Reservation) -> bool {
        self.hosts.iter().any(|host| host.is(reservation))
    }

    /// Whether the DNS server has exactly this entry.
    pub fn has_name(&self, reservation: &Reservation) -> bool {
        self.names.iter().any(|host| host.is(reservation))
    }

    fn conflict(&self, wanted: &Reservation) -> Option<String> {
        let same_name = |name: &str| name.eq_ignore_ascii_case(&wanted.name);
        let of_others = self.hosts.iter().filter(|host| !host.is(wanted));
        for host in of_others {
            let whose = host.whose();
            if host.ip == Some(IpAddr::V4(wanted.ip)) {
                return Some(format!("{} is reserved for {whose}", wanted.ip));
            }
            if host.mac == Some(wanted.mac) {
                return Some(format!("another address is reserved for {whose}"));
            }
            if host.name.as_deref().is_some_and(same_name) {
                return Some(format!("the name '{}' is that of {whose}", wanted.name));
            }
        }
        let of_others = self.names.iter().filter(|host| !host.is(wanted));
        for host in of_others {
            if host.ip == IpAddr::V4(wanted.ip) {
                let names = host.names.join(", ");
                return Some(format!("{} has the DNS name '{names}'", wanted.ip));
            }
            if host.names.iter().any(|name| same_name(name)) {
                return Some(format!("the name '{}' is that of {}", wanted.name, host.ip));
            }
        }
        None
    }
}

impl DhcpHost {
    fn is(&self, reservation: &Reservation) -> bool {
        self.mac == Some(reservation.mac)
            && self.ip == Some(IpAddr::V4(reservation.ip))
            && self.name.as_deref() == Some(&reservation.name)
    }

    /// Whom it is for, in words.
    fn whose(&self) -> String {
        match (&self.mac, &self.name) {
            (Some(mac), Some(name)) => format!("'{name}' ({mac})"),
            (Some(mac), None) => mac.to_string(),
            (None, Some(name)) => format!("'{name}'"),
            (None, None) => "somebody else".to_owned(),
        }
    }
}

impl DnsHost {
    fn is(&self, reservation: &Reservation) -> bool {
        self.ip == IpAddr::V4(reservation.ip)
            && matches!(self.names.as_slice(), [name] if *name == reservation.name)
    }
}

impl Subnet {
    /// The bits of an address that name the network.
    fn mask(self) -> u32 {
        let host_bits = 32_u32.saturating_sub(u32::from(self.prefix));
        u32::MAX.checked_shl(host_bits).unwrap_or(0)
    }

    /// Whether an address is in it.
    pub fn contains(self, ip: Ipv4Addr) -> bool {
        (u32::from(ip) ^ u32::from(self.host)) & self.mask() == 0
    }

    /// Why an address in it cannot be a guest's, as a clause about the address.
    pub fn reserved(self, ip: Ipv4Addr) -> Option<&'static str> {
        if ip == self.host {
            return Some("is the host's own");
        }
        // Networks of one or two addresses have neither (RFC 3021).
        if self.prefix > 30 {
            return None;
        }
        match u32::from(ip) & !self.mask() {
            0 => Some("is the address of the network itself"),
            rest if rest == !self.mask() => Some("is the broadcast address of the network"),
            _ => None,
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = Ipv4Addr::from(u32::from(self.host) & self.mask());
        write!(f, "{network}/{}", self.prefix)
    }
}

/// One address, or a range of them.
///
/// ```
/// use vmkin::model::IpRange;
///
/// let range: IpRange = "192.168.122.50-192.168.122.52".parse()?;
/// assert_eq!(range.addresses().count(), 3);
/// assert!("fd00::1".parse::<IpRange>().is_err());
/// # Ok::<(), vmkin::model::InvalidIpRange>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl IpRange {
    /// Whether it is one address.
    pub fn is_single(self) -> bool {
        self.first == self.last
    }

    /// The addresses, in order.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }
}

impl FromStr for IpRange {
    type Err = InvalidIpRange;

    fn from_str(s: &str) -> Result<Self, InvalidIpRange> {
        let (first, last) = match s.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => {
                let one = address(s)?;
                (one, one)
            }
        };
        match u32::from(last).checked_sub(u32::from(first)) {
            None => Err(InvalidIpRange::Backwards),
            Some(more) if more >= MAX_RANGE => Err(InvalidIpRange::TooLong),
            Some(_) => Ok(Self { first, last }),
        }
    }
}

fn address(text: &str) -> Result<Ipv4Addr, InvalidIpRange> {
    match text.trim().parse() {
        Ok(IpAddr::V4(ip)) => Ok(ip),
        Ok(IpAddr::V6(_)) => Err(InvalidIpRange::V6),
        Err(_) => Err(InvalidIpRange::Syntax),
    }
}

/// Why a text is no [`IpRange`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidIpRange {
    /// It is neither an address nor two with a hyphen between them.
    Syntax,
    /// It is an IPv6 address. DHCPv6 knows guests by a number that they draw
    /// themselves, and not by their hardware address.
    V6,
    /// The last address comes before the first.
    Backwards,
    /// It has more addresses than anybody means.
    TooLong,
}

impl fmt::Display for InvalidIpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str(
                "an address is written 192.168.122.50, a range \
                 192.168.122.50-192.168.122.69",
            ),
            Self::V6 => f.write_str(
                "IPv6 addresses cannot be reserved: DHCPv6 knows a guest by a number \
                 that the guest draws itself",
            ),
            Self::Backwards => f.write_str("the last address of a range comes after the first"),
            Self::TooLong => write!(f, "a range has {MAX_RANGE} addresses at the most"),
        }
    }
}

impl std::error::Error for InvalidIpRange {}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Reservation {
        Reservation {
            network: "default".to_owned(),
            mac: Mac::kvm([0, 0, 1]),
            ip: Ipv4Addr::new(192, 168, 122, 50),
            name: "web".to_owned(),
        }
    }

    fn host(mac: u8, ip: u8, name: &str) -> DhcpHost {
        DhcpHost {
            mac: Some(Mac::kvm([0, 0, mac])),
            ip: Some(IpAddr::from([192, 168, 122, ip])),
            name: Some(name.to_owned()),
        }
    }

    #[test]
    fn ranges_are_read_and_mistakes_are_told_apart() {
        let range = |text: &str| text.parse::<IpRange>();
        let three: Vec<String> = range("10.0.0.254-10.0.1.0")
            .unwrap()
            .addresses()
            .map(|ip| ip.to_string())
            .collect();
        assert_eq!(three, ["10.0.0.254", "10.0.0.255", "10.0.1.0"]);
        assert!(range("10.0.0.1").unwrap().is_single());
        assert_eq!(range("fd00::1"), Err(InvalidIpRange::V6));
        assert_eq!(range("10.0.0.2-10.0.0.1"), Err(InvalidIpRange::Backwards));
        assert_eq!(range("10.0.0.0-10.9.0.0"), Err(InvalidIpRange::TooLong));
        assert_eq!(
            range("0.0.0.0-255.255.255.255"),
            Err(InvalidIpRange::TooLong)
        );
        for bad in [
            "",
            "10.0.0",
            "10.0.0.1-",
            "-10.0.0.1",
            "10.0.0.1-5",
            "010.0.0.1",
        ] {
            assert_eq!(range(bad), Err(InvalidIpRange::Syntax), "{bad}");
        }
    }

    #[test]
    fn a_subnet_knows_what_no_guest_can_have() {
        let host = Ipv4Addr::new(10, 1, 2, 129);
        let subnet = |prefix| Subnet {
            host,
            prefix,
            dhcp: true,
        };
        let ip = |last| Ipv4Addr::new(10, 1, 2, last);
        assert_eq!(subnet(25).to_string(), "10.1.2.128/25");
        assert!(subnet(25).contains(ip(255)) && !subnet(25).contains(ip(127)));
        for (last, is) in [(128, true), (129, true), (130, false), (255, true)] {
            assert_eq!(subnet(25).reserved(ip(last)).is_some(), is, "{last}");
        }
        assert_eq!(subnet(31).reserved(ip(128)), None);
        assert!(subnet(32).contains(host) && !subnet(32).contains(ip(128)));
        assert!(subnet(0).contains(Ipv4Addr::new(200, 0, 0, 1)));
    }

    #[test]
    fn what_stands_in_the_way_is_told_and_the_very_entry_does_not() {
        let wanted = wanted();
        let conflict = |hosts: Vec<DhcpHost>, names: Vec<DnsHost>| {
            let facts = NetworkFacts {
                hosts,
                names,
                dns: true,
                ..NetworkFacts::default()
            };
            let network = Network {
                live: None,
                stored: Some(facts),
            };
            network.conflict(&wanted)
        };
        let dns = |last: u8, names: &[&str]| DnsHost {
            ip: IpAddr::from([192, 168, 122, last]),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            conflict(vec![host(1, 50, "web")], vec![dns(50, &["web"])]),
            None
        );
        assert_eq!(
            conflict(vec![host(2, 51, "db")], vec![dns(51, &["db"])]),
            None
        );
        for (hosts, names, says) in [
            (
                vec![host(2, 50, "db")],
                vec![],
                "reserved for 'db' (52:54:00:00:00:02)",
            ),
            (vec![host(1, 51, "db")], vec![], "another address"),
            (vec![host(2, 51, "WEB")], vec![], "the name 'web'"),
            (vec![host(1, 50, "other")], vec![], "reserved for 'other'"),
            (
                vec![],
                vec![dns(50, &["web", "www"])],
                "has the DNS name 'web, www'",
            ),
            (vec![], vec![dns(51, &["Web"])], "is that of 192.168.122.51"),
        ] {
            let why = conflict(hosts, names).unwrap();
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn an_entry_of_one_server_alone_is_something_of_a_reservation() {
        let wanted = wanted();
        let half = NetworkFacts {
            dns: true,
            hosts: vec![host(1, 50, "web")],
            ..NetworkFacts::default()
        };
        let network = |live: &NetworkFacts, stored: &NetworkFacts| Network {
            live: Some(live.clone()),
            stored: Some(stored.clone()),
        };
        let empty = NetworkFacts::default();
        assert!(network(&empty, &empty).has_nothing_of(&wanted));
        assert!(!network(&half, &empty).has_nothing_of(&wanted));
        assert!(!network(&empty, &half).has_nothing_of(&wanted));
        assert!(half.has_host(&wanted) && !half.has_name(&wanted));
        assert!(Network::default().has_nothing_of(&wanted));
    }
}
