//! What is asked for of a network interface, as it is typed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::model::Mac;
use crate::model::options::{InvalidOption, Options};

/// How one interface of a guest gets its addresses:
/// `[NIC,]address=ADDRESS/PREFIX|dhcp[,gateway=…][,dns=…][,search=…][,mac=MAC]`,
/// with `+` between several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetworkWish {
    /// Which interface; by its MAC address if there is one, else the first.
    pub nic: Option<NicName>,
    /// Its MAC address.
    pub mac: Option<Mac>,
    /// Its addresses; none if a server gives it some.
    pub addresses: Vec<AddressRange>,
    /// Where its packets go that are for nobody on its networks: one of a family.
    pub gateways: Vec<IpAddr>,
    /// Who knows names.
    pub dns: Vec<IpAddr>,
    /// The domains in which names are looked for.
    pub search: Vec<String>,
}

/// An interface, as a user names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NicName {
    /// Which of the domain's interfaces, from 1 on.
    Number(usize),
    /// What the guest calls it.
    Name(String),
}

/// An address, or one for each of several guests, and the length of the prefix
/// that its network has: `ADDRESS[-ADDRESS]/PREFIX`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
    prefix: u8,
}

const WORDS: &[&str] = &["nic", "mac", "address", "gateway", "dns", "search"];

impl FromStr for NetworkWish {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let options = Options::parse(text, "nic", WORDS)?;
        let wish = Self {
            nic: options.parsed("nic")?,
            mac: options.parsed("mac")?,
            addresses: match options.text("address")? {
                None => {
                    return invalid(
                        "it needs 'address=ADDRESS/PREFIX', as in address=192.168.122.50/24, or \
                         'address=dhcp'",
                    );
                }
                Some("dhcp") => Vec::new(),
                Some(_) => several(&options, "address")?,
            },
            gateways: several(&options, "gateway")?,
            dns: several(&options, "dns")?,
            search: several::<Search>(&options, "search")?
                .into_iter()
                .map(|Search(domain)| domain)
                .collect(),
        };
        wish.check()?;
        Ok(wish)
    }
}

impl NetworkWish {
    fn check(&self) -> Result<(), InvalidOption> {
        if let (Some(NicName::Number(number)), Some(mac)) = (&self.nic, self.mac) {
            return invalid(format!(
                "the interface is number {number} or the one with {mac}, and not both"
            ));
        }
        for (index, gateway) in self.gateways.iter().enumerate() {
            let before = self.gateways.iter().take(index);
            if before.clone().any(|it| it.is_ipv4() == gateway.is_ipv4()) {
                return invalid("there is one gateway for IPv4 and one for IPv6");
            }
            // One of the link itself, as routers of IPv6 have it.
            let of_link = matches!(gateway, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80);
            let reaches = |range: &AddressRange| {
                range.first.is_ipv4() == gateway.is_ipv4()
                    && (of_link || network(*gateway, range.prefix) == range.network())
            };
            if !self.addresses.iter().any(reaches) {
                return invalid(format!(
                    "the gateway {gateway} is in no network of the addresses"
                ));
            }
            let taken = |range: &AddressRange| range.has(*gateway);
            if self.addresses.iter().any(taken) {
                return invalid(format!("the gateway {gateway} is an address of its own"));
            }
        }
        Ok(())
    }
}

/// The parts of a value with `+` between them.
fn several<T>(options: &Options, word: &str) -> Result<Vec<T>, InvalidOption>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = options.text(word)?.unwrap_or_default();
    let parts = text.split('+').filter(|_| !text.is_empty());
    parts
        .map(|part| {
            part.parse()
                .map_err(|why| InvalidOption(format!("{word}={part}: {why}")))
        })
        .collect()
}

fn invalid<T>(why: impl fmt::Display) -> Result<T, InvalidOption> {
    Err(InvalidOption(why.to_string()))
}

/// A domain in which names are looked for.
struct Search(String);

impl FromStr for Search {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let label = |label: &str| !label.is_empty() && label.chars().all(good);
        match text.split('.').all(label) {
            true => Ok(Self(text.to_owned())),
            false => Err("a domain is labels of letters, digits and '-', with '.' between them"),
        }
    }
}

impl FromStr for NicName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Ok(number @ 1..=99) = text.parse() {
            return Ok(Self::Number(number));
        }
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(good);
        match fits && text.len() <= 15 && text != "lo" {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(
                "an interface is a number from 1 on, or a name such as eth0; an address comes \
                 behind 'address='",
            ),
        }
    }
}

impl AddressRange {
    /// The address of the guest of this number, from 1 on; a single one is that of
    /// whoever it is said for.
    pub fn of(self, number: u64) -> Option<IpAddr> {
        match self.first == self.last {
            true => Some(self.first),
            false => self.counted(number),
        }
    }

    fn counted(self, number: u64) -> Option<IpAddr> {
        let at = value(self.first).checked_add(u128::from(number.checked_sub(1)?))?;
        if at > value(self.last) {
            return None;
        }
        match self.first {
            IpAddr::V4(_) => u32::try_from(at).ok().map(|at| IpAddr::V4(at.into())),
            IpAddr::V6(_) => Some(IpAddr::V6(at.into())),
        }
    }

    /// How long the prefix of its network is.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether there are as many addresses as guests.
    pub fn is_for(self, guests: usize) -> bool {
        u64::try_from(guests).is_ok_and(|guests| self.counted(guests).is_some())
    }

    /// Whether an address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && value(self.first) <= value(other.last)
            && value(other.first) <= value(self.last)
    }

    fn has(self, ip: IpAddr) -> bool {
        self.first.is_ipv4() == ip.is_ipv4()
            && (value(self.first)..=value(self.last)).contains(&value(ip))
    }

    fn network(self) -> u128 {
        network(self.first, self.prefix)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}/{}", self.first, self.prefix),
            false => write!(f, "{}-{}/{}", self.first, self.last, self.prefix),
        }
    }
}

