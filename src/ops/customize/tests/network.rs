//! Addresses of interfaces, by what sets them up in the guest.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Drafted, Tree};
use crate::error::{Error, Kind};
use crate::model::Mac;
use crate::ops::customize::{MacPins, Wishes};

const FIXED: &str = "address=10.0.0.10-10.0.0.19/24+fd00::10-fd00::19/64,gateway=10.0.0.1+fe80::1,\
                     dns=10.0.0.1+fd00::1,search=lab+example.org";

/// The MAC addresses of a domain with so many interfaces.
pub(super) fn macs(count: usize) -> Vec<Mac> {
    (1..=count)
        .map(|last| format!("52:54:00:00:00:{last:02x}").parse().unwrap())
        .collect()
}

fn wishes(texts: &[&str]) -> Wishes {
    let network = texts.iter().map(|text| text.parse().unwrap());
    Wishes {
        network: network.collect(),
        ..Wishes::default()
    }
}

impl Tree {
    fn enable(&self, unit: &str) {
        let wants = "etc/systemd/system/multi-user.target.wants";
        fs::create_dir_all(self.path(wants)).unwrap();
        let unit_file = format!("/usr/lib/systemd/system/{unit}");
        symlink(unit_file, self.path(wants).join(unit)).unwrap();
    }

    /// As it is drafted for a domain with so many interfaces.
    #[track_caller]
    fn set_up(&self, interfaces: usize, texts: &[&str]) -> Drafted {
        let macs = macs(interfaces);
        let drafted = self.draft_in(Some(&macs), &wishes(texts));
        drafted.unwrap().0
    }

    #[track_caller]
    fn error(&self, interfaces: Option<usize>, text: &str) -> Error {
        let macs = interfaces.map(macs);
        let drafted = self.draft_in(macs.as_deref(), &wishes(&[text]));
        drafted.unwrap_err()
    }

    /// What was drafted is in it now.
    fn becomes(&self, drafted: &Drafted) {
        for (path, text) in drafted {
            let path = path.trim_start_matches('/');
            match text.as_str() {
                "gone" => fs::remove_file(self.path(path)).unwrap(),
                text if text.starts_with("dir ") => fs::create_dir_all(self.path(path)).unwrap(),
                text => {
                    let new = text.strip_prefix("0644 ").or(text.strip_prefix("0600 "));
                    self.write(path, new.unwrap_or(text));
                }
            }
        }
    }
}

#[test]
fn networkd_has_a_file_before_all_others() {
    let tree = Tree::new();
    tree.enable("systemd-networkd.service");
    tree.enable("systemd-resolved.service");
    let drafted = tree.set_up(1, &[FIXED]);
    let path = "/etc/systemd/network/05-vmkin-525400000001.network";
    let text = "0644 # Written by vmkin customize.\n[Match]\nMACAddress=52:54:00:00:00:01\n\n\
                [Network]\nDHCP=no\nAddress=10.0.0.11/24\nGateway=10.0.0.1\nDNS=10.0.0.1\n\
                Address=fd00::11/64\nGateway=fe80::1\nDNS=fd00::1\nDomains=lab example.org\n";
    assert_eq!(drafted[path], text);
    assert_eq!(drafted.len(), 2, "{drafted:?}");
    tree.becomes(&drafted);
    assert!(tree.set_up(1, &[FIXED]).is_empty());
    // What a clone has of its golden domain does not stay before it.
    let golden = "etc/systemd/network/05-vmkin-000000000009.network";
    tree.write(golden, "[Match]\nMACAddress=52:54:00:00:00:01\n");
    let drafted = tree.set_up(2, &["address=dhcp"]);
    assert_eq!(drafted[&format!("/{golden}")], "gone");
    assert!(drafted[path].contains("\nDHCP=yes\n") && !drafted[path].contains("Address=10."));
    assert_eq!(drafted.len(), 2, "{drafted:?}");
    // By a name, of an image.
    let (drafted, _) = tree
        .draft(&wishes(&["eth1,address=10.0.0.2-10.0.0.3/24"]))
        .unwrap();
    let text = &drafted["/etc/systemd/network/05-vmkin-eth1.network"];
    assert!(text.contains("\nName=eth1\n") && text.contains("=10.0.0.3/24"));
    // Nor if it is bound to the card of the clone first.
    let tree = Tree::new();
    tree.enable("systemd-networkd.service");
    tree.write(golden, "[Match]\nMACAddress=52:54:00:00:00:09\n");
    let wishes_with_pins = Wishes {
        mac_pins: vec![MacPins::Domain],
        ..wishes(&["address=dhcp"])
    };
    let (drafted, _) = tree.draft_in(Some(&macs(1)), &wishes_with_pins).unwrap();
    assert_eq!(drafted[&format!("/{golden}")], "gone");
}

