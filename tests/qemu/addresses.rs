//! Addresses that are reserved for guests, on a network of their own.

use std::process::Command;

use crate::lab::{Lab, Ran, tool};

/// A network that has room for three reservations and one guest more.
const NETWORK: &str = "<network><name>rooms</name><forward mode='open'/>\
    <bridge name='virbr7' stp='off' delay='0'/>\
    <ip address='192.168.150.1' netmask='255.255.255.0'><dhcp>\
    <range start='192.168.150.201' end='192.168.150.204'/></dhcp></ip>\
    <dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>\
    <dnsmasq:option value='no-ping'/></dnsmasq:options></network>";

struct Rooms(Lab);

impl Rooms {
    /// A golden domain whose interface is on the network, which is active.
    fn new(test: &str) -> Self {
        let lab = Lab::new(test);
        let file = lab.dir.join("rooms.xml");
        std::fs::write(&file, NETWORK).unwrap();
        tool("virsh", &["-q", "net-define", &file.display().to_string()]);
        std::fs::remove_file(&file).unwrap();
        tool("virsh", &["-q", "net-start", "rooms"]);
        let xml = lab.golden_xml();
        lab.define(&xml.replace("network='default'", "network='rooms'"));
        Self(lab)
    }

    fn clone(&self, more: &str) -> String {
        format!("clone -d {} {more}", self.0.golden)
    }

    /// What the network has of an address, now and for its next start.
    fn has(&self, what: &str) -> (bool, bool) {
        let live = tool("virsh", &["net-dumpxml", "rooms"]);
        let stored = tool("virsh", &["net-dumpxml", "--inactive", "rooms"]);
        (live.contains(what), stored.contains(what))
    }

