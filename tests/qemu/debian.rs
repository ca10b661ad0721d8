//! Debian guests, with systemd and sshd, and what their clones must not share.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::lab::{Lab, Ran, tool};

/// How long such a guest may take to boot under TCG on a busy machine: there
/// is a whole distribution to start, and with cloud-init four rounds of Python.
const BOOT: Duration = Duration::from_secs(600);

/// By what the golden image lets a clone have an identity of its own.
#[derive(Clone, Copy)]
pub enum Flavor {
    /// Debian 13, whose systemd takes credentials from SMBIOS strings. Its
    /// machine id is empty, and it has neither a name nor host keys.
    Credentials,
}

/// A golden Debian guest of its own for each test: a [`Lab`] like any other.
pub struct Debian {
    lab: Lab,
    /// Where the key for logging in is, and what is known of the guests.
    keys: TempDir,
}

/// What the READY line of a guest says. Fields: `host`, `machine-id`,
/// `hostkey`, `ip`, `mac`, `key`, `up`.
pub type Ready = BTreeMap<String, String>;

impl Flavor {
    fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
        }
    }
}

impl Deref for Debian {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Debian {
    /// Makes a golden domain named after the test. `edit` changes its XML, and
    /// is given the public key for [`Self::login`].
    pub fn new(test: &str, flavor: Flavor, edit: impl Fn(&str, &str) -> String) -> Self {
        let source = std::env::var_os("VMKIN_DEBIAN_DIR")
            .expect("run by scripts/with-private-libvirtd.sh --debian");
        let keys = TempDir::new().unwrap();
        let key = keys.path().join("id").display().to_string();
        let quiet = ["-q", "-t", "ed25519", "-N", "", "-C", "vmkin test"];
        tool("ssh-keygen", &[&quiet[..], &["-f", &key]].concat());
        let public = fs::read_to_string(keys.path().join("id.pub")).unwrap();
        let lab = Lab::on(test, &PathBuf::from(source), flavor.name(), |xml| {
            edit(xml, public.trim())
        });
        Self { lab, keys }
    }

    /// Waits until a guest is up, and returns what it says of itself.
    pub fn up(&self, name: &str) -> Ready {
        self.lab.ready_within(name, BOOT)
    }

    /// Runs a command in a guest through ssh, which is to know the guest by
    /// the host key on its serial console, and by nothing else.
    pub fn login(&self, user: &str, guest: &Ready, command: &str) -> Ran {
        let known = self.keys.path().join("known_hosts");
        let line = format!("{} ssh-ed25519 {}\n", guest["ip"], guest["key"]);
        fs::write(&known, line).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a client from outside")]
        let output = Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no"])
            .args(["-o", "GlobalKnownHostsFile=none"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"])
            .args(["-o", "ConnectTimeout=60", "-o", "LogLevel=ERROR"])
            .arg("-i")
            .arg(self.keys.path().join("id"))
            .arg(format!("{user}@{}", guest["ip"]))
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::new(&output)
    }

    /// The same, which must succeed; what the command printed.
    #[track_caller]
    pub fn run(&self, user: &str, guest: &Ready, command: &str) -> String {
        let ran = self.login(user, guest, command);
        assert_eq!(ran.code, Some(0), "{command}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }
}

/// Fails where two guests on one network have the same.
#[track_caller]
pub fn distinct(one: &Ready, two: &Ready, fields: &[&str]) {
    for field in fields {
        for guest in [one, two] {
            assert!(!["", "none"].contains(&guest[*field].as_str()), "{guest:?}");
        }
        assert_ne!(one[*field], two[*field], "{field}");
    }
}

/// A domain that gives its guest this credential of systemd.
fn with_credential(xml: &str, name: &str, value: &str) -> String {
    let sysinfo = format!(
        "<smbios mode='sysinfo'/></os><sysinfo type='smbios'><oemStrings>\
         <entry>io.systemd.credential:{name}={value}</entry></oemStrings></sysinfo>"
    );
    xml.replace("</os>", &sysinfo)
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_debian_clones_are_two_machines_on_the_network() {
    let lab = Debian::new("two-machines", Flavor::Credentials, |xml, key| {
        with_credential(xml, "ssh.authorized_keys.root", key)
    });
    let pattern = lab.name("{n}");
    lab.ok(&format!(
        "clone -d {} --name {pattern} --count 2",
        lab.golden
    ));
    let (one, two) = (lab.name("1"), lab.name("2"));
    lab.ok(&format!("start -d {one} {two}"));
    let (first, second) = (lab.up(&one), lab.up(&two));
    distinct(
        &first,
        &second,
        &["ip", "mac", "machine-id", "hostkey", "key"],
    );
    for (name, guest, other) in [(&one, &first, &second), (&two, &second, &first)] {
        let facts = lab.facts(name);
        assert_eq!(guest["mac"], facts.nics[0].mac.unwrap().to_string());
        // An empty machine id is filled with the domain's uuid, without KVM too.
        let uuid = facts.uuid.unwrap().to_string().replace('-', "");
        assert_eq!(guest["machine-id"], uuid);
        assert_eq!(lab.ok(&format!("ip -d {name}")).stdout.trim(), guest["ip"]);
        assert_eq!(lab.run("root", guest, "cat /etc/machine-id").trim(), uuid);
        // Each is known by its own key only.
        let mut impostor = guest.clone();
        impostor.insert("key".to_owned(), other["key"].clone());
        let refused = lab.login("root", &impostor, "true");
        assert_eq!(refused.code, Some(255), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("Host key verification failed"),
            "{}",
            refused.stderr
        );
    }
    lab.ok(&format!("shutdown -d {one} {two} --wait --timeout 5m"));
    lab.ok(&format!("delete --yes -d {one} {two}"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