#[test]
fn name_servers_are_in_a_file_where_no_program_has_them() {
    let tree = Tree::new();
    tree.enable("systemd-networkd.service");
    let old = "search old\noptions rotate\nnameserver 192.0.2.1\n";
    tree.write("etc/resolv.conf", old);
    let drafted = tree.set_up(1, &["address=dhcp,dns=10.0.0.1,search=lab"]);
    assert_eq!(
        drafted["/etc/resolv.conf"],
        "options rotate\nsearch lab\nnameserver 10.0.0.1\n"
    );
    let without = tree.set_up(1, &["address=dhcp"]);
    assert!(!without.contains_key("/etc/resolv.conf"), "{without:?}");
    fs::remove_file(tree.path("etc/resolv.conf")).unwrap();
    symlink("../run/resolv.conf", tree.path("etc/resolv.conf")).unwrap();
    let linked = tree.set_up(1, &["address=dhcp,dns=10.0.0.1"]);
    assert_eq!(linked.len(), 2, "{linked:?}");
}

#[test]
fn netplan_says_who_does_it() {
    let tree = Tree::new();
    tree.enable("NetworkManager.service");
    tree.write("usr/sbin/netplan", "");
    tree.write(
        "etc/netplan/50-cloud-init.yaml",
        "network:\n  ethernets: {}\n",
    );
    let drafted = tree.set_up(1, &["address=dhcp"]);
    let networkd = "/etc/systemd/network/05-vmkin-525400000001.network";
    assert!(drafted.contains_key(networkd), "{drafted:?}");
    let all = "etc/netplan/01-network-manager-all.yaml";
    tree.write(all, "network:\n  renderer: NetworkManager\n");
    let drafted = tree.set_up(1, &["address=dhcp"]);
    let manager = "/etc/NetworkManager/system-connections/vmkin-525400000001.nmconnection";
    assert!(drafted.contains_key(manager), "{drafted:?}");
    tree.write("etc/netplan/02.yaml", "network:\n  renderer: networkd\n");
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("more than one renderer"));
    tree.write("etc/netplan/02.yaml", "network:\n  bridges:\n    br0: {}\n");
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("02.yaml has bridges"), "{error}");
}

