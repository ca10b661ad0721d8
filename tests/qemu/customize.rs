//! Debian guests that were customized while they were shut off.

use std::fs;

use crate::debian::{Debian, Flavor, distinct};

/// What a script for the first start does, and what is left of it then; somebody may
/// log in before it is done.
const SCRIPT: &str =
    "#!/bin/sh\necho \"$(hostname) $(cut -d ' ' -f 1 /proc/1/comm)\" >> /root/once\n";
const ASK: &str = "n=0; while [ $n -lt 120 ] && ls -d /var/lib/vmkin-firstboot \
                   /etc/systemd/system/vmkin-firstboot.service >/dev/null 2>&1; do n=$((n+1)); sleep 1; done; \
                   hostname; readlink /etc/localtime; cat /root/once; \
                   ls -d /var/lib/vmkin-firstboot /etc/systemd/system/vmkin-firstboot.service 2>/dev/null; \
                   systemctl is-failed vmkin-firstboot.service vmkin-ssh-host-keys.service; \
                   getent -s files hosts \"$(hostname)\"";

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_debian_guests_that_were_customized_are_who_they_were_to_be() {
    let lab = Debian::new("customized", Flavor::Credentials);
    lab.set_machine_id("0123456789abcdef0123456789abcdef");
    let names = ["1", "2", "3"].map(|name| lab.name(name));
    lab.ok(&format!(
        "clone -d {} --name {} --count 3",
        lab.golden,
        lab.name("{n}")
    ));
    let file = |name: &str, text: &str| {
        let path = lab.dir.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (script, secret) = (file("script", SCRIPT), file("secret", "hunter2\n"));
    let known = lab.dir.join("known_hosts");
    // Debian's own line, which this image has not.
    let hosts = file("hosts", "127.0.0.1 localhost\n127.0.1.1 golden\n");
    let all = format!(
        "--hostname {{name}}.lab --ssh-key {} --root-password file:{secret} --firstboot {script} \
         --copy-in {hosts}:/etc --timezone Europe/Berlin",
        lab.key()
    );
    // Below the addresses that the network's server gives.
    let network = "1,address=192.168.122.61-192.168.122.69/24,gateway=192.168.122.1,\
                   dns=192.168.122.1,search=lab";
    lab.ok(&format!(
        "customize -d {} -d {} {all} --machine-id new --ssh-host-keys new --known-hosts {} \
         --network {network}",
        names[0],
        names[1],
        known.display()
    ));
    // The third is only made anybody, and finds out by itself who it is; what this
    // image has for making keys is taken away.
    lab.ok(&format!("customize -d {} --ssh-host-keys new", names[2]));
    lab.ok(&format!(
        "customize -d {} {all} --generalize --delete /etc/systemd/system/vmkin-hostkeys.service",
        names[2]
    ));
    let keys = lab.ok(&format!("ls -d {} /etc/ssh", names[2])).stdout;
    assert!(!keys.contains("ssh_host_"), "{keys}");
    // The fourth is itself from the beginning.
    let fourth = lab.name("4");
    lab.ok(&format!(
        "clone -d {} --name {fourth} --identity offline --hostname {{name}}.lab --ssh-key {}",
        lab.golden,
        lab.key()
    ));
    lab.ok(&format!("start -d {} -d {fourth}", names.join(" -d ")));
    let guests = names.each_ref().map(|name| lab.up(name));
    let told = lab.up(&fourth);
    println!("up: {guests:#?} {told:#?}");
    let [one, two, three] = &guests;
    distinct(
        &[one.clone(), two.clone(), three.clone(), told.clone()],
        &["host", "ip", "mac", "machine-id", "hostkey", "key"],
    );
    assert_eq!(told["host"], format!("{fourth}.lab"));
    let uuid = lab.facts(&fourth).uuid.unwrap().simple().to_string();
    assert_eq!(told["machine-id"], uuid);
    let login = lab.login("root", &told, "hostname; echo in");
    assert_eq!(
        login.stdout,
        format!("{fourth}.lab\nin\n"),
        "{}",
        login.stderr
    );
    let uuid = lab.facts(&names[2]).uuid.unwrap().simple().to_string();
    assert_eq!(guests[2]["machine-id"], uuid);
    let ips = guests.each_ref().map(|guest| guest["ip"].as_str());
    assert_eq!(ips[..2], ["192.168.122.61", "192.168.122.62"]);
    let ask = "ip route show default; cat /etc/resolv.conf";
    let login = lab.login("root", &guests[1], ask);
    assert!(
        login.stdout.contains("default via 192.168.122.1 ")
            && login.stdout.contains("nameserver 192.168.122.1\n"),
        "{}{}",
        login.stdout,
        login.stderr
    );
    let text = fs::read_to_string(&known).unwrap();
    for (name, guest) in names.iter().zip(&guests) {
        let host = format!("{name}.lab");
        assert_eq!(guest["host"], host);
        let login = lab.login("root", guest, ASK);
        let wanted = format!("{host}\n../usr/share/zoneinfo/Europe/Berlin\n{host} systemd\n");
        let rest = login.stdout.strip_prefix(&wanted);
        let rest = rest.unwrap_or_else(|| panic!("{}{}", login.stdout, login.stderr));
        assert!(!rest.contains("/") && !rest.contains("failed\n"), "{rest}");
        assert!(rest.contains(&format!("{host} {name}\n")), "{rest}");
        let line = format!("{host},{name} ssh-ed25519 {}\n", guest["key"]);
        assert_eq!(text.contains(&line), *name != names[2], "{text}");
    }
    lab.ok(&format!(
        "delete --yes --force -d {} -d {fourth}",
        names.join(" -d ")
    ));
}
