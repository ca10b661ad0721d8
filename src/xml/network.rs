//! Libvirt network XML: what it says about addresses, and the entries that
//! reserve one.

use std::net::{IpAddr, Ipv4Addr};

use super::escape::escaped;
use super::span::{Document, Node};
use crate::error::Result;
use crate::model::{DhcpHost, DnsHost, NetworkFacts, Reservation, Subnet};

/// What the XML of a network says about addresses.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no network XML.
pub fn read(xml: &str) -> Result<NetworkFacts> {
    let document = Document::parse(xml, "network")?;
    let Some(network) = document.root() else {
        return Ok(NetworkFacts::default());
    };
    let dhcp = network.all("ip").filter_map(|ip| ip.child("dhcp"));
    let hosts = dhcp.flat_map(|dhcp| dhcp.all("host")).map(dhcp_host);
    let dns = network.child("dns");
    Ok(NetworkFacts {
        subnets: network.all("ip").filter_map(subnet).collect(),
        hosts: hosts.collect(),
        dns: dns.is_none_or(|dns| dns.get("enable") != Some("no")),
        names: dns
            .into_iter()
            .flat_map(|dns| dns.all("host"))
            .filter_map(dns_host)
            .collect(),
    })
}

/// An `<ip>` of a network; `None` if it is not of IPv4.
fn subnet(ip: Node<'_, '_>) -> Option<Subnet> {
    let host: Ipv4Addr = ip.get("address")?.parse().ok()?;
    let prefix = match (ip.get("prefix"), ip.get("netmask")) {
        (Some(prefix), _) => prefix.parse().ok().filter(|bits| *bits <= 32)?,
        (None, Some(mask)) => {
            u8::try_from(u32::from(mask.parse::<Ipv4Addr>().ok()?).leading_ones()).ok()?
        }
        (None, None) => by_class(host),
    };
    Some(Subnet {
        host,
        prefix,
        dhcp: ip.child("dhcp").is_some(),
    })
}

/// The prefix that libvirt takes where the XML has none: that of the class of
/// the address.
fn by_class(ip: Ipv4Addr) -> u8 {
    match ip.octets() {
        [0..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    }
}

fn dhcp_host(host: Node<'_, '_>) -> DhcpHost {
    DhcpHost {
        mac: host.get("mac").and_then(|mac| mac.parse().ok()),
        ip: host.get("ip").and_then(|ip| ip.parse().ok()),
        name: host.get("name").map(str::to_owned),
    }
}

fn dns_host(host: Node<'_, '_>) -> Option<DnsHost> {
    let ip: IpAddr = host.get("ip")?.parse().ok()?;
    let names = host.all("hostname");
    Some(DnsHost {
        ip,
        names: names.map(|name| name.text().trim().to_owned()).collect(),
    })
}

/// The entry of the DHCP server.
pub fn dhcp_entry(reservation: &Reservation) -> String {
    format!(
        "<host mac='{}' name='{}' ip='{}'/>",
        reservation.mac,
        escaped(&reservation.name),
        reservation.ip
    )
}

/// The entry of the DNS server.
pub fn dns_entry(reservation: &Reservation) -> String {
    format!(
        "<host ip='{}'><hostname>{}</hostname></host>",
        reservation.ip,
        escaped(&reservation.name)
    )
}

/// What libvirt finds that entry by. With the name in it as well, libvirt takes
/// whatever has the address *or* the name, and refuses if that is two.
pub fn dns_key(reservation: &Reservation) -> String {
    format!("<host ip='{}'/>", reservation.ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mac;

    const XML: &str = "<network xmlns:dnsmasq='urn:x'><name>default</name>\
        <dns><host ip='192.168.122.9'><hostname>a</hostname><hostname>b</hostname></host></dns>\
        <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>\
        <range start='192.168.122.2' end='192.168.122.254'/>\
        <host mac='52:54:00:00:00:01' name='a&amp;b' ip='192.168.122.9'/>\
        <host name='only' ip='192.168.122.10'/></dhcp></ip>\
        <ip family='ipv6' address='fd00::1' prefix='64'><dhcp>\
        <host id='0:1' name='six' ip='fd00::5'/></dhcp></ip>\
        <ip address='10.0.0.1' prefix='8'/></network>";

    #[test]
    fn subnets_and_entries_are_read() {
        let facts = read(XML).unwrap();
        let subnets: Vec<String> = facts
            .subnets
            .iter()
            .map(|subnet| format!("{subnet} {}", subnet.dhcp))
            .collect();
        assert_eq!(subnets, ["192.168.122.0/24 true", "10.0.0.0/8 false"]);
        assert_eq!(facts.hosts[0].name.as_deref(), Some("a&b"));
        assert_eq!(facts.hosts[1].mac, None);
        assert_eq!(facts.hosts[2].ip, Some("fd00::5".parse().unwrap()));
        assert_eq!(facts.names[0].names, ["a", "b"]);
        assert!(facts.dns);
        let silent = read("<network><dns enable='no'/><ip address='172.16.0.1'/></network>");
        let silent = silent.unwrap();
        assert!(!silent.dns);
        assert_eq!(silent.subnets[0].to_string(), "172.16.0.0/16");
        assert!(read("<pool/>").is_err());
    }

    #[test]
    fn what_cannot_be_a_network_is_left_out() {
        for ip in [
            "<ip address='x' prefix='24'/>",
            "<ip address='10.0.0.1' prefix='33'/>",
            "<ip address='10.0.0.1' prefix='-1'/>",
            "<ip address='10.0.0.1' netmask='x'/>",
            "<ip/>",
        ] {
            let facts = read(&format!("<network>{ip}</network>")).unwrap();
            assert_eq!(facts.subnets, [], "{ip}");
        }
    }

    #[test]
    fn entries_that_are_written_are_read_again() {
        let reservation = Reservation {
            network: "default".to_owned(),
            mac: Mac::kvm([1, 2, 3]),
            ip: Ipv4Addr::new(10, 0, 0, 7),
            name: "a'&<b".to_owned(),
        };
        let xml = format!(
            "<network><dns>{}</dns><ip address='10.0.0.1'><dhcp>{}</dhcp></ip></network>",
            dns_entry(&reservation),
            dhcp_entry(&reservation)
        );
        let facts = read(&xml).unwrap();
        assert!(facts.has_host(&reservation) && facts.has_name(&reservation));
    }
}
