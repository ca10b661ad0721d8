//! Guests that are told who they are: QEMU's driver takes the XML, the disk is
//! there to be read, and Debian does as it is told.

use std::os::unix::fs::MetadataExt as _;

use crate::debian::{Debian, Flavor, Ready, distinct};
use crate::lab::{Lab, tool};

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_is_told_who_it_is_and_its_disk_goes_with_it() {
    let lab = Lab::new("told");
    let [a, b, c] = ["a", "b", "c"].map(|name| lab.name(name));
    lab.ok(&format!(
        "clone -d {} {a} --hostname h-one.lab --start",
        lab.golden
    ));
    lab.ready(&a);
    let seed = lab.dir.join(format!("{a}-seed.img"));
    // QEMU's user reads it, and nobody else but root.
    let meta = std::fs::metadata(&seed).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert_ne!(meta.uid(), 0);
    let xml = lab.xml(&a);
    assert!(
        xml.contains("-seed.img") && xml.contains("<readonly/>"),
        "{xml}"
    );
    assert!(
        xml.contains("credential:system.hostname=h-one.lab"),
        "{xml}"
    );
    let label = tool(
        "blkid",
        &[
            "-p",
            "-s",
            "LABEL",
            "-o",
            "value",
            &seed.display().to_string(),
        ],
    );
    assert_eq!(label.trim(), "CIDATA");
    lab.virsh_destroy(&a);

    // A clone of it is told by its firmware alone, and one of that not at all.
    lab.ok(&format!(
        "clone -d {a} {b} --hostname h-two --identity smbios --start"
    ));
    lab.ready(&b);
    let xml = lab.xml(&b);
    assert!(!xml.contains("seed.img"), "{xml}");
    assert!(xml.contains(";h=h-two</entry>"), "{xml}");
    lab.virsh_destroy(&b);
    lab.ok(&format!("clone -d {b} {c} --start"));
    lab.ready(&c);
    let xml = lab.xml(&c);
    assert!(!xml.contains("=h-") && !xml.contains("ds=nocloud"), "{xml}");
    lab.virsh_destroy(&c);

    for name in [&c, &b, &a] {
        lab.ok(&format!("delete --yes --force -d {name}"));
    }
    assert!(!seed.exists());
}

/// Fails unless the guest, which is up, is who its domain says; and nobody else.
/// Returns what it prints to one more command.
#[track_caller]
fn is_itself(lab: &Debian, name: &str, guest: &Ready, user: &str, more: &str) -> String {
    let facts = lab.facts(name);
    let uuid = facts.uuid.unwrap().simple().to_string();
    assert_eq!(guest["mac"], facts.nics[0].mac.unwrap().to_string());
    assert_eq!(guest["host"], name);
    assert_eq!(guest["machine-id"], uuid);
    let ip = lab.ok(&format!("ip -d {name}")).stdout;
    assert!(ip.lines().any(|line| line == guest["ip"]), "{ip} {guest:?}");
    // Whoever has the address has the host key and the name.
    let command = format!("hostname && cat /etc/machine-id && {more}");
    let login = lab.login(user, guest, &command);
    assert_eq!(login.code, Some(0), "{}{}", login.stdout, login.stderr);
    assert_eq!(login.stderr, "");
    let told = login.stdout.strip_prefix(&format!("{name}\n{uuid}\n"));
    told.unwrap_or_else(|| panic!("{}", login.stdout))
        .to_owned()
}

/// Fails unless ssh refuses the guest if the host key of the other is expected.
#[track_caller]
fn is_known_by_its_own_key(lab: &Debian, guest: &Ready, other: &Ready, user: &str) {
    let mut impostor = guest.clone();
    impostor.insert("key".to_owned(), other["key"].clone());
    let refused = lab.login(user, &impostor, "true");
    assert_eq!(refused.code, Some(255), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("Host key verification failed"),
        "{}",
        refused.stderr
    );
}

const ALL: &[&str] = &["host", "ip", "mac", "machine-id", "hostkey", "key"];

