//! Domains, and what the user types to name one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

use super::{ImageFormat, Mac};

/// A domain libvirt knows about.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Domain {
    /// Its name, unique on one hypervisor. Any text that libvirt accepts,
    /// which is more than [`DomainName`](super::DomainName) does.
    pub name: String,
    /// Its UUID, unique everywhere.
    pub uuid: Uuid,
    /// Its id while it is active.
    pub id: Option<u32>,
}

/// What the user typed after `-d`: a name, a UUID or an id.
///
/// Which of them it is only the hypervisor can tell, because libvirt lets a
/// domain be named `42`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainRef(String);

impl DomainRef {
    /// Returns what the user typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The UUID that this may be.
    pub fn uuid(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.0).ok()
    }

    /// The id that this may be.
    pub fn id(&self) -> Option<u32> {
        // `parse` takes "+5" as well, which is a name and no id.
        if self.0.bytes().all(|b| b.is_ascii_digit()) {
            self.0.parse().ok()
        } else {
            None
        }
    }
}

impl From<&Domain> for DomainRef {
    fn from(domain: &Domain) -> Self {
        Self(domain.uuid.to_string())
    }
}

impl FromStr for DomainRef {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.is_empty() {
            return Err("a domain is named by its name, UUID or id, and this is empty");
        }
        if s.contains('\0') {
            return Err("a domain name cannot contain a NUL");
        }
        Ok(Self(s.to_owned()))
    }
}

impl fmt::Display for DomainRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network interface of a domain, as its XML has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Nic {
    /// The hardware address; without one, libvirt draws it when it defines.
    pub mac: Option<Mac>,
    /// What it is plugged into.
    pub source: NicSource,
    /// The model, such as `virtio`.
    pub model: Option<String>,
}

/// What a network interface is plugged into.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "type", content = "name")]
pub enum NicSource {
    /// A libvirt network of this name.
    Network(String),
    /// A bridge of the host.
    Bridge(String),
    /// QEMU's user-mode network, or passt.
    User,
    /// Anything else, by the word in the XML.
    Other(String),
}

/// The file that holds the UEFI variables of a domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Nvram {
    /// Where it is; `None` if libvirt chooses when the domain first starts,
    /// or if it is not a file.
    pub path: Option<PathBuf>,
    /// Its format; raw unless the XML says otherwise.
    pub format: ImageFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_an_id() {
        let id = |s: &str| s.parse::<DomainRef>().unwrap().id();
        assert_eq!(id("7"), Some(7));
        assert_eq!(id("+7"), None);
        assert_eq!(id("7a"), None);
        assert_eq!(id("99999999999"), None);
    }
}