#[test]
fn network_manager_has_a_connection_that_it_prefers() {
    let tree = Tree::new();
    tree.enable("NetworkManager.service");
    let path = "/etc/NetworkManager/system-connections/vmkin-525400000002.nmconnection";
    let drafted = tree.set_up(2, &[&format!("2,{FIXED}")]);
    let text = &drafted[path];
    let uuid = text.lines().find(|line| line.starts_with("uuid=")).unwrap();
    assert_eq!(
        *text,
        format!(
            "0600 # Written by vmkin customize.\n[connection]\nid=vmkin-525400000002\n{uuid}\n\
             type=ethernet\nautoconnect-priority=999\n\n[ethernet]\nmac-address=52:54:00:00:00:02\n\n\
             [ipv4]\nmethod=manual\naddress1=10.0.0.11/24,10.0.0.1\ndns=10.0.0.1;\n\
             dns-search=lab;example.org;\n\n[ipv6]\nmethod=manual\naddress1=fd00::11/64,fe80::1\n\
             dns=fd00::1;\ndns-search=lab;example.org;\n"
        )
    );
    tree.becomes(&drafted);
    let drafted = tree.set_up(2, &["2,address=fd00::2-fd00::3/64"]);
    let text = &drafted[path];
    assert!(text.contains(uuid) && text.contains("[ipv4]\nmethod=disabled\n\n[ipv6]\n"));
    assert!(
        !text.contains("10.0.0.11") && drafted.len() == 1,
        "{drafted:?}"
    );
    let port = "[connection]\nmaster=br0\n";
    tree.write("etc/NetworkManager/system-connections/port", port);
    let error = tree.error(Some(2), "address=dhcp");
    assert!(error.to_string().contains("master="), "{error}");
    // A bridge of networkd, and two that would set up the same.
    let tree = Tree::new();
    tree.enable("systemd-networkd.service");
    tree.write("etc/systemd/network/br.network", "[Network]\nBridge=br0\n");
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("Bridge="), "{error}");
    tree.enable("NetworkManager.service");
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("both NetworkManager"), "{error}");
}

#[test]
fn the_file_of_an_interface_of_red_hat_keeps_the_rest() {
    let tree = Tree::new();
    tree.enable("NetworkManager.service");
    tree.write(
        "usr/lib64/NetworkManager/1.18.8-1.el7/libnm-settings-plugin-ifcfg-rh.so",
        "",
    );
    let scripts = "etc/sysconfig/network-scripts";
    tree.write(
        &format!("{scripts}/ifcfg-lo"),
        "DEVICE=lo\nIPADDR=127.0.0.1\n",
    );
    tree.write(&format!("{scripts}/ifcfg-eth0.bak"), "DEVICE=eth0\n");
    tree.write(
        &format!("{scripts}/ifcfg-eth0"),
        "# Mine\nDEVICE=\"eth0\"\nBOOTPROTO=dhcp\nONBOOT=no\nHWADDR=52:54:00:00:00:99\nDNS1=8.8.8.8\n\
         ZONE=internal\n",
    );
    tree.write("etc/cloud/cloud.cfg", "");
    let path = format!("/{scripts}/ifcfg-eth0");
    let drafted = tree.set_up(1, &[FIXED]);
    let text = "# Mine\nDEVICE=\"eth0\"\nBOOTPROTO=none\nONBOOT=yes\nHWADDR=52:54:00:00:00:01\n\
                DNS1=10.0.0.1\nZONE=internal\nIPADDR=10.0.0.11\nPREFIX=24\nGATEWAY=10.0.0.1\nIPV6INIT=yes\n\
                IPV6ADDR=fd00::11/64\nIPV6_DEFAULTGW=fe80::1\nDNS2=fd00::1\n\
                DOMAIN=\"lab example.org\"\n";
    assert_eq!(drafted[&path], text);
    // Or cloud-init would write it anew.
    let cloud = &drafted["/etc/cloud/cloud.cfg.d/99-vmkin-network.cfg"];
    assert!(cloud.ends_with("\nnetwork: {config: disabled}\n"));
    tree.becomes(&drafted);
    assert!(tree.set_up(1, &[FIXED]).is_empty());
    let drafted = tree.set_up(1, &["address=10.0.0.3-10.0.0.4/8+10.0.0.5-10.0.0.6/8"]);
    let text = "# Mine\nDEVICE=\"eth0\"\nBOOTPROTO=none\nONBOOT=yes\nHWADDR=52:54:00:00:00:01\n\
                ZONE=internal\nIPADDR=10.0.0.4\nPREFIX=8\nIPV6INIT=yes\nIPADDR1=10.0.0.6\nPREFIX1=8\n";
    assert_eq!(drafted[&path], text);
    // The second of two is another one, which has to be named to be made.
    let error = tree.error(Some(2), "2,address=dhcp");
    assert!(error.kind() == Kind::WrongState && error.to_string().contains("ifcfg-eth0"));
    let drafted = tree.set_up(2, &["eth1,address=dhcp", "address=dhcp"]);
    assert_eq!(
        drafted[&format!("/{scripts}/ifcfg-eth1")],
        "0644 # Written by vmkin customize.\nTYPE=Ethernet\nDEVICE=eth1\nNAME=eth1\nBOOTPROTO=dhcp\n\
         ONBOOT=yes\n"
    );
    assert!(drafted[&path].contains("BOOTPROTO=dhcp") && !drafted[&path].contains("IPADDR"));
    tree.write(
        &format!("{scripts}/ifcfg-eth0"),
        "DEVICE=eth0\nBRIDGE=br0\n",
    );
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("part of another"), "{error}");
    // Without what reads these files, NetworkManager has its own.
    fs::remove_dir_all(tree.path("usr/lib64")).unwrap();
    let drafted = tree.set_up(1, &["address=dhcp"]);
    let own = "/etc/NetworkManager/system-connections/vmkin-525400000001.nmconnection";
    assert!(drafted.contains_key(own), "{drafted:?}");
}

