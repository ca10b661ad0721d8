//! What a hypervisor can run, out of `virConnectGetCapabilities`.

use uuid::Uuid;

use super::span::{Document, Node};
use crate::error::Result;
use crate::model::{Capabilities, GuestAbility};

/// Reads the capabilities of a hypervisor.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no such XML.
pub fn read(xml: &str) -> Result<Capabilities> {
    let document = Document::parse(xml, "capabilities")?;
    let Some(root) = document.root() else {
        return Ok(Capabilities::default());
    };
    let text = |node: Option<Node<'_, '_>>| {
        node.map(|node| node.text().trim().to_owned())
            .unwrap_or_default()
    };
    let guests = root.all("guest").filter_map(|guest| {
        let arch = guest.child("arch")?;
        let words = |parent: Node<'_, '_>, name: &str| -> Vec<String> {
            parent.all(name).map(|node| text(Some(node))).collect()
        };
        let mut machines = words(arch, "machine");
        let domains: Vec<Node<'_, '_>> = arch.all("domain").collect();
        // What only one of them can be is listed there.
        for domain in &domains {
            machines.extend(words(*domain, "machine"));
        }
        machines.dedup();
        Some(GuestAbility {
            os_type: text(guest.child("os_type")),
            arch: arch.get("name").unwrap_or_default().to_owned(),
            domain_types: domains
                .iter()
                .filter_map(|domain| domain.get("type").map(str::to_owned))
                .collect(),
            machines,
        })
    });
    Ok(Capabilities {
        host_arch: text(root.at(&["host", "cpu", "arch"])),
        guests: guests.collect(),
    })
}

/// The UUID of the host, as the daemon that runs there knows it.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no such XML.
pub fn host_uuid(xml: &str) -> Result<Option<Uuid>> {
    let document = Document::parse(xml, "capabilities")?;
    let uuid = document.root().and_then(|root| root.at(&["host", "uuid"]));
    Ok(uuid.and_then(|uuid| uuid.text().trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_a_uuid_or_none_that_makes_sense() {
        let uuid = |inner: &str| {
            let xml = format!("<capabilities><host>{inner}</host></capabilities>");
            host_uuid(&xml).unwrap().map(|uuid| uuid.to_string())
        };
        let known = "da64bc13-d54b-43b2-a94f-ca171a32c181";
        let found = uuid(&format!("<uuid>{known}</uuid>"));
        assert_eq!(found.as_deref(), Some(known));
        assert_eq!(uuid("<uuid>x</uuid>"), None);
        assert_eq!(uuid(""), None);
        assert!(host_uuid("<domain/>").is_err());
    }

    #[test]
    fn what_can_be_run_is_read() {
        let xml = "<capabilities><host><cpu><arch>x86_64</arch></cpu></host>\
            <guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>\
            <guest><os_type>hvm</os_type><arch name='x86_64'><wordsize>64</wordsize>\
            <machine canonical='pc-q35-10.0'>q35</machine><machine>pc-q35-10.0</machine>\
            <domain type='qemu'/><domain type='kvm'><machine>microvm</machine></domain></arch></guest>\
            </capabilities>";
        let all = read(xml).unwrap();
        assert_eq!(all.host_arch, "x86_64");
        let guest = all.hvm("x86_64").unwrap();
        assert_eq!(guest.domain_types, ["qemu", "kvm"]);
        assert_eq!(guest.machines, ["q35", "pc-q35-10.0", "microvm"]);
        assert!(all.hvm("riscv64").is_none());
        assert!(read("<domain/>").is_err());
    }
}