fn value(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The bits of the prefix, as a number. There is at least one.
fn network(ip: IpAddr, prefix: u8) -> u128 {
    let rest = bits(ip).saturating_sub(prefix);
    value(ip).checked_shr(rest.into()).unwrap_or(0)
}

impl FromStr for AddressRange {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        const FORM: &str = "an address is written 192.168.122.50/24, and one for each guest \
                            192.168.122.50-192.168.122.59/24";
        let Some((range, prefix)) = text.split_once('/') else {
            return invalid(format!("the prefix is missing; {FORM}"));
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>()) else {
            return invalid(FORM);
        };
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| digits);
        let Some(prefix) = prefix.filter(|&it: &u8| it > 0 && it <= bits(first)) else {
            return invalid(format!("a prefix has 1 to {} bits", bits(first)));
        };
        let range = Self {
            first,
            last,
            prefix,
        };
        if first.is_ipv4() != last.is_ipv4() || value(first) > value(last) {
            return invalid("the last address of a range comes after the first");
        }
        if network(last, prefix) != range.network() {
            return invalid("the range is in more than one network");
        }
        for ip in [first, last] {
            if ip.is_multicast() || ip.is_unspecified() || ip.is_loopback() {
                return invalid(format!("no interface can have {ip}"));
            }
            let rest = bits(ip).saturating_sub(prefix);
            if ip.is_ipv4() && rest > 1 {
                let hosts = 1_u128.checked_shl(rest.into()).unwrap_or(u128::MAX);
                let host = value(ip) % hosts;
                if host == 0 || host == hosts.saturating_sub(1) {
                    return invalid(format!("{ip} is all of its network /{prefix}"));
                }
            }
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NetworkWish, String> {
        text.parse::<NetworkWish>().map_err(|why| why.0)
    }

    #[test]
    fn an_interface_has_addresses_of_both_families() {
        let wish = parse(
            "eth1,address=10.0.0.10-10.0.0.19/24+fd00::a/64,gateway=10.0.0.1+fe80::1,\
             dns=10.0.0.1+fd00::1,search=lab+example.org",
        )
        .unwrap();
        assert_eq!(wish.nic, Some(NicName::Name("eth1".to_owned())));
        let [v4, v6] = wish.addresses[..] else {
            panic!()
        };
        assert_eq!(v4.of(1), "10.0.0.10".parse().ok());
        assert_eq!(v4.of(10), "10.0.0.19".parse().ok());
        assert_eq!((v4.of(11), v4.of(0)), (None, None));
        assert!(v4.is_for(10) && !v4.is_for(11));
        assert!(v6.is_for(1) && !v6.is_for(2));
        assert_eq!(v6.to_string(), "fd00::a/64");
        assert_eq!(wish.search, ["lab", "example.org"]);
        assert_eq!((wish.gateways.len(), wish.dns.len()), (2, 2));
        let wish = parse("2,address=dhcp").unwrap();
        assert_eq!(wish.nic, Some(NicName::Number(2)));
        assert!(wish.addresses.is_empty());
        let wish = parse("address=10.0.0.1/31,mac=52:54:00:00:00:01").unwrap();
        assert!(wish.nic.is_none() && wish.mac.is_some());
    }

    #[test]
    fn ranges_that_share_an_address_are_seen() {
        let range = |text: &str| text.parse::<AddressRange>().unwrap();
        let one = range("10.0.0.10-10.0.0.12/24");
        assert!(one.overlaps(range("10.0.0.12-10.0.0.14/24")));
        assert!(!one.overlaps(range("10.0.0.13/24")));
        assert!(!range("0.0.0.5/8").overlaps(range("::5/8")));
    }

    #[test]
    fn what_no_interface_can_have_is_refused() {
        for (bad, why) in [
            ("", "has no value"),
            ("eth0", "needs 'address="),
            ("10.0.0.2/24", "behind 'address='"),
            ("0,address=dhcp", "number from 1 on"),
            ("lo,address=dhcp", "such as eth0"),
            ("../x,address=dhcp", "such as eth0"),
            ("adress=dhcp", "did you mean 'address'"),
            ("address=10.0.0.2", "prefix is missing"),
            ("address=10.0.0.2/33", "1 to 32 bits"),
            ("address=10.0.0.2/+8", "1 to 32 bits"),
            ("address=fd00::2/0", "1 to 128 bits"),
            ("address=10.0.0.0/24", "all of its network"),
            ("address=10.0.0.255/24", "all of its network"),
            ("address=10.0.0.5-10.0.0.4/24", "comes after"),
            ("address=10.0.0.5-fd00::1/24", "comes after"),
            ("address=10.0.0.5-10.0.1.5/24", "more than one network"),
            ("address=224.0.0.1/4", "no interface can have"),
            ("address=::1/64", "no interface can have"),
            ("address=10.0.0.2/24+dhcp", "prefix is missing"),
            ("address=10.0.0.2/24+", "prefix is missing"),
            ("address=dhcp,gateway=10.0.0.1", "in no network"),
            ("address=10.0.0.2/24,gateway=10.0.1.1", "in no network"),
            ("address=10.0.0.2/24,gateway=fe80::1", "in no network"),
            ("address=10.0.0.2/24,gateway=10.0.0.2", "address of its own"),
            (
                "address=10.0.0.2/24,gateway=10.0.0.1+10.0.0.3",
                "one gateway",
            ),
            ("address=dhcp,dns=x", "dns=x"),
            ("address=dhcp,search=a b", "a domain is labels"),
            ("1,address=dhcp,mac=52:54:00:00:00:01", "not both"),
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
