//! Names for new domains.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The longest name a new domain may have, in bytes.
///
/// Libvirt makes file names of it (log, monitor socket, save image) and fails
/// late when these grow over the 255 bytes of a file system or the 108 of a
/// UNIX socket path.
const MAX_LEN: usize = 120;

/// A name for a new domain.
///
/// A value of this type can be put into XML, a file name or a shell command
/// as it stands, cannot be mistaken for an id or a UUID, and is accepted by
/// libvirt. It says nothing about whether a domain of that name exists. Domains
/// that are there already may have stranger names; those are plain strings.
///
/// ```
/// use vmkin::model::DomainName;
///
/// let name: DomainName = "web-01".parse()?;
/// assert_eq!(name.as_str(), "web-01");
/// assert!("web/01".parse::<DomainName>().is_err());
/// assert!("..".parse::<DomainName>().is_err());
/// assert!("42".parse::<DomainName>().is_err());
/// # Ok::<(), vmkin::model::InvalidName>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DomainName(String);

impl DomainName {
    /// Returns the name as libvirt spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = InvalidName;

    fn from_str(s: &str) -> Result<Self, InvalidName> {
        let Some(first) = s.chars().next() else {
            return Err(InvalidName::Empty);
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-');
        if let Some(bad) = s.chars().find(|c| !allowed(*c)) {
            return Err(InvalidName::Forbidden(bad));
        }
        // A domain named `.` makes libvirt delete every domain's snapshot
        // metadata, and a leading `-` reads as an option.
        if !(first.is_ascii_alphanumeric() || first == '_') {
            return Err(InvalidName::FirstCharacter(first));
        }
        if s.len() > MAX_LEN {
            return Err(InvalidName::TooLong(s.len()));
        }
        if s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidName::LooksLikeId);
        }
        if Uuid::try_parse(s).is_ok() {
            return Err(InvalidName::LooksLikeUuid);
        }
        Ok(Self(s.to_owned()))
    }
}

/// Why a string cannot be the name of a new domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidName {
    /// The string has no characters.
    Empty,
    /// The string has a character that is not allowed anywhere.
    Forbidden(char),
    /// The string begins with a character that is not allowed there.
    FirstCharacter(char),
    /// The string has this many bytes, which is too many.
    TooLong(usize),
    /// Only digits, so that `-d` would take it for an id.
    LooksLikeId,
    /// A UUID, so that `-d` would take it for that of another domain.
    LooksLikeUuid,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a domain name cannot be empty"),
            Self::Forbidden(c) => write!(
                f,
                "a domain name cannot contain {c:?}: use letters, digits and '_.+-'"
            ),
            Self::FirstCharacter(c) => write!(
                f,
                "a domain name cannot begin with {c:?}: use a letter, a digit or '_'"
            ),
            Self::TooLong(n) => write!(
                f,
                "a domain name cannot have more than {MAX_LEN} bytes, and this has {n}"
            ),
            Self::LooksLikeId => {
                f.write_str("a domain name cannot be digits only: it would be taken for an id")
            }
            Self::LooksLikeUuid => f.write_str("a domain name cannot be a UUID"),
        }
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_safe_everywhere_pass() {
        for good in ["a", "web-01", "_x", "9lives", "a.b+c_d-e", &"x".repeat(120)] {
            assert_eq!(good.parse::<DomainName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "../up",
            "a\nb",
            "a\tb",
            "a\u{1b}b",
            "a\0b",
            "-lead",
            "+x",
            " lead",
            "a b",
            "123456",
            "x<>&\"'",
            "é",
            "%n",
            "00000000-0000-4000-8000-000000000001",
            &"x".repeat(121),
        ] {
            assert!(bad.parse::<DomainName>().is_err(), "{bad:?}");
        }
    }
}
