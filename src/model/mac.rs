//! Hardware addresses of network interfaces.

use std::fmt;
use std::str::FromStr;

use mac_address::MacAddress;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of one network interface: unicast, and not all zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mac(MacAddress);

impl Mac {
    /// The prefix that QEMU and KVM guests have, and libvirt draws from.
    pub const KVM_PREFIX: [u8; 3] = [0x52, 0x54, 0x00];

    /// Makes an address with the prefix 52:54:00 of the low three bytes given.
    pub fn kvm(low: [u8; 3]) -> Self {
        let [a, b, c] = Self::KVM_PREFIX;
        let [d, e, f] = low;
        Self(MacAddress::new([a, b, c, d, e, f]))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lower case with colons, as libvirt prints it.
        let [a, b, c, d, e, g] = self.0.bytes();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(s: &str) -> Result<Self, InvalidMac> {
        let bytes = octets(s).ok_or(InvalidMac::Syntax)?;
        if bytes.iter().all(|b| *b == 0) {
            return Err(InvalidMac::Zero);
        }
        // The lowest bit of the first byte marks a group address (IEEE 802).
        if bytes.first().is_some_and(|b| b & 1 == 1) {
            return Err(InvalidMac::Multicast);
        }
        Ok(Self(MacAddress::new(bytes)))
    }
}

/// The six bytes of an address as libvirt takes it: one or two digits each,
/// between colons; or between hyphens, as other systems print it.
///
/// The parser of the crate counts digits and not groups: it takes
/// `00000000-00:00001` for 00:00:01:00:00:00.
fn octets(s: &str) -> Option<[u8; 6]> {
    let separator = if s.contains('-') { '-' } else { ':' };
    let mut parts = s.split(separator);
    let mut bytes = [0; 6];
    for byte in &mut bytes {
        let part = parts.next()?;
        // `from_str_radix` takes a sign as well.
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(bytes)
}

/// Why a string cannot be the address of an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidMac {
    /// Not six bytes in hexadecimal.
    Syntax,
    /// All bytes are zero.
    Zero,
    /// A multicast or broadcast address.
    Multicast,
}

impl fmt::Display for InvalidMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "a MAC address has six hexadecimal bytes, like 52:54:00:12:34:56",
            Self::Zero => "the MAC address 00:00:00:00:00:00 cannot be used",
            Self::Multicast => {
                "a multicast MAC address cannot be used: its first byte must be even"
            }
        })
    }
}

impl std::error::Error for InvalidMac {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_that_no_interface_can_have_are_refused() {
        let parse = |s: &str| s.parse::<Mac>();
        assert_eq!(
            parse("52:54:00:AB:cd:01").unwrap().to_string(),
            "52:54:00:ab:cd:01"
        );
        assert_eq!(
            parse("52-54-0-A-cd-1").unwrap().to_string(),
            "52:54:00:0a:cd:01"
        );
        assert_eq!(parse("52:54:00:gg:00:01"), Err(InvalidMac::Syntax));
        assert_eq!(parse("52:54:00:00:01"), Err(InvalidMac::Syntax));
        assert_eq!(parse(""), Err(InvalidMac::Syntax));
        assert_eq!(parse("52:54:00:00:01:02:03"), Err(InvalidMac::Syntax));
        assert_eq!(parse("52:54-00:00:00:01"), Err(InvalidMac::Syntax));
        assert_eq!(parse("52:54:00:00:00:+1"), Err(InvalidMac::Syntax));
        assert_eq!(parse("00000000-00:00001"), Err(InvalidMac::Syntax));
        assert_eq!(parse("525400000001"), Err(InvalidMac::Syntax));
        assert_eq!(parse("01:00:5e:00:00:01"), Err(InvalidMac::Multicast));
        assert_eq!(parse("ff:ff:ff:ff:ff:ff"), Err(InvalidMac::Multicast));
        assert_eq!(parse("00:00:00:00:00:00"), Err(InvalidMac::Zero));
    }

    proptest! {
        #[test]
        fn six_bytes_are_read_as_they_are_written(
            bytes in any::<[u8; 6]>(),
            hyphens in any::<bool>(),
            short in any::<bool>(),
            upper in any::<bool>(),
        ) {
            let parts = bytes.map(|b| if short { format!("{b:x}") } else { format!("{b:02x}") });
            let text = parts.join(if hyphens { "-" } else { ":" });
            let text = if upper { text.to_uppercase() } else { text };
            match text.parse::<Mac>() {
                Ok(mac) => {
                    prop_assert_eq!(mac.to_string(), bytes.map(|b| format!("{b:02x}")).join(":"));
                    prop_assert_eq!(mac.to_string().parse(), Ok(mac));
                }
                Err(InvalidMac::Zero) => prop_assert_eq!(bytes, [0; 6]),
                Err(InvalidMac::Multicast) => prop_assert_eq!(bytes[0] & 1, 1),
                Err(InvalidMac::Syntax) => prop_assert!(false, "{}", text),
            }
        }

        #[test]
        fn nothing_but_six_groups_is_an_address(text in "[0-9a-fA-F:.g+ -]{0,20}") {
            if text.parse::<Mac>() != Err(InvalidMac::Syntax) {
                let groups: Vec<&str> = text.split([':', '-']).collect();
                prop_assert_eq!(groups.len(), 6);
                let digits = |part: &&str| part.chars().all(|c| c.is_ascii_hexdigit());
                prop_assert!(groups.iter().all(|part| matches!(part.len(), 1 | 2) && digits(part)));
                prop_assert!(!(text.contains(':') && text.contains('-')));
            }
        }
    }
}
