//! What is drafted for guests of several kinds.

mod cards;
mod network;
mod users;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use uuid::Uuid;

use super::{FileText, HostKeys, MachineId, Outcome, Which, Wishes};
use crate::error::{Kind, Result};
use crate::guest::change::Change;
use crate::model::{ImageFormat, Mac};
use crate::ops::Host;
use crate::ops::guest::View;
use crate::ops::testing::Bench;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;
use crate::process::Tool;

/// What each file will be: its text, or what becomes of it.
type Drafted = BTreeMap<String, String>;

/// A guest that is a directory of the host, until it is an image.
struct Tree {
    bench: Bench,
}

impl Tree {
    fn new() -> Self {
        let tree = Self {
            bench: Bench::new(),
        };
        tree.write("etc/hostname", "golden\n");
        tree.write("etc/os-release", "ID=test\n");
        tree.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n\
             homeless:x:7:7::/nonexistent:/bin/sh\nold:$1$x:8:8::/home/ann:/bin/sh\n",
        );
        tree.write(
            "etc/shadow",
            "root:!:19000:0:99999:7:::\nann:*:19000:0:99999:7:::\n",
        );
        for dir in ["root", "home/ann", "usr/bin", "bin"] {
            fs::create_dir_all(tree.path(dir)).unwrap();
        }
        tree
    }

    /// One as Debian is.
    fn debian() -> Self {
        let tree = Self::new();
        tree.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 golden\n");
        tree.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        tree.write("usr/share/zoneinfo/Europe/Berlin", "TZif2");
        tree.write("etc/timezone", "Etc/UTC\n");
        tree.write("usr/lib/systemd/systemd", "");
        tree.write("usr/bin/ssh-keygen", "");
        symlink("usr/lib", tree.path("lib")).unwrap();
        fs::create_dir_all(tree.path("etc/systemd/system")).unwrap();
        symlink("/usr/share/zoneinfo/Etc/UTC", tree.path("etc/localtime")).unwrap();
        for kind in ["ed25519", "ecdsa"] {
            tree.write(&format!("etc/ssh/ssh_host_{kind}_key"), "old");
            tree.write(&format!("etc/ssh/ssh_host_{kind}_key.pub"), "old");
        }
        tree
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.bench.dir.path().join("tree").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn draft(&self, wishes: &Wishes) -> Result<(Drafted, Outcome)> {
        self.draft_in(None, wishes)
    }

    /// With the MAC addresses that its domain has, if it has one.
    fn draft_in(&self, macs: Option<&[Mac]>, wishes: &Wishes) -> Result<(Drafted, Outcome)> {
        self.drafted(macs, |draft, which| wishes.draft(which, draft))
    }

    fn drafted<T>(
        &self,
        macs: Option<&[Mac]>,
        make: impl FnOnce(&mut Draft<'_>, Which<'_>) -> Result<T>,
    ) -> Result<(Drafted, T)> {
        let image = self.bench.dir.path().join("guest.raw");
        drop(fs::remove_file(&image));
        let args = [
            "-q",
            "-t",
            "ext4",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
        ];
        let tree = self.path("");
        let mke2fs = Tool::find("mke2fs").unwrap();
        let words = args.iter().map(Into::into).chain([
            "-d".into(),
            tree.into_os_string(),
            image.clone().into_os_string(),
            "8M".into(),
        ]);
        mke2fs
            .run(words.collect::<Vec<std::ffi::OsString>>())
            .unwrap();
        let host = Host {
            hypervisor: &self.bench.fake,
            store: &self.bench.store,
            interrupt: &self.bench.interrupt,
            observer: &self.bench.said,
        };
        let format = Some(ImageFormat::Raw);
        let writing = Writing::of_image(host, image, format, &View::default()).unwrap();
        let mut draft = Draft::new(&writing);
        let which = Which {
            name: "web-01",
            number: 2,
            uuid: macs.map(|_| Uuid::from_u128(7)),
            macs: macs.unwrap_or_default(),
        };
        let outcome = make(&mut draft, which)?;
        let (changes, _) = draft.finish();
        let mut drafted = Drafted::new();
        for change in &changes {
            let (path, text) = shown(change);
            if text.starts_with("mode ") && drafted.contains_key(&path) {
                assert_eq!(text, "mode 0600");
                continue;
            }
            let is_gone = text == "gone";
            if let Some(old) = drafted.insert(path.clone(), text) {
                // What has made place is made again, what was changed may go, and nothing
                // is drafted twice.
                assert!(old == "gone" || is_gone, "{path}: {old}");
            }
        }
        Ok((drafted, outcome))
    }

    #[track_caller]
    fn refuses(&self, wishes: &Wishes, kind: Kind, why: &str) {
        let error = self.draft(wishes).unwrap_err();
        assert!(
            error.kind() == kind && error.to_string().contains(why),
            "{error}"
        );
    }
}