/// The worst case: the image has a machine id and a name, all guests boot for
/// the first time, and at once.
#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_debian_cloud_init_makes_three_guests_of_one_image_that_was_somebody() {
    let lab = Debian::new("seeded", Flavor::CloudInit);
    lab.set_machine_id("0123456789abcdef0123456789abcdef");
    let names = ["1", "2", "3"].map(|name| lab.name(name));
    // Below what the network gives away by itself: no guest has ever had it.
    let reserved = "192.168.122.77";
    let tell = format!("--ssh-key {} --identity cloud-init --start", lab.key());
    lab.ok(&format!(
        "clone -d {} {} {tell} --ip {reserved}",
        lab.golden, names[2]
    ));
    lab.import(&format!(
        "--name {} --count 2 --memory 512 --disk backing={} {tell} --console pty,log={}/{{name}}.log",
        lab.name("{n}"),
        lab.image().display(),
        lab.dir.display()
    ));
    let guests = names.each_ref().map(|name| lab.up(name));
    println!("up: {guests:#?}");
    distinct(&guests, ALL);
    for (name, guest) in names.iter().zip(&guests) {
        // sudo complains where the name of the host cannot be resolved.
        let ask = "sudo -n id -un && sudo cat /var/lib/cloud/data/instance-id && \
                   grep -o '\"errors\": .*' /run/cloud-init/result.json && \
                   getent hosts \"$(hostname)\"";
        let told = is_itself(&lab, name, guest, "debian", ask);
        let uuid = lab.facts(name).uuid.unwrap();
        let rest = told.strip_prefix(&format!("root\n{uuid}\n\"errors\": []\n"));
        assert!(rest.is_some_and(|hosts| hosts.contains(name)), "{told}");
    }
    assert_eq!(guests[2]["ip"], reserved);
    is_known_by_its_own_key(&lab, &guests[0], &guests[1], "debian");
    let network = tool("virsh", &["net-dumpxml", "default"]);
    assert!(network.contains(reserved), "{network}");

    lab.ok(&format!("delete --yes --force -d {}", names.join(" ")));
    assert_eq!(lab.files(), ["golden.qcow2"]);
    let network = tool("virsh", &["net-dumpxml", "default"]);
    assert!(!network.contains(reserved), "{network}");
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_debian_credentials_make_two_guests_of_one_image_without_any_disk() {
    let lab = Debian::new("firmware", Flavor::Credentials);
    let names = ["1", "2"].map(|name| lab.name(name));
    lab.ok(&format!(
        "clone -d {} --name {} --count 2 --identity smbios --ssh-key {}",
        lab.golden,
        lab.name("{n}"),
        lab.key()
    ));
    let both = names.join(" ");
    lab.ok(&format!("start -d {both}"));
    let guests = names.each_ref().map(|name| lab.up(name));
    println!("up: {guests:#?}");
    distinct(&guests, ALL);
    for (name, guest) in names.iter().zip(&guests) {
        let told = is_itself(&lab, name, guest, "root", "id -un");
        assert_eq!(told, "root\n");
    }
    is_known_by_its_own_key(&lab, &guests[0], &guests[1], "root");
    is_known_by_its_own_key(&lab, &guests[1], &guests[0], "root");

    // What it has written and nobody synced is in a snapshot all the same, and
    // its file system as if it had been unmounted: the agent froze it.
    let [quiet, _] = &names;
    lab.agent_answers(quiet);
    let note = "echo quiesced > /root/note";
    assert_eq!(lab.login("root", &guests[0], note).code, Some(0));
    lab.ok(&format!(
        "snapshot create --live --quiesce -d {quiet} still"
    ));
    let later = "echo later > /root/note; sync";
    assert_eq!(lab.login("root", &guests[0], later).code, Some(0));
    lab.ok(&format!("shutdown -d {both} --wait --timeout 5m"));
    let read = format!("cat -d {quiet} /root/note");
    assert_eq!(lab.ok(&read).stdout, "later\n");
    lab.ok(&format!("snapshot apply --yes -d {quiet} still"));
    let frozen = lab.ok(&read);
    assert_eq!(frozen.stdout, "quiesced\n");
    assert!(!frozen.stderr.contains("journal"), "{}", frozen.stderr);
    lab.ok(&format!("delete --yes --snapshots -d {both}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