    /// What the DNS server of the network answers. The exit code says only that
    /// there is no IPv6 address.
    fn lookup(&self, name: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "a tool that judges the result")]
        let output = Command::new("busybox")
            .args(["nslookup", name, "192.168.150.1"])
            .output()
            .unwrap();
        Ran::new(&output).stdout
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "cleans up after the test")]
        let virsh = |command: &str| drop(Command::new("virsh").args([command, "rooms"]).output());
        virsh("net-destroy");
        virsh("net-undefine");
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_clones_get_the_addresses_and_names_that_are_reserved_for_them() {
    let rooms = Rooms::new("addresses");
    let lab = &rooms.0;
    let guests: Vec<String> = (1..=3).map(|n| lab.name(&n.to_string())).collect();
    let made = lab.ok(&rooms.clone(&format!(
        "{} --count 3 --ip 192.168.150.201-192.168.150.203 --json",
        lab.name("{n}")
    )));
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(
        made["clones"][2]["reservations"][0]["ip"],
        "192.168.150.203"
    );
    assert_eq!(rooms.has("192.168.150.202"), (true, true));
    // Reserved addresses may lie in the range of the others: nobody else is given
    // one, so there is only one left for a guest that has none.
    let other = lab.name("other");
    let ip = lab.ok(&rooms.clone(&format!("{other} --start --wait-ip=3m -q")));
    assert_eq!(ip.stdout, "192.168.150.204\n", "{}", ip.stderr);
    lab.virsh_destroy(&other);

    let all = guests.join(" ");
    let started = lab.ok(&format!("start -d {all} --wait-ip=5m"));
    for (n, name) in guests.iter().enumerate() {
        let ip = format!("192.168.150.20{}", n + 1);
        assert!(
            started.stdout.contains(&format!("{name} {ip}\n")),
            "{}",
            started.stdout
        );
        assert_eq!(lab.ready(name)["ip"], ip);
        let answer = rooms.lookup(name);
        assert!(answer.contains(&format!("Address: {ip}")), "{answer}");
        assert!(rooms.lookup(&ip).contains(name));
        assert!(
            lab.ok(&format!("show -d {name}"))
                .stdout
                .contains("Reserved:")
        );
    }
    // A reset guest is the same guest.
    lab.ok(&format!("destroy -d {all}"));
    lab.ok(&format!("reset --yes -d {}", guests[0]));
    assert_eq!(rooms.has("192.168.150.201"), (true, true));
    lab.fails(
        5,
        &rooms.clone(&format!("{} --ip 192.168.150.201", lab.name("x"))),
    );

    // One that somebody gave another name meanwhile is theirs now.
    let mac = lab.facts(&guests[1]).nics[0].mac.unwrap();
    let theirs = format!("<host mac='{mac}' name='theirs' ip='192.168.150.202'/>");
    let update = |how: &str, section: &str, xml: &str| {
        let args = ["-q", "net-update", "rooms", how, section, xml];
        tool("virsh", &[&args[..], &["--live", "--config"]].concat());
    };
    update("modify", "ip-dhcp-host", &theirs);
    update("delete", "dns-host", "<host ip='192.168.150.203'/>");
    lab.ok(&format!("delete --yes -d {all}"));
    assert_eq!(rooms.has("ip='192.168.150.201'"), (false, false));
    assert_eq!(rooms.has("ip='192.168.150.203'"), (false, false));
    assert_eq!(rooms.has(&theirs), (true, true));
    assert_eq!(lab.journals(), 0);
    // The lease of the guest has not run out, and dnsmasq would not give its
    // address to another one.
    let leased = lab.fails(
        5,
        &rooms.clone(&format!("{} --ip 192.168.150.201", lab.name("x"))),
    );
    assert!(leased.stderr.contains("is leased to"), "{}", leased.stderr);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_an_address_is_given_back_by_recover_and_one_run_alone_gets_it() {
    let rooms = Rooms::new("giveback");
    let lab = &rooms.0;
    let (web, ip) = (lab.name("web"), "192.168.150.202");
    let clone = rooms.clone(&format!("{web} --ip {ip}"));
    // Killed before the domain is defined, and right after.
    for (failpoint, stays) in [("clone.reserved=kill", false), ("clone.defined=kill", true)] {
        lab.vmkin_with(failpoint, &clone);
        assert_eq!(rooms.has(ip), (true, true), "{failpoint}");
        assert_eq!(lab.journals(), 1);
        lab.ok("recover");
        assert_eq!(rooms.has(ip), (stays, stays), "{failpoint}");
        assert_eq!(lab.clones().len(), usize::from(stays));
    }
    // The other way round: gone, and not given back yet.
    for failpoint in ["delete.undefined=kill", "delete.reservation=kill"] {
        lab.vmkin_with(failpoint, &format!("delete --yes -d {web}"));
        assert_eq!(lab.clones(), [""; 0]);
        lab.ok("recover");
        assert_eq!(rooms.has(ip), (false, false), "{failpoint}");
        lab.ok(&clone);
    }
    lab.ok(&format!("delete --yes -d {web}"));
    // What fails is taken back at once.
    let failed = lab.vmkin_with("clone.reserved=error", &clone);
    assert_ne!(failed.code, Some(0));
    assert_eq!((rooms.has(ip), lab.journals()), ((false, false), 0));

    // A network that is not active: for its next start.
    tool("virsh", &["-q", "net-destroy", "rooms"]);
    let inactive = lab.ok(&clone);
    assert!(
        inactive.stderr.contains("is not active"),
        "{}",
        inactive.stderr
    );
    assert_eq!(rooms.has(ip), (true, true));
    tool("virsh", &["-q", "net-start", "rooms"]);
    let answer = rooms.lookup(&web);
    assert!(answer.contains(&format!("Address: {ip}")), "{answer}");
    lab.ok(&format!("delete --yes -d {web}"));
    assert_eq!(rooms.has(ip), (false, false));
    assert!(!rooms.lookup(&web).contains(ip));

    // Two at once.
    let both = ["a", "b"].map(|name| {
        let clone = rooms.clone(&format!("{} --ip {ip}", lab.name(name)));
        lab.spawn(&clone)
    });
    let ends = both.map(|run| Ran::new(&run.wait_with_output().unwrap()));
    let won = ends.iter().filter(|ran| ran.code == Some(0)).count();
    let lost = ends.iter().find(|ran| ran.code != Some(0)).unwrap();
    assert_eq!(won, 1, "{}", lost.stderr);
    assert!(matches!(lost.code, Some(5 | 7)), "{}", lost.stderr);
    assert_eq!(lab.clones().len(), 1);
    let live = tool("virsh", &["net-dumpxml", "rooms"]);
    assert_eq!(live.matches("<host mac=").count(), 1, "{live}");
    lab.ok(&format!("delete --yes -d {}", lab.clones()[0]));

    // The network is gone: no reason for its guest to stay.
    lab.ok(&clone);
    tool("virsh", &["-q", "net-destroy", "rooms"]);
    tool("virsh", &["-q", "net-undefine", "rooms"]);
    lab.ok(&format!("delete --yes -d {web}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