fn shown(change: &Change) -> (String, String) {
    let text = |from: &Path| String::from_utf8(fs::read(from).unwrap()).unwrap();
    let shown = match change {
        Change::Contents { from, .. } => text(from),
        Change::File { from, given, .. } => {
            let mode = given.mode.unwrap();
            let owner = given.owner.map_or(String::new(), |own| format!("{own:?} "));
            format!("{mode:04o} {owner}{}", text(from.as_ref().unwrap()))
        }
        Change::Directory { given, .. } => {
            format!("dir {:04o} {:?}", given.mode.unwrap(), given.owner)
        }
        Change::Link { target, .. } => format!("-> {}", target.escape_ascii()),
        Change::Remove { .. } => "gone".to_owned(),
        Change::Mode { mode, .. } => format!("mode {mode:04o}"),
        other => panic!("{other}"),
    };
    (change.subject().to_string(), shown)
}

fn named(name: &str) -> Wishes {
    Wishes {
        hostname: Some(name.parse().unwrap()),
        ..Wishes::default()
    }
}

#[test]
fn a_name_is_in_all_of_its_places() {
    let tree = Tree::debian();
    let (drafted, _) = tree.draft(&named("{name}.lab")).unwrap();
    let wanted = [
        ("/etc/hostname", "web-01.lab\n"),
        (
            "/etc/hosts",
            "127.0.0.1 localhost\n127.0.1.1\tweb-01.lab web-01\n",
        ),
    ];
    assert_eq!(drafted["/etc/hostname"], wanted[0].1);
    assert_eq!(drafted["/etc/hosts"], wanted[1].1);
    assert_eq!(drafted.len(), 2, "{drafted:?}");
    // As systems have it that know no such file.
    let tree = Tree::new();
    fs::remove_file(tree.path("etc/hostname")).unwrap();
    tree.write("etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=golden\n");
    tree.write(
        "etc/sysconfig/network-scripts/ifcfg-eth0",
        "DHCP_HOSTNAME=golden\nDEVICE=eth0\n",
    );
    let (drafted, _) = tree.draft(&named("db")).unwrap();
    let of = |path: &str| drafted[path].as_str();
    assert_eq!(of("/etc/hostname"), "0644 db\n");
    assert_eq!(
        of("/etc/sysconfig/network"),
        "NETWORKING=yes\nHOSTNAME=db\n"
    );
    assert_eq!(
        of("/etc/sysconfig/network-scripts/ifcfg-eth0"),
        "DHCP_HOSTNAME=db\nDEVICE=eth0\n"
    );
}

#[test]
fn many_guests_are_not_made_alike() {
    let id = MachineId::This("1".repeat(32));
    let fixed = Wishes {
        machine_id: Some(id),
        ..Wishes::default()
    };
    for (wishes, fits) in [
        (named("web"), false),
        (named("{name}"), true),
        (named("n{n}"), true),
        (fixed, false),
    ] {
        assert!(wishes.check_for(1).is_ok());
        assert_eq!(wishes.check_for(2).is_ok(), fits);
    }
}

