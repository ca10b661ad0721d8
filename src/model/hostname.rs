//! Names that guests have on their networks.

use std::fmt;
use std::str::FromStr;

use super::DomainName;
use super::pattern::{InvalidPattern, numbered, parts};

/// The longest part of a host name between two dots.
const MAX_LABEL: usize = 63;

/// The longest host name with all of its dots.
const MAX_LEN: usize = 253;

/// The name of a guest on its network, with or without a domain: RFC 1123.
///
/// ```
/// use vmkin::model::Hostname;
///
/// let name: Hostname = "web-01.lab.example".parse()?;
/// assert_eq!(name.short(), "web-01");
/// assert_eq!(name.fqdn(), Some("web-01.lab.example"));
/// assert!("web_01".parse::<Hostname>().is_err());
/// # Ok::<(), vmkin::model::InvalidHostname>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Hostname(String);

impl Hostname {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part up to the first dot.
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// The whole name, if it has a domain.
    pub fn fqdn(&self) -> Option<&str> {
        self.0.contains('.').then_some(self.as_str())
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Hostname {
    type Err = InvalidHostname;

    fn from_str(s: &str) -> Result<Self, InvalidHostname> {
        if s.is_empty() {
            return Err(InvalidHostname::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if let Some(bad) = s.chars().find(|c| !allowed(*c)) {
            return Err(InvalidHostname::Forbidden(bad));
        }
        if s.len() > MAX_LEN {
            return Err(InvalidHostname::TooLong(s.len()));
        }
        for label in s.split('.') {
            if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
                return Err(InvalidHostname::Label(label.to_owned()));
            }
            if label.len() > MAX_LABEL {
                return Err(InvalidHostname::LongLabel(label.len()));
            }
        }
        // Programs take it for an address.
        if s.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(InvalidHostname::Digits);
        }
        Ok(Self(s.to_owned()))
    }
}

/// Why a text is no host name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidHostname {
    /// It has no characters.
    Empty,
    /// It has a character that no host name has.
    Forbidden(char),
    /// It has this many bytes, which is too many.
    TooLong(usize),
    /// A part of it is empty, or begins or ends with a hyphen.
    Label(String),
    /// A part of it has this many bytes, which is too many.
    LongLabel(usize),
    /// It is all digits.
    Digits,
    /// Its braces are no pattern.
    Pattern(InvalidPattern),
}

impl fmt::Display for InvalidHostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a host name cannot be empty"),
            Self::Forbidden(c) => write!(
                f,
                "a host name cannot contain {c:?}: use letters, digits, '-' and '.'"
            ),
            Self::TooLong(n) => write!(
                f,
                "a host name cannot have more than {MAX_LEN} bytes, and this has {n}"
            ),
            Self::Label(label) if label.is_empty() => {
                f.write_str("a host name cannot have nothing before or after a dot")
            }
            Self::Label(label) => write!(
                f,
                "no part of a host name can begin or end with '-', as '{label}' does"
            ),
            Self::LongLabel(n) => write!(
                f,
                "no part of a host name can have more than {MAX_LABEL} bytes, and one has {n}"
            ),
            Self::Digits => f.write_str("a host name cannot be digits only"),
            Self::Pattern(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for InvalidHostname {}

/// A host name for each of many guests: `{name}` stands for the name of the
/// domain, `{n}` and `{n:02}` for its number.
///
/// ```
/// use vmkin::model::HostnamePattern;
///
/// let pattern: HostnamePattern = "{name}.lab.example".parse()?;
/// let host = pattern.hostname(&"web-01".parse()?, 1)?;
/// assert_eq!(host.as_str(), "web-01.lab.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostnamePattern(String);

impl HostnamePattern {
    /// Whether it gives different names to different guests.
    pub fn has_counter(&self) -> bool {
        self.0.contains('{')
    }

    /// The host name of the guest of this name and number.
    ///
    /// # Errors
    ///
    /// If that is no host name.
    pub fn hostname(&self, name: &DomainName, n: u64) -> Result<Hostname, InvalidHostname> {
        let named = self.0.replace("{name}", name.as_str());
        let parts = parts(&named).map_err(InvalidHostname::Pattern)?;
        numbered(&parts, n).parse()
    }
}

impl FromStr for HostnamePattern {
    type Err = InvalidHostname;

    fn from_str(s: &str) -> Result<Self, InvalidHostname> {
        let plain = s.replace("{name}", "x");
        let parts = parts(&plain).map_err(InvalidHostname::Pattern)?;
        // With another number or name it may still be too long.
        numbered(&parts, 1)
            .parse::<Hostname>()
            .or_else(|e| match e {
                InvalidHostname::Digits if s.contains('{') => Ok(Hostname(String::new())),
                e => Err(e),
            })?;
        Ok(Self(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rfc_1123_allows_is_a_host_name() {
        let long = "x".repeat(63);
        for good in ["a", "web-01", "9lives", "A.b.c", "x--y", &long] {
            assert_eq!(good.parse::<Hostname>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a.-b",
            "a_b",
            "a b",
            "a\nb",
            "a\u{1b}",
            "é",
            "a;b",
            "10.0.0.1",
            "42",
            "a/b",
            "a\0",
            "a$b",
            "'a'",
            &"x".repeat(64),
            &format!("{0}.{0}.{0}.{0}", "x".repeat(63)),
        ] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_counts_and_knows_the_name() {
        let host = |pattern: &str, name: &str, n| {
            pattern
                .parse::<HostnamePattern>()
                .unwrap()
                .hostname(&name.parse().unwrap(), n)
        };
        assert_eq!(host("n{n:02}", "x", 7).unwrap().as_str(), "n07");
        assert_eq!(
            host("{name}-{n}.lab", "web", 3).unwrap().as_str(),
            "web-3.lab"
        );
        assert!(host("{name}", "a_b", 1).is_err());
        assert!(host("{name}", &"x".repeat(70), 1).is_err());
        for bad in ["{m}", "{n", "a_{n}", "{name}_", ""] {
            assert!(bad.parse::<HostnamePattern>().is_err(), "{bad}");
        }
    }
}
