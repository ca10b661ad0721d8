//! `customize` on guests of libvirt's test driver; what it drafts is tested in
//! `src/ops/customize`, and what libguestfs makes of it in `tests/tools_guest`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::common::{Guest, Host, Outcome, tool};
use crate::guest_files::guest_image;
use crate::write_files::tools;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me\n";

/// Guests of these names, with an SSH server each.
pub(crate) fn guests(names: &[&str]) -> Host {
    let host = Host::new();
    for (name, last) in names.iter().zip(1..) {
        let raw = guest_image(&host, name, "golden");
        let write = |to: &str, text: &str| {
            let from = host.root().join("from");
            fs::write(&from, text).unwrap();
            let command = format!("write {} {to}", from.display());
            tool("debugfs", &args!["-w", "-R", &command, &raw]);
        };
        for dir in ["etc/ssh", "root"] {
            let command = format!("mkdir {dir}");
            tool("debugfs", &args!["-w", "-R", &command, &raw]);
        }
        write("etc/shadow", "root:*:1:0:99999:7:::\n");
        write("etc/ssh/ssh_host_ed25519_key", "old");
        write("etc/ssh/ssh_host_ed25519_key.pub", KEY);
        let image = host.image(&format!("{name}.img"));
        fs::rename(&raw, &image).unwrap();
        let mac = format!("52:54:00:00:00:{last:02x}");
        host.add(Guest::new(name).disk("vda", "raw", &image).nic(&mac));
    }
    fs::write(host.root().join("home/key.pub"), KEY).unwrap();
    fs::write(host.root().join("home/secret"), "hunter2\n").unwrap();
    host
}

/// With a `guestfish` that takes everything.
pub(crate) fn changed(host: &Host, args: &str) -> Outcome {
    Outcome::of(command(host, args).output().unwrap())
}

/// The same, not run yet.
pub(crate) fn command(host: &Host, args: &str) -> std::process::Command {
    let tools = tools(host);
    let keygen = tools.join("ssh-keygen");
    if !keygen.exists() {
        symlink("/usr/bin/ssh-keygen", keygen).unwrap();
    }
    let mut command = host.command();
    command
        .env("VMKIN_TOOL_PATH", tools)
        .args(args.split_whitespace());
    command
}

fn known(host: &Host) -> PathBuf {
    host.root().join("home/known_hosts")
}