#[test]
fn a_machine_id_is_another_or_none() {
    let with = |id| Wishes {
        machine_id: Some(id),
        ..Wishes::default()
    };
    let tree = Tree::debian();
    tree.write("var/lib/dbus/machine-id", "old\n");
    let new = |tree: &Tree| {
        let (drafted, _) = tree.draft(&with(MachineId::New)).unwrap();
        assert_eq!(drafted.len(), 2);
        assert_eq!(
            drafted["/etc/machine-id"],
            drafted["/var/lib/dbus/machine-id"]
        );
        drafted["/etc/machine-id"].clone()
    };
    let [one, other] = [new(&tree), new(&tree)];
    assert!(one != other && one.len() == 33, "{one}{other}");
    let (drafted, _) = tree.draft(&with(MachineId::Empty)).unwrap();
    assert_eq!(drafted["/etc/machine-id"], "");
    assert_eq!(drafted["/var/lib/dbus/machine-id"], "gone");
    // Where there is none, and where D-Bus has a link.
    let tree = Tree::new();
    fs::create_dir_all(tree.path("var/lib/dbus")).unwrap();
    symlink("/etc/machine-id", tree.path("var/lib/dbus/machine-id")).unwrap();
    let id = MachineId::This("a".repeat(32));
    let (drafted, _) = tree.draft(&with(id)).unwrap();
    assert_eq!(drafted.len(), 1, "{drafted:?}");
    assert_eq!(
        drafted["/etc/machine-id"],
        format!("0444 {}\n", "a".repeat(32))
    );
}

#[test]
fn two_passwords_and_two_keys_are_in_one_file_each() {
    let tree = Tree::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me";
    let keys = vec![key.parse().unwrap()];
    tree.write("root/.ssh/authorized_keys", "# mine");
    let wishes = Wishes {
        passwords: vec![
            ("root".to_owned(), "hunter2".to_owned().into()),
            ("ann".to_owned(), "hunter3".to_owned().into()),
        ],
        ssh_keys: vec![
            ("ann".to_owned(), keys.clone()),
            ("root".to_owned(), keys.clone()),
            ("ann".to_owned(), keys.clone()),
        ],
        ..Wishes::default()
    };
    assert!(!format!("{wishes:?}").contains("hunter"));
    let (drafted, _) = tree.draft(&wishes).unwrap();
    let shadow: Vec<&str> = drafted["/etc/shadow"].lines().collect();
    assert_eq!(shadow.len(), 2);
    for (line, name) in shadow.iter().zip(["root", "ann"]) {
        let start = format!("{name}:$6$");
        assert!(
            line.starts_with(&start) && line.ends_with(":0:99999:7:::"),
            "{line}"
        );
        assert!(
            !line.contains("hunter") && !line.contains(":19000:"),
            "{line}"
        );
    }
    assert_eq!(drafted["/home/ann/.ssh"], "dir 0700 Some((1000, 100))");
    assert_eq!(
        drafted["/home/ann/.ssh/authorized_keys"],
        format!("0600 (1000, 100) {key}\n")
    );
    assert_eq!(
        drafted["/root/.ssh/authorized_keys"],
        format!("# mine\n{key}\n")
    );
    assert_eq!(drafted.len(), 4, "{drafted:?}");
    let with = |user: &str| {
        let keys = Wishes {
            ssh_keys: vec![(user.to_owned(), keys.clone())],
            ..Wishes::default()
        };
        let password = Wishes {
            passwords: vec![(user.to_owned(), "x".to_owned().into())],
            ..Wishes::default()
        };
        [keys, password]
    };
    for wishes in with("nobody") {
        tree.refuses(&wishes, Kind::NotFound, "no user 'nobody'");
    }
    tree.refuses(&with("homeless")[0], Kind::NotFound, "no home");
    tree.refuses(&with("old")[1], Kind::WrongState, "in /etc/shadow");
}

#[test]
fn a_zone_is_one_that_the_guest_knows() {
    let with = |zone: &str| Wishes {
        timezone: Some(zone.parse().unwrap()),
        ..Wishes::default()
    };
    let tree = Tree::debian();
    let (drafted, _) = tree.draft(&with("Europe/Berlin")).unwrap();
    assert_eq!(
        drafted["/etc/localtime"],
        "-> ../usr/share/zoneinfo/Europe/Berlin"
    );
    assert_eq!(drafted["/etc/timezone"], "Europe/Berlin\n");
    tree.refuses(&with("Europe/Bonn"), Kind::NotFound, "no time zone");
    tree.refuses(&with("Europe"), Kind::NotFound, "no time zone");
    Tree::new().refuses(&with("Europe/Berlin"), Kind::NotFound, "no time zones");
}