#[test]
fn the_file_of_an_interface_of_suse_has_its_routes_beside_it() {
    let tree = Tree::new();
    tree.enable("wickedd.service");
    let dir = "etc/sysconfig/network";
    tree.write(
        &format!("{dir}/ifcfg-eth0"),
        "BOOTPROTO='static'\nIPADDR='192.0.2.1/24'\nIPADDR_1='192.0.2.2/24'\nMTU='1400'\n",
    );
    tree.write(
        &format!("{dir}/ifroute-eth0"),
        "default 192.0.2.9 - -\n10.9.0.0/16 192.0.2.8 - -\n",
    );
    tree.write(
        &format!("{dir}/config"),
        "NETCONFIG_DNS_STATIC_SERVERS=\"\"\nX=1\n",
    );
    let drafted = tree.set_up(1, &[FIXED]);
    assert_eq!(
        drafted["/etc/sysconfig/network/ifcfg-eth0"],
        "BOOTPROTO=static\nIPADDR=10.0.0.11/24\nIPADDR_1=fd00::11/64\nMTU='1400'\nSTARTMODE=auto\n"
    );
    assert_eq!(
        drafted["/etc/sysconfig/network/ifroute-eth0"],
        "10.9.0.0/16 192.0.2.8 - -\ndefault 10.0.0.1 - -\ndefault fe80::1 - -\n"
    );
    assert_eq!(
        drafted["/etc/sysconfig/network/config"],
        "NETCONFIG_DNS_STATIC_SERVERS=\"10.0.0.1 fd00::1\"\nX=1\n\
         NETCONFIG_DNS_STATIC_SEARCHLIST=\"lab example.org\"\n"
    );
    assert_eq!(drafted.len(), 3, "{drafted:?}");
}

