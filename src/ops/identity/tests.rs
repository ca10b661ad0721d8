use uuid::Uuid;

use super::{Guest, Machine, Prepared, prepare};
use crate::error::{Kind, Result};
use crate::model::{DomainName, GuestIdentity, IdentityChannel};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE a \"b\": c";

const PC: Machine<'_> = Machine {
    domain_type: "kvm",
    arch: Some("x86_64"),
};

fn run(
    identity: &GuestIdentity,
    names: &[&str],
    first: u64,
    machine: Machine<'_>,
) -> Result<Prepared> {
    let names: Vec<DomainName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let guests: Vec<Guest<'_>> = names
        .iter()
        .zip(1..)
        .map(|(name, n)| Guest {
            name,
            uuid: Uuid::from_u128(n),
        })
        .collect();
    prepare(identity, &guests, first, machine)
}

fn prepared(identity: &GuestIdentity, names: &[&str]) -> Prepared {
    run(identity, names, 1, PC).unwrap()
}

fn refused(identity: &GuestIdentity, names: &[&str]) -> String {
    let error = run(identity, names, 1, PC).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    error.to_string()
}

fn keys() -> GuestIdentity {
    GuestIdentity {
        ssh_keys: vec![KEY.parse().unwrap()],
        ..GuestIdentity::default()
    }
}

#[test]
fn who_asks_for_nothing_gets_nothing() {
    for channel in [None, Some(IdentityChannel::None)] {
        let identity = GuestIdentity {
            channel,
            ..GuestIdentity::default()
        };
        let nothing = prepared(&identity, &["a", "b"]);
        assert!(nothing.guests.is_empty() && nothing.chosen.is_none());
    }
    let identity = GuestIdentity {
        channel: Some(IdentityChannel::None),
        ..keys()
    };
    assert!(refused(&identity, &["a"]).contains("--identity none"));
}