#[test]
fn host_keys_are_made_of_the_types_that_are_there() {
    let with = |host_keys| Wishes {
        host_keys: Some(host_keys),
        known_hosts: host_keys == HostKeys::New,
        ..Wishes::default()
    };
    let tree = Tree::debian();
    tree.write("etc/ssh/ssh_host_dsa_key", "");
    tree.write("etc/ssh/ssh_host_rsa_key-cert.pub", "");
    let private = tree.path("etc/ssh/ssh_host_ed25519_key");
    fs::set_permissions(private, fs::Permissions::from_mode(0o640)).unwrap();
    let key = "etc/ssh/ssh_host_ecdsa_key";
    fs::set_permissions(tree.path(key), fs::Permissions::from_mode(0o600)).unwrap();
    let wishes = with(HostKeys::New);
    let (one, outcome) = tree.draft(&wishes).unwrap();
    let (other, _) = tree.draft(&wishes).unwrap();
    let names: Vec<&str> = one
        .keys()
        .map(|name| name.trim_start_matches("/etc/ssh/"))
        .collect();
    let wanted = [
        "ssh_host_dsa_key",
        "ssh_host_ecdsa_key",
        "ssh_host_ecdsa_key.pub",
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
        "ssh_host_rsa_key-cert.pub",
    ];
    assert_eq!(names, wanted);
    for name in ["ecdsa", "ed25519"] {
        let path = format!("/etc/ssh/ssh_host_{name}_key");
        assert!(one[&path].starts_with("-----BEGIN OPENSSH"), "{name}");
        assert!(one[&path] != other[&path]);
        assert!(one[&format!("{path}.pub")].ends_with(" root@golden\n"));
    }
    assert_eq!(outcome.warnings.len(), 2, "{:?}", outcome.warnings);
    let known = &outcome.known_hosts;
    assert_eq!(known.len(), 2, "{known:?}");
    for (line, kind) in known.iter().zip(["ecdsa-sha2-nistp256", "ssh-ed25519"]) {
        let start = format!("golden {kind} ");
        let key = line.strip_prefix(&start).unwrap();
        let of_it = |text: &String| text.contains(key);
        assert!(one.values().any(of_it) && !other.values().any(of_it));
    }
    // Debian does not make them by itself.
    let (drafted, outcome) = tree.draft(&with(HostKeys::Remove)).unwrap();
    assert_eq!(drafted[&format!("/{key}")], "gone");
    let unit = "/etc/systemd/system/vmkin-ssh-host-keys.service";
    assert!(drafted[unit].contains("ssh-keygen -A"), "{drafted:?}");
    assert_eq!(outcome.warnings.len(), 1);
    // That of Debian 13 does it once only.
    let text = "[Unit]\nConditionFirstBoot=yes\n";
    tree.write("usr/lib/systemd/system/sshd-keygen.service", text);
    let (drafted, _) = tree.draft(&with(HostKeys::Remove)).unwrap();
    assert!(drafted.contains_key(unit), "{drafted:?}");
    // Where something does.
    tree.write("usr/lib/systemd/system/sshd-keygen@.service", "");
    let (drafted, outcome) = tree.draft(&with(HostKeys::Remove)).unwrap();
    assert!(drafted.values().all(|text| text == "gone"), "{drafted:?}");
    assert!(outcome.warnings.is_empty());
    // Where nothing can.
    let tree = Tree::new();
    tree.refuses(&with(HostKeys::New), Kind::WrongState, "no SSH server");
    tree.write("etc/ssh/ssh_host_rsa_key", "");
    tree.refuses(
        &with(HostKeys::Remove),
        Kind::WrongState,
        "would have no keys",
    );
}