#[test]
fn a_stanza_of_debian_is_replaced_in_its_place() {
    let tree = Tree::new();
    tree.enable("networking.service");
    tree.write(
        "etc/network/interfaces",
        "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n# The one\n\
         allow-hotplug enp1s0\niface enp1s0 inet dhcp\n\tmtu 1400\n\tpost-up echo \\\n\t  iface up\n\
         # Of routers\niface enp1s0 inet6 auto\n\n",
    );
    let path = "/etc/network/interfaces";
    let head = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n# The one\n\
                allow-hotplug enp1s0\n";
    let kept = "\tmtu 1400\n\tpost-up echo \\\n\t  iface up\n";
    let drafted = tree.set_up(1, &[FIXED]);
    assert_eq!(
        drafted[path],
        format!(
            "{head}iface enp1s0 inet static\n    address 10.0.0.11/24\n    gateway 10.0.0.1\n    \
             dns-nameservers 10.0.0.1 fd00::1\n    dns-search lab example.org\n{kept}\
             iface enp1s0 inet6 static\n    address fd00::11/64\n    gateway fe80::1\n\
             # Of routers\n\n"
        )
    );
    assert!(drafted["/etc/resolv.conf"].contains("\nnameserver fd00::1\n"));
    tree.becomes(&drafted);
    assert!(tree.set_up(1, &[FIXED]).is_empty());
    // Of IPv6 nothing is left that was said before.
    let drafted = tree.set_up(1, &["address=10.0.0.3-10.0.0.4/8"]);
    assert_eq!(
        drafted[path],
        format!("{head}iface enp1s0 inet static\n    address 10.0.0.4/8\n{kept}# Of routers\n\n")
    );
    assert_eq!(drafted.len(), 1);
    // What the routers say stays.
    let auto = "auto lo\niface lo inet loopback\niface enp1s0 inet6 auto\n  privext 2\n";
    tree.write("etc/network/interfaces", auto);
    let drafted = tree.set_up(1, &["address=dhcp"]);
    assert_eq!(drafted.len(), 1, "{drafted:?}");
    // Of two it has to be said which; a new one is started.
    tree.write(
        "etc/network/interfaces.d/eth1",
        "auto eth1\niface eth1 inet dhcp\n",
    );
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("enp1s0, eth1"), "{error}");
    let drafted = tree.set_up(1, &["eth1,address=10.0.0.3-10.0.0.4/8"]);
    assert_eq!(
        drafted["/etc/network/interfaces.d/eth1"],
        "auto eth1\niface eth1 inet static\n    address 10.0.0.4/8\n"
    );
    let drafted = tree.set_up(1, &["eth2,address=dhcp"]);
    assert_eq!(
        drafted[path],
        format!("{auto}\nauto eth2\niface eth2 inet dhcp\n")
    );
}

#[test]
fn what_is_not_certain_is_not_done() {
    let tree = Tree::new();
    let error = tree.error(Some(1), "address=dhcp");
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(
        error.to_string().contains("it is not known what sets up"),
        "{error}"
    );
    tree.enable("systemd-networkd.service");
    for (interfaces, text, kind, why) in [
        (
            Some(0),
            "address=dhcp",
            Kind::NotFound,
            "no network interface",
        ),
        (Some(1), "2,address=dhcp", Kind::NotFound, "number 2"),
        (
            Some(1),
            "address=dhcp,mac=52:54:00:00:00:09",
            Kind::NotFound,
            "with 52:54:00:00:00:09",
        ),
        (None, "1,address=dhcp", Kind::Usage, "number 1"),
        (None, "address=dhcp", Kind::Usage, "an image will have"),
    ] {
        let error = tree.error(interfaces, text);
        assert!(
            error.kind() == kind && error.to_string().contains(why),
            "{text}: {error}"
        );
    }
    let macs = macs(1);
    let twice = tree.draft_in(Some(&macs), &wishes(&["address=dhcp", "1,address=dhcp"]));
    let error = twice.unwrap_err();
    assert!(error.to_string().contains("set up twice"), "{error}");
    // Masked, it is not enabled.
    symlink(
        "/dev/null",
        tree.path("etc/systemd/system/systemd-networkd.service"),
    )
    .unwrap();
    let error = tree.error(Some(1), "address=dhcp");
    assert!(error.to_string().contains("none is enabled"), "{error}");
}

#[test]
fn no_two_guests_get_one_address() {
    for (texts, guests, fits) in [
        (&["address=10.0.0.2/24"][..], 1, true),
        (&["address=10.0.0.2/24"], 2, false),
        (&["address=10.0.0.2-10.0.0.4/24"], 3, true),
        (&["address=10.0.0.2-10.0.0.4/24"], 4, false),
        (&["address=dhcp"], 4, true),
        (&["address=dhcp,mac=52:54:00:00:00:09"], 2, false),
        (
            &[
                "address=10.0.0.2-10.0.0.3/24",
                "2,address=10.0.0.3-10.0.0.4/24",
            ],
            1,
            false,
        ),
    ] {
        let checked = wishes(texts).check_for(guests);
        assert_eq!(checked.is_ok(), fits, "{texts:?}");
    }
}
