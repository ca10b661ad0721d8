//! Debian guests, with systemd and sshd, and what no two of them may share.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    /// Debian 12 with cloud-init, which looks for a seed. Its machine id is empty
    /// too, but it has a name.
    CloudInit,
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
            Self::CloudInit => "cloud-init",
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
    /// Makes a golden domain named after the test, and a key for [`Self::login`].
    pub fn new(test: &str, flavor: Flavor) -> Self {
        let source = std::env::var_os("VMKIN_DEBIAN_DIR")
            .expect("run by scripts/with-private-libvirtd.sh --debian");
        let keys = TempDir::new().unwrap();
        let key = keys.path().join("id").display().to_string();
        let quiet = ["-q", "-t", "ed25519", "-N", "", "-C", "vmkin test"];
        tool("ssh-keygen", &[&quiet[..], &["-f", &key]].concat());
        let lab = Lab::on(test, &PathBuf::from(source), flavor.name(), str::to_owned);
        Self { lab, keys }
    }

    /// The file of the public key.
    pub fn key(&self) -> String {
        self.keys.path().join("id.pub").display().to_string()
    }

    /// Gives the golden image a machine id, as one has that was booted before.
    pub fn set_machine_id(&self, id: &str) {
        let image = self.image().display().to_string();
        let [raw, file] = ["golden.raw", "machine-id"].map(|name| {
            let path = self.lab.dir.join(name);
            path.display().to_string()
        });
        let convert = ["convert", "-f", "qcow2", "-O", "raw", &image, &raw];
        tool("qemu-img", &convert);
        fs::write(&file, format!("{id}\n")).unwrap();
        for request in [
            "rm /etc/machine-id",
            &format!("write {file} /etc/machine-id"),
            // Long before any guest of this test booted.
            "set_inode_field /etc/machine-id mtime @1700000000",
        ] {
            tool("debugfs", &["-w", "-R", request, &raw]);
        }
        // What debugfs cannot do it only says.
        let there = tool("debugfs", &["-R", "cat /etc/machine-id", &raw]);
        assert_eq!(there.trim(), id);
        let convert = ["convert", "-f", "raw", "-O", "qcow2", &raw, &image];
        tool("qemu-img", &convert);
        fs::remove_file(raw).unwrap();
        fs::remove_file(file).unwrap();
    }

    /// Waits until a guest is up, and returns what it says of itself.
    pub fn up(&self, name: &str) -> Ready {
        self.lab.ready_within(name, BOOT)
    }

    /// Waits until the agent of a guest answers: it may start after the rest.
    pub fn agent_answers(&self, name: &str) {
        let end = Instant::now() + BOOT;
        let ping = [
            "-q",
            "qemu-agent-command",
            name,
            r#"{"execute":"guest-ping"}"#,
        ];
        loop {
            #[expect(clippy::disallowed_methods, reason = "what virsh says of it")]
            let output = Command::new("virsh").args(ping).output().unwrap();
            if output.status.success() {
                return;
            }
            assert!(Instant::now() < end, "{}", Ran::new(&output).stderr);
            std::thread::sleep(Duration::from_millis(500));
        }
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
}

/// Fails where two of the guests on one network have the same.
#[track_caller]
pub fn distinct(guests: &[Ready], fields: &[&str]) {
    for field in fields {
        let mut all: Vec<&str> = guests.iter().map(|guest| guest[*field].as_str()).collect();
        assert!(!all.contains(&"") && !all.contains(&"none"), "{guests:?}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), guests.len(), "{field} of {guests:?}");
    }
}
