//! What a hypervisor can run.

/// What a host has for guests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HostRoom {
    /// Its memory, in bytes.
    pub memory: u64,
    /// How much of it is free, or is as soon as somebody wants it, in bytes; `None`
    /// if nobody tells.
    pub free_memory: Option<u64>,
    /// Processors.
    pub cpus: u32,
}

/// What a hypervisor can run, in the words of libvirt's capabilities.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Capabilities {
    /// The architecture of the host, such as `x86_64`.
    pub host_arch: String,
    /// The guests it can run, the host's own architecture first or not.
    pub guests: Vec<GuestAbility>,
}

/// A sort of guest that a hypervisor can run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuestAbility {
    /// What the guest is virtualized by, such as `hvm`.
    pub os_type: String,
    /// The architecture of the guest.
    pub arch: String,
    /// What can run it: `kvm`, `qemu`, …
    pub domain_types: Vec<String>,
    /// The machines that it can be, and their aliases.
    pub machines: Vec<String>,
}

impl Capabilities {
    /// The fully virtualized guests of this architecture.
    pub fn hvm(&self, arch: &str) -> Option<&GuestAbility> {
        self.guests
            .iter()
            .find(|guest| guest.arch == arch && guest.os_type == "hvm")
    }
}