#[test]
fn scripts_wait_in_their_order_behind_others() {
    let tree = Tree::debian();
    let script = |name: &str, text: &str| {
        let path = tree.bench.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let wishes = Wishes {
        firstboot: vec![
            script("b x.sh", "#!/bin/sh\n1"),
            script("a", "#!/bin/sh\n2"),
        ],
        ..Wishes::default()
    };
    tree.write("var/lib/vmkin-firstboot/0007-old", "#!/bin/sh\n");
    let (drafted, _) = tree.draft(&wishes).unwrap();
    let dir = "/var/lib/vmkin-firstboot";
    assert_eq!(drafted[&format!("{dir}/0008-b_x.sh")], "0700 #!/bin/sh\n1");
    assert_eq!(drafted[&format!("{dir}/0009-a")], "0700 #!/bin/sh\n2");
    let unit = "/etc/systemd/system/vmkin-firstboot.service";
    let link = "/etc/systemd/system/multi-user.target.wants/vmkin-firstboot.service";
    assert_eq!(drafted[link], format!("-> {unit}"));
    assert!(drafted[unit].starts_with("0644 [Unit]"));
    let none = Wishes {
        firstboot: vec![script("c", "\x7fELF")],
        ..Wishes::default()
    };
    tree.refuses(&none, Kind::Usage, "is no script");
    Tree::new().refuses(&wishes, Kind::WrongState, "needs systemd");
}

/// What runs the scripts does so once, in their order, and is gone then.
#[test]
fn what_runs_the_scripts_does_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display().to_string();
    let here = |text: &str| {
        let places = ["/var/lib", "/var/log", "/etc/systemd"];
        places.iter().fold(text.to_owned(), |text, place| {
            text.replace(place, &format!("{root}{place}"))
        })
    };
    let at = |path: &str| dir.path().join(path);
    let scripts = at("var/lib/vmkin-firstboot");
    let wants = at("etc/systemd/system/multi-user.target.wants");
    for made in [&scripts, &wants, &at("var/log")] {
        fs::create_dir_all(made).unwrap();
    }
    let write = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    };
    write(&scripts.join("run"), &here(super::firstboot::RUN));
    let unit = at("etc/systemd/system/vmkin-firstboot.service");
    write(&unit, "");
    symlink(&unit, wants.join("vmkin-firstboot.service")).unwrap();
    let out = at("out");
    for (name, code) in [("0001-a", 3), ("0002-b", 0), ("0010-c", 0)] {
        let text = format!("#!/bin/sh\necho {name} >> {}\nexit {code}\n", out.display());
        write(&scripts.join(name), &text);
    }
    let sh = Tool::find("sh").unwrap();
    sh.run([scripts.join("run").into_os_string()]).unwrap();
    assert_eq!(fs::read_to_string(out).unwrap(), "0001-a\n0002-b\n0010-c\n");
    assert!(!scripts.exists() && !unit.exists());
    assert!(!wants.join("vmkin-firstboot.service").is_symlink());
    let log = fs::read_to_string(at("var/log/vmkin-firstboot.log")).unwrap();
    assert!(log.contains("0001-a ends with exit code 3"), "{log}");
    assert!(log.contains("0010-c ends with exit code 0"), "{log}");
}

