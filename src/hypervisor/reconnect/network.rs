//! Networks over a connection that outlives a restart of the daemon.

use super::Connection;
use crate::error::Result;
use crate::hypervisor::Networks;
use crate::model::{Lease, Network, Reservation};

impl Networks for Connection {
    fn network(&self, name: &str) -> Result<Option<Network>> {
        self.ask(|libvirt| libvirt.network(name))
    }

    fn leases(&self, network: &str) -> Result<Vec<Lease>> {
        self.ask(|libvirt| libvirt.leases(network))
    }

    fn reserve(&self, reservation: &Reservation) -> Result<()> {
        // What is there already is left as it is, so it can be asked for twice.
        self.ask(|libvirt| libvirt.reserve(reservation))
    }

    fn release(&self, reservation: &Reservation) -> Result<bool> {
        self.ask(|libvirt| libvirt.release(reservation))
    }
}
