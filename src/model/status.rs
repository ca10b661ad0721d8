//! What a host says about its domains, pools and addresses at one moment.

use std::net::IpAddr;

use serde::Serialize;

use super::{Domain, DomainState, Mac, Size};

/// What libvirt says about a domain now.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DomainStatus {
    /// What it is doing, a managed save included.
    pub state: DomainState,
    /// Whether it has a stored definition. A transient domain is gone when it
    /// shuts off.
    pub persistent: bool,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// The memory it may use.
    pub memory: Size,
    /// Its virtual processors.
    pub vcpus: u32,
}

/// A domain, and what its definition gives it if that is known: while it is not active,
/// nobody has to be asked for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// The domain.
    pub domain: Domain,
    /// What it has when it starts.
    pub size: Option<MachineSize>,
}

/// How large a machine is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MachineSize {
    /// The memory it may use.
    pub memory: Size,
    /// Its virtual processors.
    pub vcpus: u32,
}

/// An address of a guest, and who told it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Address {
    /// The interface it is on.
    pub mac: Option<Mac>,
    /// The address.
    pub ip: IpAddr,
    /// The length of its network prefix, in bits.
    pub prefix: u8,
    /// Who told it.
    pub source: AddressSource,
}

/// Who knows the addresses of a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressSource {
    /// The DHCP server of a libvirt network.
    Lease,
    /// The agent inside the guest.
    Agent,
    /// The ARP table of the host.
    Arp,
}

impl AddressSource {
    /// The word virsh has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Agent => "agent",
            Self::Arp => "arp",
        }
    }
}