#[test]
fn what_clones_must_not_share_goes_and_the_rest_stays() {
    let tree = Tree::debian();
    let goes = [
        "var/lib/dhcp/dhclient.eth0.leases",
        "var/lib/NetworkManager/secret_key",
        "var/lib/NetworkManager/internal-x-eth0.lease",
        "var/lib/systemd/random-seed",
        "var/lib/systemd/credential.secret",
        "var/lib/cloud/instances/i-1/sem/x",
        "var/lib/cloud/data/instance-id",
        "etc/udev/rules.d/70-persistent-net.rules",
        "etc/ssh/ssh_host_rsa_key",
    ];
    let stays = [
        "var/lib/cloud/scripts/per-boot/mine",
        "var/lib/systemd/timers/stamp",
        "var/lib/NetworkManager/NetworkManager.state",
        "etc/udev/rules.d/80-mine.rules",
        "etc/ssh/sshd_config",
        "var/log/syslog",
    ];
    for path in goes.iter().chain(&stays) {
        tree.write(path, "x");
    }
    let connection = "etc/NetworkManager/system-connections/a.nmconnection";
    tree.write(connection, "[ethernet]\nmac-address=52:54:00:00:00:01\n");
    tree.write(
        "etc/netplan/a.yaml",
        "  match:\n    macaddress: 52:54:00:00:00:01\n",
    );
    let wishes = Wishes {
        generalize: true,
        ..Wishes::default()
    };
    let (drafted, outcome) = tree.draft(&wishes).unwrap();
    for path in goes {
        let path = format!("/{path}");
        let above = path.split("/i-1/").next().unwrap();
        let above = above.strip_suffix("/instance-id").unwrap_or(above);
        assert_eq!(
            drafted.get(above).map(String::as_str),
            Some("gone"),
            "{path}"
        );
    }
    for path in stays {
        let of_it = |gone: &&String| format!("/{path}").starts_with(gone.as_str());
        assert_eq!(drafted.keys().find(of_it), None);
    }
    assert_eq!(drafted[&format!("/{connection}")], "[ethernet]\n");
    assert_eq!(drafted["/etc/machine-id"], "");
    let pinned = |text: &String| text.starts_with("/etc/netplan/a.yaml is bound");
    assert!(
        outcome.warnings.iter().any(pinned),
        "{:?}",
        outcome.warnings
    );
    // What is said counts.
    let wishes = Wishes {
        generalize: true,
        machine_id: Some(MachineId::New),
        host_keys: Some(HostKeys::New),
        ..Wishes::default()
    };
    let (drafted, _) = tree.draft(&wishes).unwrap();
    assert_eq!(drafted["/etc/machine-id"].len(), 33);
    assert!(drafted["/etc/ssh/ssh_host_rsa_key"].starts_with("-----BEGIN"));
}

#[test]
fn changes_combine_in_their_order() {
    let tree = Tree::debian();
    let text = |path: &str, text: &str| FileText {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let local = tree.bench.dir.path().join("local");
    fs::write(&local, "copied").unwrap();
    let wishes = Wishes {
        mkdir: vec!["/srv/new/deep".to_owned(), "/srv/new".to_owned()],
        write: vec![
            text("/srv/new/deep/a", "1"),
            text("/srv/new/deep/a", "2"),
            text("/etc/hosts", "127.0.1.1 golden\n"),
            text("/etc/timezone", "again\n"),
            text("/srv/new/local", "written"),
        ],
        copy_in: vec![format!("{}:/srv/new", local.display()).parse().unwrap()],
        delete: vec!["/etc/timezone".to_owned(), "/nowhere".to_owned()],
        ..named("web")
    };
    let (drafted, _) = tree.draft(&wishes).unwrap();
    assert_eq!(drafted["/srv/new/deep/a"], "0644 2");
    assert_eq!(drafted["/etc/hosts"], "127.0.1.1\tweb\n");
    assert_eq!(drafted["/etc/timezone"], "0644 again\n");
    assert!(
        drafted["/srv/new/local"].ends_with("written"),
        "{drafted:?}"
    );
    // What is gone is not written to, nor anything in it.
    let gone = Wishes {
        delete: vec!["/etc/ssh".to_owned(), "/etc/ssh/sshd_config".to_owned()],
        host_keys: Some(HostKeys::New),
        ..Wishes::default()
    };
    tree.refuses(&gone, Kind::WrongState, "no SSH server");
    // Once more changes nothing.
    let same = Wishes {
        write: vec![text("/etc/hostname", "golden\n")],
        ..named("golden")
    };
    assert!(tree.draft(&same).unwrap().0.is_empty());
}

#[test]
fn what_is_no_linux_is_left_alone() {
    let nix = Tree::new();
    nix.write("etc/NIXOS", "");
    nix.refuses(&named("web"), Kind::WrongState, "NixOS");
    let tree = Tree::new();
    fs::remove_dir_all(tree.path("etc")).unwrap();
    tree.write("Windows/System32/config/SOFTWARE", "");
    tree.refuses(&named("web"), Kind::WrongState, "the guest has no /etc");
}