#[test]
fn left_to_vmkin_it_is_a_seed_and_what_systemd_reads() {
    let prepared = prepared(&keys(), &["web-01", "web-02"]);
    assert!(prepared.chosen.is_some());
    let [first, second] = prepared.guests.as_slice() else {
        panic!("two guests");
    };
    let seed = first.seed.as_ref().unwrap();
    insta::assert_snapshot!(seed.user_data.expose(), @r##"
    #cloud-config
    hostname: "web-01"
    preserve_hostname: false
    manage_etc_hosts: localhost
    # Each guest makes host keys of its own.
    ssh_deletekeys: true
    ssh_authorized_keys:
      - "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE a \"b\": c"
    # The machine id that came with the image is the same in all guests. One that was made at this boot stays. Programs that
    # run already have the old one until the next boot; systemd-networkd, which makes the id by which DHCP servers know it of
    # it, is started again.
    bootcmd:
      - - cloud-init-per
        - instance
        - vmkin-machine-id
        - sh
        - -c
        - |
          id=00000000000000000000000000000001
          file=/etc/machine-id
          [ -s "$file" ] && [ ! -L "$file" ] || exit 0
          [ "$(cat "$file")" != "$id" ] || exit 0
          booted=$(sed -n 's/^btime //p' /proc/stat)
          [ "$(stat -c %Y "$file")" -lt "$booted" ] || exit 0
          echo "$id" > "$file" || exit 0
          dbus=/var/lib/dbus/machine-id
          if [ -f "$dbus" ] && [ ! -L "$dbus" ]; then echo "$id" > "$dbus"; fi
          if command -v systemctl > /dev/null; then systemctl --no-block try-restart systemd-networkd || true; fi
    "##);
    insta::assert_snapshot!(seed.meta_data.expose(), @r#"
    instance-id: "00000000-0000-0000-0000-000000000001"
    local-hostname: "web-01"
    "#);
    assert!(seed.network_config.is_none());
    let smbios = first.smbios.as_ref().unwrap();
    assert!(smbios.instance.is_none() && !smbios.required);
    let credentials: Vec<_> = smbios
        .credentials
        .iter()
        .map(|c| (c.name, c.value.as_str()))
        .collect();
    let line = format!("{KEY}\n");
    assert_eq!(
        credentials,
        [
            ("system.hostname", "web-01"),
            ("system.machine_id", "00000000000000000000000000000001"),
            ("ssh.authorized_keys.root", &line),
        ]
    );
    assert_eq!(second.hostname.as_str(), "web-02");
    // Another architecture, another channel.
    let arm = Machine {
        arch: Some("s390x"),
        ..PC
    };
    let told = run(&keys(), &["a"], 1, arm).unwrap();
    assert!(told.guests[0].seed.is_some() && told.guests[0].smbios.is_none());
}

#[test]
fn a_user_with_a_password() {
    let identity = GuestIdentity {
        user: Some("alice".parse().unwrap()),
        password: Some("hunter2: \"x\"".to_owned().into()),
        hostnames: vec!["{name}.lab.example".parse().unwrap()],
        ..keys()
    };
    let told = prepared(&identity, &["web-01"]);
    let text = told.guests[0]
        .seed
        .as_ref()
        .unwrap()
        .user_data
        .expose()
        .to_owned();
    assert!(!text.contains("hunter2"));
    let hash = text
        .split('"')
        .find(|part| part.starts_with("$6$"))
        .unwrap();
    insta::assert_snapshot!(text.replace(hash, "$6$HASH"), @r##"
    #cloud-config
    hostname: "web-01"
    fqdn: "web-01.lab.example"
    preserve_hostname: false
    manage_etc_hosts: localhost
    # Each guest makes host keys of its own.
    ssh_deletekeys: true
    users:
      - default
      - name: "alice"
        sudo: "ALL=(ALL) NOPASSWD:ALL"
        lock_passwd: false
        hashed_passwd: "$6$HASH"
        ssh_authorized_keys:
          - "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE a \"b\": c"
    ssh_pwauth: true
    # The machine id that came with the image is the same in all guests. One that was made at this boot stays. Programs that
    # run already have the old one until the next boot; systemd-networkd, which makes the id by which DHCP servers know it of
    # it, is started again.
    bootcmd:
      - - cloud-init-per
        - instance
        - vmkin-machine-id
        - sh
        - -c
        - |
          id=00000000000000000000000000000001
          file=/etc/machine-id
          [ -s "$file" ] && [ ! -L "$file" ] || exit 0
          [ "$(cat "$file")" != "$id" ] || exit 0
          booted=$(sed -n 's/^btime //p' /proc/stat)
          [ "$(stat -c %Y "$file")" -lt "$booted" ] || exit 0
          echo "$id" > "$file" || exit 0
          dbus=/var/lib/dbus/machine-id
          if [ -f "$dbus" ] && [ ! -L "$dbus" ]; then echo "$id" > "$dbus"; fi
          if command -v systemctl > /dev/null; then systemctl --no-block try-restart systemd-networkd || true; fi
    "##);
    // Root gets no key where somebody else does.
    let smbios = told.guests[0].smbios.as_ref().unwrap();
    assert!(
        smbios
            .credentials
            .iter()
            .all(|c| c.name != "ssh.authorized_keys.root")
    );
    assert!(!format!("{identity:?} {told:?}").contains("hunter2"));

    let without = GuestIdentity {
        user: None,
        ..identity
    };
    let told = prepared(&without, &["web-01"]);
    let text = told.guests[0]
        .seed
        .as_ref()
        .unwrap()
        .user_data
        .expose()
        .to_owned();
    assert!(
        text.contains("\nssh_pwauth: true\n") && text.contains("\npassword: \"$6$"),
        "{text}"
    );
    assert!(text.contains("\nssh_authorized_keys:\n"), "{text}");
}

#[test]
fn own_texts_are_sent_as_they_are() {
    let identity = GuestIdentity {
        user_data: Some("#!/bin/sh\necho {{x}} é\n".to_owned().into()),
        network_config: Some("version: 2\n".to_owned().into()),
        ..keys()
    };
    let told = prepared(&identity, &["web-01"]);
    let seed = told.guests[0].seed.as_ref().unwrap();
    assert_eq!(Some(&seed.user_data), identity.user_data.as_ref());
    assert_eq!(seed.network_config, identity.network_config);
    // The keys go another way.
    assert!(
        seed.meta_data
            .expose()
            .contains("public-keys:\n  - \"ssh-ed25519"),
        "{seed:?}"
    );
    assert!(told.warnings.is_empty());

    let meta = GuestIdentity {
        meta_data: Some("instance-id: mine\n".to_owned().into()),
        user_data: None,
        ..identity
    };
    let told = prepared(&meta, &["web-01"]);
    let seed = told.guests[0].seed.as_ref().unwrap();
    assert_eq!(Some(&seed.meta_data), meta.meta_data.as_ref());
    assert!(!seed.user_data.expose().contains("hostname:"));
    let ignored = GuestIdentity {
        user_data: Some("hello".to_owned().into()),
        ..GuestIdentity::default()
    };
    assert_eq!(prepared(&ignored, &["a"]).warnings.len(), 1);
}

#[test]
fn smbios_alone_carries_no_secret_and_no_user() {
    let smbios = |identity: GuestIdentity| GuestIdentity {
        channel: Some(IdentityChannel::Smbios),
        ..identity
    };
    let told = prepared(&smbios(keys()), &["web-01"]);
    let one = &told.guests[0];
    assert!(one.seed.is_none() && told.chosen.is_none());
    let tables = one.smbios.as_ref().unwrap();
    assert!(tables.required && tables.credentials.len() == 3);
    assert_eq!(tables.instance.as_ref().unwrap().0, Uuid::from_u128(1));
    let text = || Some("x".to_owned().into());
    for identity in [
        GuestIdentity {
            password: text(),
            ..keys()
        },
        GuestIdentity {
            user: Some("a".parse().unwrap()),
            ..keys()
        },
        GuestIdentity {
            user_data: text(),
            ..keys()
        },
        GuestIdentity {
            meta_data: text(),
            ..keys()
        },
        GuestIdentity {
            network_config: text(),
            ..keys()
        },
        GuestIdentity {
            ssh_keys: vec![KEY.parse().unwrap(); 200],
            ..keys()
        },
    ] {
        refused(&smbios(identity), &["a"]);
    }
    let arm = Machine {
        arch: Some("s390x"),
        ..PC
    };
    let error = run(&smbios(keys()), &["a"], 1, arm).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let text = || Some("x".to_owned().into());
    for (identity, names) in [
        (
            GuestIdentity {
                user_data: text(),
                user: Some("a".parse().unwrap()),
                ..keys()
            },
            &["a"][..],
        ),
        (
            GuestIdentity {
                user_data: text(),
                password: text(),
                ..keys()
            },
            &["a"],
        ),
        (
            GuestIdentity {
                user_data: text(),
                meta_data: text(),
                ..keys()
            },
            &["a"],
        ),
        (
            GuestIdentity {
                meta_data: text(),
                hostnames: vec!["a".parse().unwrap()],
                ..keys()
            },
            &["a"],
        ),
        (
            GuestIdentity {
                meta_data: text(),
                ..GuestIdentity::default()
            },
            &["a", "b"],
        ),
    ] {
        refused(&identity, names);
    }
}

#[test]
fn each_guest_has_a_host_name_of_its_own() {
    let named = |hostnames: &[&str]| GuestIdentity {
        hostnames: hostnames.iter().map(|name| name.parse().unwrap()).collect(),
        ..GuestIdentity::default()
    };
    let of = |identity: &GuestIdentity, names: &[&str], first| -> Vec<String> {
        let told = run(identity, names, first, PC).unwrap();
        told.guests
            .iter()
            .map(|one| one.hostname.to_string())
            .collect()
    };
    assert_eq!(of(&named(&["x"]), &["a"], 1), ["x"]);
    assert_eq!(
        of(&named(&["x{n:02}.lab"]), &["a", "b"], 9),
        ["x09.lab", "x10.lab"]
    );
    assert_eq!(
        of(&named(&["{name}.lab"]), &["a", "b"], 1),
        ["a.lab", "b.lab"]
    );
    assert_eq!(of(&named(&["x", "y"]), &["a", "b"], 1), ["x", "y"]);
    for (hostnames, names) in [
        (&["x"][..], &["a", "b"][..]),
        (&["x", "y"], &["a"]),
        (&["x", "y"], &["a", "b", "c"]),
        (&["x", "X"], &["a", "b"]),
        (&["{name}"], &["a", "b_c"]),
    ] {
        refused(&named(hostnames), names);
    }
    let message = refused(&keys(), &["a_b"]);
    assert!(
        message.contains("'a_b' needs another host name"),
        "{message}"
    );
}

/// Whoever may write a key or a name cannot write YAML.
#[test]
fn values_stay_values() {
    for comment in [
        "\"]\nroot: x",
        "é 😀",
        "': |",
        "{{x}}",
        "# x",
        "\\\"\\u0000",
    ] {
        let line = KEY.replace("a \"b\": c", comment);
        let Ok(key) = line.parse() else {
            continue;
        };
        let identity = GuestIdentity {
            ssh_keys: vec![key],
            ..GuestIdentity::default()
        };
        let text = prepared(&identity, &["a"]).guests[0]
            .seed
            .as_ref()
            .unwrap()
            .user_data
            .expose()
            .to_owned();
        let written = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("- \"ssh-"))
            .unwrap();
        let back: String = serde_json::from_str(&format!("\"ssh-{written}")).unwrap();
        assert_eq!(back, line);
    }
}