#[test]
fn a_dry_run_shows_every_file_and_changes_nothing() {
    let host = guests(&["web-01", "web-02"]);
    let before = host.world();
    let outcome = host.vmkin(
        "customize -q --dry-run -d web-* --hostname {name}.lab --machine-id new --ssh-host-keys new \
         --known-hosts known_hosts --ssh-key key.pub --root-password file:secret",
    );
    assert_snapshot!(outcome.success().stdout(), @"
    web-01: change /etc/hostname
    web-01: make /etc/machine-id
    web-01: change /etc/ssh/ssh_host_ed25519_key
    web-01: chmod /etc/ssh/ssh_host_ed25519_key
    web-01: change /etc/ssh/ssh_host_ed25519_key.pub
    web-01: mkdir /root/.ssh
    web-01: make /root/.ssh/authorized_keys
    web-01: change /etc/shadow
    web-02: change /etc/hostname
    web-02: make /etc/machine-id
    web-02: change /etc/ssh/ssh_host_ed25519_key
    web-02: chmod /etc/ssh/ssh_host_ed25519_key
    web-02: change /etc/ssh/ssh_host_ed25519_key.pub
    web-02: mkdir /root/.ssh
    web-02: make /root/.ssh/authorized_keys
    web-02: change /etc/shadow
    ");
    assert_eq!(host.world(), before);
    assert!(!known(&host).exists());
    let outcome = host.vmkin("customize -q --json --dry-run -d web-01 --machine-id empty");
    let json: serde_json::Value = serde_json::from_str(outcome.success().stdout()).unwrap();
    assert_eq!(json[0]["changes"][0]["path"], "/etc/machine-id");
    assert_eq!(json[0]["changed"], false);
}

/// Each guest gets an address of its own, for the card that its domain has.
#[test]
fn a_dry_run_shows_the_files_of_networks() {
    let host = guests(&["web-01", "web-02"]);
    for name in ["web-01", "web-02"] {
        let image = host.image(&format!("{name}.img"));
        let wants = "etc/systemd/system/a.wants";
        let cfg = host.root().join("home/key.pub");
        for command in [
            "mkdir etc/systemd",
            "mkdir etc/systemd/system",
            &format!("mkdir {wants}"),
            &format!("symlink {wants}/systemd-networkd.service /x"),
            "mkdir etc/cloud",
            &format!("write {} etc/cloud/cloud.cfg", cfg.display()),
        ] {
            tool("debugfs", &args!["-w", "-R", command, &image]);
        }
    }
    let before = host.world();
    let said = host.vmkin(
        "customize -q --dry-run -d web-* --network 1,address=10.0.0.10-10.0.0.19/24 --instance-id new \
         --mac-pins domain",
    );
    let said = said.success();
    let text = said.stdout();
    for (name, mac) in [("web-01", "525400000001"), ("web-02", "525400000002")] {
        for path in [
            format!("/etc/systemd/network/05-vmkin-{mac}.network"),
            "/var/lib/cloud/seed/nocloud/meta-data".to_owned(),
        ] {
            assert!(text.contains(&format!("{name}: make {path}\n")), "{text}");
        }
    }
    assert_eq!(host.world(), before);
}

#[test]
fn known_hosts_have_the_keys_once_the_guests_have_them() {
    let host = guests(&["web-01", "web-02"]);
    let args =
        "customize -d web-* --hostname {name}.lab --ssh-host-keys new --known-hosts known_hosts";
    changed(&host, args).success();
    let text = fs::read_to_string(known(&host)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("web-01.lab,web-01 ssh-ed25519 AAAA"));
    assert!(lines[1].starts_with("web-02.lab,web-02 ssh-ed25519 AAAA"));
    let key = |line: &str| line.split(' ').nth(2).unwrap().to_owned();
    assert_ne!(key(lines[0]), key(lines[1]));
    let mode = fs::metadata(known(&host)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    // `ssh` finds them.
    let found = tool("ssh-keygen", &args!["-F", "web-02", "-f", &known(&host)]);
    assert!(found.contains(&key(lines[1])), "{found}");
    // A guest that could not be changed is not known.
    let fail = tools(&host).join("fail");
    fs::write(&fail, "write").unwrap();
    changed(&host, args).fails(10, "web-01");
    assert_eq!(fs::read_to_string(known(&host)).unwrap(), text);
    fs::remove_file(fail).unwrap();
    // Keys that are there, of guests that are not changed.
    fs::remove_file(known(&host)).unwrap();
    let before = host.world();
    changed(&host, "customize -d web-01 --known-hosts known_hosts").success();
    let again = fs::read_to_string(known(&host)).unwrap();
    assert_eq!(again, format!("{}\n", lines[0]));
    fs::remove_file(known(&host)).unwrap();
    assert_eq!(host.world(), before);
}

#[test]
fn what_cannot_be_is_told_before_anything_is_changed() {
    let host = guests(&["web-01", "web-02"]);
    fs::write(host.root().join("home/empty"), "\n").unwrap();
    let before = host.world();
    let id = "1".repeat(32);
    for (args, exit, why) in [
        ("-d web-01", 2, "nothing is to be changed"),
        ("--hostname web", 2, "no guest is named"),
        ("-d web-* --hostname web", 2, "cannot have one host name"),
        (
            &format!("-d web-* --machine-id {id}"),
            2,
            "cannot have one machine id",
        ),
        ("-d web-01 --hostname a_b", 2, "cannot contain '_'"),
        ("-d web-01 --machine-id 123", 2, "32 hexadecimal digits"),
        ("-d web-01 --ssh-host-keys old", 2, "'new' or 'remove'"),
        ("-d web-01 --ssh-key nobody:key.pub", 3, "no user 'nobody'"),
        ("-d web-01 --ssh-key ann:key.pub", 3, "no home"),
        ("-d web-01 --ssh-key secret", 2, "line 1"),
        ("-d web-01 --root-password hunter2", 2, "file:FILE"),
        (
            "-d web-01 --root-password password:hunter2",
            2,
            "read by everybody",
        ),
        (
            "-d web-01 --password root:password:x",
            2,
            "read by everybody",
        ),
        ("-d web-01 --password root:file:empty", 2, "is empty"),
        ("-d web-01 --password root:file:gone", 3, "gone"),
        (
            "-d web-01 --password root:file:secret --root-password file:secret",
            2,
            "two passwords",
        ),
        (
            "-d web-01 --password ann:file:- --root-password file:-",
            2,
            "standard input has one password",
        ),
        ("-d web-01 --timezone ../../etc/shadow", 2, "Europe/Berlin"),
        ("-d web-01 --timezone Europe/Berlin", 3, "no time zones"),
        ("-d web-01 --firstboot key.pub", 4, "needs systemd"),
        ("-d web-01 --ssh-host-keys remove", 4, "would have no keys"),
        ("-d web-01 --copy-in key.pub", 2, "LOCAL:DIR"),
        ("-d web-01 --copy-in key.pub:/nowhere", 3, "/nowhere"),
        ("-d web-01 --write /a/b/c:x", 3, "no '/a"),
        ("-d web-01 --delete etc", 2, "absolute path"),
        ("-d web-01 --network 10.0.0.2/24", 2, "behind 'address='"),
        (
            "-d web-01 --network address=10.0.0.2",
            2,
            "prefix is missing",
        ),
        (
            "-d web-* --network address=10.0.0.2/24",
            2,
            "cannot have addresses of their own",
        ),
        (
            "-d web-01 --network address=dhcp --network 1,address=dhcp",
            2,
            "set up twice",
        ),
        ("-d web-01 --network 3,address=dhcp", 3, "number 3"),
        (
            "-d web-01 --network address=dhcp",
            4,
            "not known what sets up",
        ),
        ("-d web-01 --mac-pins all", 2, "'remove', 'domain'"),
        (
            "-d web-01 --mac-pins domain --mac-pins remove",
            2,
            "given once",
        ),
        (
            "-d web-01 --mac-pins 52:54:00:00:00:09=52:54:00:00:00:01",
            3,
            "bound to 52:54:00:00:00:09",
        ),
        ("-d web-* --instance-id iid-1", 2, "one instance id"),
        ("-d web-01 --instance-id new", 4, "no cloud-init"),
    ] {
        let outcome = host.vmkin(&format!("customize {args}"));
        outcome.fails(exit, why);
        let now = host.world();
        assert_eq!(now, before, "{args}: {:?}", before.differences(&now));
    }
    // All of them are told, and none is half done.
    let outcome = host.vmkin("customize -d web-* --ssh-key nobody:key.pub");
    outcome.fails(3, "web-02");
    assert_eq!(host.world(), before);
}

#[test]
fn a_password_is_nowhere_but_in_its_file() {
    let host = guests(&["web-01"]);
    let tools = tools(&host);
    let calls = tools.join("calls");
    let program = tools.join("guestfish");
    let script = fs::read_to_string(&program).unwrap();
    // It writes down how it is called and all that it is told.
    let script = script.replacen(
        "while read -r line; do\n",
        &format!(
            "printf '%s\\n' \"$@\" >>{0}; env >>{0}\nwhile read -r line; do\necho \"$line\" >>{0}\n",
            calls.display()
        ),
        1,
    );
    fs::write(&program, script).unwrap();
    let args = "customize -v -d web-01 --root-password file:secret";
    let said = changed(&host, args).success();
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    assert!(text(&calls).contains("-write "), "{}", text(&calls));
    for secret in ["hunter2", "$6$"] {
        assert!(!said.stdout().contains(secret) && !said.stderr().contains(secret));
        for path in host.paths_below(host.root()) {
            // The guest has the hash, and nobody the password.
            let image = path.extension().is_some_and(|it| it == "img");
            let own = path.ends_with("home/secret") || (image && secret == "$6$");
            if path.is_file() && !path.is_symlink() && !own {
                assert!(!text(&path).contains(secret), "{}", path.display());
            }
        }
    }
}
