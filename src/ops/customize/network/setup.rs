//! How one interface of one guest is to be set up.

use std::fmt;
use std::net::IpAddr;

use super::{NetworkWish, NicName};
use crate::error::{Error, Kind, Result};
use crate::model::Mac;
use crate::ops::customize::Which;

/// An interface, and what it is to have.
pub(super) struct Setup {
    /// Which.
    pub(super) nic: Interface,
    /// Its addresses, with the lengths of their prefixes; none if a server gives it
    /// some.
    pub(super) addresses: Vec<(IpAddr, u8)>,
    /// One of a family.
    pub(super) gateways: Vec<IpAddr>,
    /// Name servers.
    pub(super) dns: Vec<IpAddr>,
    /// Domains in which names are looked for.
    pub(super) search: Vec<String>,
}

/// What is known of an interface.
pub(super) struct Interface {
    /// Its MAC address.
    pub(super) mac: Option<Mac>,
    /// What the guest calls it.
    pub(super) name: Option<String>,
    /// Whether it is the first of the guest, as far as is known.
    pub(super) is_first: bool,
    /// Whether there is no other, as far as is known.
    pub(super) is_only: bool,
}

impl Setup {
    /// What is asked for, for this guest.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it has no such interface, [`Kind::Usage`] if nobody
    /// knows which of its interfaces has that number or there is no address left.
    pub(super) fn of(wish: &NetworkWish, which: Which<'_>) -> Result<Self> {
        let addresses = wish.addresses.iter().map(|range| {
            let address = range.of(which.number).map(|ip| (ip, range.prefix()));
            address.ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!("{range} has no address for guest number {}", which.number),
                )
            })
        });
        Ok(Self {
            nic: Interface::of(wish, which)?,
            addresses: addresses.collect::<Result<_>>()?,
            gateways: wish.gateways.clone(),
            dns: wish.dns.clone(),
            search: wish.search.clone(),
        })
    }

    /// Whether a server gives it its addresses.
    pub(super) fn is_dhcp(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Its addresses of IPv4, or of IPv6: `192.168.122.50/24`.
    pub(super) fn addresses(&self, v4: bool) -> Vec<String> {
        let of_family = self.addresses.iter().filter(|(ip, _)| ip.is_ipv4() == v4);
        of_family
            .map(|(ip, prefix)| format!("{ip}/{prefix}"))
            .collect()
    }

    /// Its gateway of IPv4, or of IPv6.
    pub(super) fn gateway(&self, v4: bool) -> Option<IpAddr> {
        let mut gateways = self.gateways.iter();
        gateways.find(|ip| ip.is_ipv4() == v4).copied()
    }

    /// Its name servers that are reached by IPv4, or by IPv6.
    pub(super) fn dns(&self, v4: bool) -> Vec<String> {
        let of_family = self.dns.iter().filter(|ip| ip.is_ipv4() == v4);
        of_family.map(IpAddr::to_string).collect()
    }
}

impl Interface {
    fn of(wish: &NetworkWish, which: Which<'_>) -> Result<Self> {
        let macs = which.macs;
        let in_domain = which.uuid.is_some();
        let none = |what: String| {
            Error::new(
                Kind::NotFound,
                format!("the domain has no network interface{what}"),
            )
            .hint(format!("it has {}", which.shown_macs()))
        };
        let numbered = |number: usize, what: String| {
            let index = number.checked_sub(1);
            let mac = index.and_then(|index| macs.get(index)).copied();
            mac.map(Some).ok_or_else(|| none(what))
        };
        let mac = match (wish.mac, &wish.nic) {
            (Some(mac), _) if in_domain && !macs.contains(&mac) => {
                return Err(none(format!(" with {mac}")));
            }
            (Some(mac), _) => Some(mac),
            (None, Some(NicName::Name(_))) => None,
            (None, Some(NicName::Number(number))) if in_domain => {
                numbered(*number, format!(" number {number}"))?
            }
            (None, Some(NicName::Number(number))) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("nobody knows which interface of an image is number {number}"),
                )
                .hint(NAME_IT));
            }
            (None, None) if in_domain => numbered(1, String::new())?,
            (None, None) => None,
        };
        let name = match &wish.nic {
            Some(NicName::Name(name)) => Some(name.clone()),
            _ => None,
        };
        Ok(Self {
            is_first: match (mac, &name) {
                (Some(mac), _) if in_domain => macs.first() == Some(&mac),
                (mac, name) => mac.is_none() && name.is_none(),
            },
            is_only: macs.len() == 1,
            mac,
            name,
        })
    }

    /// Whether it is the same as another.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_mac = self.mac.is_some() && self.mac == other.mac;
        let same_name = self.name.is_some() && self.name == other.name;
        let unnamed = |it: &Self| it.mac.is_none() && it.name.is_none();
        same_mac || same_name || (unnamed(self) && unnamed(other))
    }

    /// Refuses an interface of which nothing is known.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`].
    pub(super) fn must_be_known(&self) -> Result<()> {
        match self.mac.is_some() || self.name.is_some() {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Usage,
                "nobody knows which network interfaces an image will have",
            )
            .hint(NAME_IT)),
        }
    }

    /// A word for the names of files: the MAC address without its colons if it is
    /// known, else the name.
    pub(super) fn word(&self) -> String {
        match (self.mac, &self.name) {
            (Some(mac), _) => mac.to_string().replace(':', ""),
            (None, name) => name.clone().unwrap_or_default(),
        }
    }
}

/// What to type where an interface is not known.
pub(super) const NAME_IT: &str =
    "name it: `--network eth0,address=…`, or `--network mac=MAC,address=…`";

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.mac) {
            (Some(name), _) => write!(f, "the interface {name}"),
            (None, Some(mac)) => write!(f, "the interface with {mac}"),
            (None, None) => f.write_str("the network interface"),
        }
    }
}
