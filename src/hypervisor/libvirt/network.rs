//! Libvirt's networks, and the entries of their DHCP and DNS servers.

use std::ffi::{CStr, c_char};

use virt::enumutil::Enum::Known;
use virt::error::ErrorNumber as Code;
use virt::network::Network as VirNetwork;
use virt::sys;

use super::{Libvirt, failed};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Networks;
use crate::model::{Lease, Network, NetworkFacts, Reservation};
use crate::xml::network as xml;

/// Where libvirt shall look for the `<ip>` that an entry belongs to: the first
/// that has a DHCP server, of which there can be one for IPv4.
const ANYWHERE: i32 = -1;

impl Libvirt {
    fn network_handle(&self, name: &str) -> Result<Option<VirNetwork>> {
        match self.conn.lookup_network_by_name(name) {
            Ok(handle) => Ok(Some(handle)),
            // A driver without networks has none of this name either.
            Err(e) if matches!(e.code(), Known(Code::NoNetwork | Code::NoSupport)) => Ok(None),
            Err(e) => Err(failed(&e, format!("cannot look up network '{name}'"))),
        }
    }
}

impl Networks for Libvirt {
    fn network(&self, name: &str) -> Result<Option<Network>> {
        let handle = self.network_handle(name)?;
        handle.map(|handle| describe(name, &handle)).transpose()
    }

    fn leases(&self, network: &str) -> Result<Vec<Lease>> {
        let Some(handle) = self.network_handle(network)? else {
            return Ok(Vec::new());
        };
        match leases(&handle) {
            Ok(leases) => Ok(leases),
            // Not active, or a driver without DHCP.
            Err(e)
                if matches!(
                    e.code(),
                    Known(
                        Code::NoSupport
                            | Code::OperationInvalid
                            | Code::OperationUnsupported
                            | Code::NoNetwork
                    )
                ) =>
            {
                Ok(Vec::new())
            }
            Err(e) => Err(failed(
                &e,
                format!("cannot read the leases of network '{network}'"),
            )),
        }
    }

    fn reserve(&self, reservation: &Reservation) -> Result<()> {
        let name = &reservation.network;
        let Some(handle) = self.network_handle(name)? else {
            return Err(no_network(name));
        };
        let now = describe(name, &handle)?;
        if let Some(why) = now.conflict(reservation) {
            return Err(taken(reservation, &why));
        }
        let cannot = |e| {
            let what = format!("cannot reserve {} on network '{name}'", reservation.ip);
            failed(&e, what)
        };
        let add = sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST;
        let host = affected(&now, |facts| !facts.has_host(reservation));
        if host != 0 {
            let section = sys::VIR_NETWORK_SECTION_IP_DHCP_HOST;
            let entry = xml::dhcp_entry(reservation);
            let added = handle.update(add, section, ANYWHERE, &entry, host);
            added.map_err(cannot)?;
        }
        let names = affected(&now, |facts| facts.dns && !facts.has_name(reservation));
        if names != 0 {
            let section = sys::VIR_NETWORK_SECTION_DNS_HOST;
            let entry = xml::dns_entry(reservation);
            let added = handle.update(add, section, ANYWHERE, &entry, names);
            added.map_err(cannot)?;
        }
        Ok(())
    }

    fn release(&self, reservation: &Reservation) -> Result<bool> {
        let name = &reservation.network;
        let Some(handle) = self.network_handle(name)? else {
            return Ok(false);
        };
        let now = describe(name, &handle)?;
        if now.has_nothing_of(reservation) {
            return Ok(false);
        }
        let removed = remove(&handle, &now, reservation);
        match removed {
            Ok(()) => Ok(true),
            // Somebody else was faster: that is what was wanted.
            Err(_)
                if self
                    .network(name)?
                    .is_none_or(|now| now.has_nothing_of(reservation)) =>
            {
                Ok(true)
            }
            Err(e) => Err(failed(
                &e,
                format!("cannot release {} on network '{name}'", reservation.ip),
            )),
        }
    }
}

