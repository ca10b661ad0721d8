//! What operations need of libvirt's networks.

use crate::error::Result;
use crate::model::{Lease, Network, Reservation};

/// The networks of a host.
pub trait Networks {
    /// What a network says about addresses, `None` if there is no such network.
    fn network(&self, name: &str) -> Result<Option<Network>>;

    /// The addresses that the DHCP server of an active network has given away
    /// for now; empty where nobody can tell.
    fn leases(&self, network: &str) -> Result<Vec<Lease>>;

    /// Reserves an address: now if the network is active, and for its next start
    /// if its definition is stored. What is there already is left as it is.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`](crate::error::Kind::Exists) if the address, the name or
    /// the interface is in another entry; [`Kind::NotFound`](crate::error::Kind::NotFound)
    /// if there is no such network.
    fn reserve(&self, reservation: &Reservation) -> Result<()>;

    /// Removes exactly the entries that [`Networks::reserve`] makes. Returns
    /// whether there was one; that they or the network are gone is no error.
    fn release(&self, reservation: &Reservation) -> Result<bool>;
}