fn remove(
    handle: &VirNetwork,
    now: &Network,
    reservation: &Reservation,
) -> std::result::Result<(), virt::error::Error> {
    let delete = sys::VIR_NETWORK_UPDATE_COMMAND_DELETE;
    // The name first: as long as the other entry is there, nobody else is given
    // the address that the name leads to.
    let names = affected(now, |facts| facts.has_name(reservation));
    if names != 0 {
        let section = sys::VIR_NETWORK_SECTION_DNS_HOST;
        handle.update(delete, section, ANYWHERE, &xml::dns_key(reservation), names)?;
    }
    let host = affected(now, |facts| facts.has_host(reservation));
    if host != 0 {
        let section = sys::VIR_NETWORK_SECTION_IP_DHCP_HOST;
        handle.update(
            delete,
            section,
            ANYWHERE,
            &xml::dhcp_entry(reservation),
            host,
        )?;
    }
    Ok(())
}

/// Which of now and the next start an update has to change. Asked to change both
/// where one is right already, libvirt changes neither.
fn affected(network: &Network, wanted: impl Fn(&NetworkFacts) -> bool) -> u32 {
    let mut flags = 0;
    if network.live.as_ref().is_some_and(&wanted) {
        flags |= sys::VIR_NETWORK_UPDATE_AFFECT_LIVE;
    }
    if network.stored.as_ref().is_some_and(&wanted) {
        flags |= sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG;
    }
    flags
}

fn describe(name: &str, handle: &VirNetwork) -> Result<Network> {
    let failed = |e| failed(&e, format!("cannot read the XML of network '{name}'"));
    let live = if handle.is_active().map_err(failed)? {
        Some(xml::read(&handle.xml_desc(0).map_err(failed)?)?)
    } else {
        None
    };
    let stored = if handle.is_persistent().map_err(failed)? {
        let inactive = sys::VIR_NETWORK_XML_INACTIVE;
        let text = handle.xml_desc(inactive).or_else(|e| match e.code() {
            // A driver that knows no difference.
            Known(Code::InvalidArg | Code::ArgumentUnsupported) => handle.xml_desc(0),
            _ => Err(e),
        });
        Some(xml::read(&text.map_err(failed)?)?)
    } else {
        None
    };
    Ok(Network { live, stored })
}

/// The leases of a network that have not run out. The `virt` crate has no call
/// for them.
fn leases(handle: &VirNetwork) -> std::result::Result<Vec<Lease>, virt::error::Error> {
    // SAFETY: the handle is alive as long as it is borrowed. On success the call
    // returns how many leases the array has that it points `first` to; they and
    // the array belong to the caller, and each text in them is null or ends with
    // a zero byte.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    unsafe {
        let mut first: *mut sys::virNetworkDHCPLeasePtr = std::ptr::null_mut();
        let count = sys::virNetworkGetDHCPLeases(handle.as_ptr(), std::ptr::null(), &mut first, 0);
        let Ok(count) = usize::try_from(count) else {
            return Err(virt::error::Error::last_error());
        };
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            let lease = *first.add(index);
            let ip = text((*lease).ipaddr).and_then(|ip| ip.parse().ok());
            let mac = text((*lease).mac).and_then(|mac| mac.parse().ok());
            all.extend(ip.map(|ip| Lease { mac, ip }));
            sys::virNetworkDHCPLeaseFree(lease);
        }
        nix::libc::free(first.cast());
        Ok(all)
    }
}

/// A text of libvirt's.
///
/// # Safety
///
/// The pointer must be null or point to bytes that end with a zero.
#[expect(unsafe_code, reason = "reads what a C library points to")]
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: that is what the caller promises.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned())
}

fn no_network(name: &str) -> Error {
    Error::new(Kind::NotFound, format!("no network '{name}'"))
        .hint("see which there are: `virsh net-list --all`")
}

fn taken(reservation: &Reservation, why: &str) -> Error {
    let (ip, network) = (reservation.ip, &reservation.network);
    Error::new(
        Kind::Exists,
        format!("{ip} cannot be reserved on network '{network}': {why}"),
    )
    .hint(format!(
        "see what is reserved: `virsh net-dumpxml {network}`"
    ))
}
