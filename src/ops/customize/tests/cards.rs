//! What is bound to cards, and which instance cloud-init takes a guest for.

use super::network::macs;
use super::{Tree, named};
use crate::error::Kind;
use crate::ops::customize::{Wishes, rebind};

fn pins(texts: &[&str]) -> Wishes {
    Wishes {
        mac_pins: texts.iter().map(|text| text.parse().unwrap()).collect(),
        ..Wishes::default()
    }
}

const RULES: &str = "etc/udev/rules.d/70-persistent-net.rules";
const IFCFG: &str = "etc/sysconfig/network-scripts/ifcfg-eth0";
const NETPLAN: &str = "etc/netplan/50-cloud-init.yaml";
const LINK: &str = "etc/systemd/network/10-lan.link";
const CONNECTION: &str = "etc/NetworkManager/system-connections/a.nmconnection";

/// All that can be bound, to one card, which is written in several ways.
fn bound() -> Tree {
    let tree = Tree::new();
    let old = "52:54:00:aa:bb:cc";
    tree.write(
        RULES,
        &format!("ATTR{{address}}==\"{old}\", NAME=\"eth0\"\n"),
    );
    tree.write(
        IFCFG,
        &format!(
            "DEVICE=eth0\nHWADDR={}\n#HWADDR=52:54:00:00:00:77\n",
            old.to_uppercase()
        ),
    );
    tree.write(
        NETPLAN,
        &format!("match: {{macaddress: '{old}'}}\nset-name: eth0\n"),
    );
    tree.write(LINK, &format!("[Match]\nMACAddress={old}\n"));
    tree.write(
        CONNECTION,
        &format!("[ethernet]\nmac-address={old}\ncloned-mac-address=preserve\n"),
    );
    tree
}

#[test]
fn what_is_bound_to_one_card_is_bound_to_that_of_the_domain() {
    let tree = bound();
    let one = macs(1);
    let (drafted, outcome) = tree.draft_in(Some(&one), &pins(&["domain"])).unwrap();
    let new = "52:54:00:00:00:01";
    let at = |path: &str| drafted[&format!("/{path}")].as_str();
    assert_eq!(
        at(RULES),
        format!("ATTR{{address}}==\"{new}\", NAME=\"eth0\"\n")
    );
    assert_eq!(
        at(IFCFG),
        format!("DEVICE=eth0\nHWADDR={new}\n#HWADDR=52:54:00:00:00:77\n")
    );
    assert_eq!(
        at(NETPLAN),
        format!("match: {{macaddress: '{new}'}}\nset-name: eth0\n")
    );
    assert_eq!(at(LINK), format!("[Match]\nMACAddress={new}\n"));
    assert!(at(CONNECTION).contains(new) && at(CONNECTION).contains("preserve"));
    assert!(
        outcome.warnings.is_empty() && drafted.len() == 5,
        "{drafted:?}"
    );
    // Said, it is the same; once more changes nothing, and neither does a guest that
    // is bound to nothing.
    let said = pins(&[&format!("52:54:00:aa:bb:cc={new}")]);
    assert_eq!(tree.draft_in(Some(&one), &said).unwrap().0, drafted);
    for (path, text) in &drafted {
        tree.write(path.trim_start_matches('/'), text);
    }
    for wishes in [said, pins(&["domain"])] {
        assert!(tree.draft_in(Some(&one), &wishes).unwrap().0.is_empty());
    }
    let free = Tree::new();
    assert!(
        free.draft_in(Some(&one), &pins(&["domain"]))
            .unwrap()
            .0
            .is_empty()
    );
}

#[test]
fn of_several_cards_it_has_to_be_said() {
    let tree = bound();
    let two = macs(2);
    let error = tree.draft_in(Some(&two), &pins(&["domain"])).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(text.contains("52:54:00:aa:bb:cc (/etc/sysconfig"), "{text}");
    assert!(
        text.contains("52:54:00:00:00:01, 52:54:00:00:00:02"),
        "{text}"
    );
    // One of both is bound already.
    tree.write(
        "etc/systemd/network/b.link",
        "MACAddress=52:54:00:00:00:01\n",
    );
    let (drafted, _) = tree.draft_in(Some(&two), &pins(&["domain"])).unwrap();
    assert!(drafted[&format!("/{LINK}")].ends_with(":02\n"));
    for (text, why) in [
        (
            "52:54:00:00:00:77=52:54:00:00:00:78",
            "bound to 52:54:00:00:00:77",
        ),
        (
            "52:54:00:aa:bb:cc=52:54:00:00:00:03",
            "no interface with 52:54:00:00:00:03",
        ),
    ] {
        let error = tree.draft_in(Some(&two), &pins(&[text])).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let error = tree.draft(&pins(&["domain"])).unwrap_err();
    assert!(error.to_string().contains("has no domain"), "{error}");
    // Of clones the order is known.
    let (old, new) = ("52:54:00:aa:bb:cc".parse().unwrap(), two[1]);
    let (drafted, ()) = tree
        .drafted(None, |draft, _| rebind(draft, &[(old, new), (new, old)]))
        .unwrap();
    assert_eq!(drafted.len(), 5, "{drafted:?}");
}

#[test]
fn what_is_bound_to_a_card_goes_where_it_can() {
    let tree = bound();
    let (drafted, outcome) = tree.draft(&pins(&["remove"])).unwrap();
    assert_eq!(drafted[&format!("/{RULES}")], "gone");
    assert!(!drafted[&format!("/{IFCFG}")].contains("\nHWADDR"));
    assert_eq!(
        drafted[&format!("/{CONNECTION}")],
        "[ethernet]\ncloned-mac-address=preserve\n"
    );
    assert_eq!(drafted.len(), 3, "{drafted:?}");
    let [warning] = &outcome.warnings[..] else {
        panic!("{outcome:?}")
    };
    assert!(warning.starts_with("/etc/systemd/network/10-lan.link is bound"));
    // What is said counts for a guest that others are made of, too.
    let one = macs(1);
    let wishes = Wishes {
        generalize: true,
        ..pins(&["domain"])
    };
    let (drafted, _) = tree.draft_in(Some(&one), &wishes).unwrap();
    assert!(drafted[&format!("/{RULES}")].contains("52:54:00:00:00:01"));
    for (texts, guests, fits) in [
        (&["domain"][..], 2, true),
        (&["domain", "remove"], 1, false),
        (&["52:54:00:00:00:01=52:54:00:00:00:02"], 2, false),
        (
            &[
                "52:54:00:00:00:01=52:54:00:00:00:02",
                "52:54:00:00:00:01=52:54:00:00:00:03",
            ],
            1,
            false,
        ),
    ] {
        assert_eq!(pins(texts).check_for(guests).is_ok(), fits, "{texts:?}");
    }
}

#[test]
fn cloud_init_takes_it_for_another() {
    let with = |id: &str| Wishes {
        instance_id: Some(id.parse().unwrap()),
        ..named("web.lab")
    };
    let tree = Tree::new();
    tree.refuses(&with("new"), Kind::WrongState, "no cloud-init");
    tree.write("usr/bin/cloud-init", "");
    let one = macs(1);
    let seed = "/var/lib/cloud/seed/nocloud";
    let meta = format!("{seed}/meta-data");
    let (drafted, _) = tree.draft_in(Some(&one), &with("new")).unwrap();
    let uuid = "00000000-0000-0000-0000-000000000007";
    assert_eq!(
        drafted[&meta],
        format!("0644 instance-id: \"{uuid}\"\nlocal-hostname: \"web.lab\"\n")
    );
    assert_eq!(drafted[&format!("{seed}/user-data")], "0644 ");
    let of_image = || tree.draft(&with("new")).unwrap().0[&meta].clone();
    assert_ne!(of_image(), of_image());
    // The seed that is there keeps the rest.
    tree.write(
        "var/lib/cloud/seed/nocloud-net/meta-data",
        "local-hostname: golden\ninstance-id: iid-1\nkeys: [a]\n",
    );
    let wishes = Wishes {
        hostname: None,
        generalize: true,
        ..with("iid-2")
    };
    let (drafted, _) = tree.draft(&wishes).unwrap();
    let meta = "/var/lib/cloud/seed/nocloud-net/meta-data";
    assert_eq!(
        drafted[meta],
        "local-hostname: golden\ninstance-id: \"iid-2\"\nkeys: [a]\n"
    );
    assert!(
        !drafted
            .keys()
            .any(|path| path.starts_with(&format!("{seed}/")))
    );
    assert!(wishes.check_for(2).is_err() && with("new").check_for(1).is_ok());
    // What is told only if nothing is done about it.
    let own = "var/lib/cloud/seed/nocloud/meta-data";
    tree.write(own, "instance-id: x\n");
    let said = |wishes: &Wishes| {
        let warnings = tree.draft(wishes).unwrap().1.warnings;
        warnings
            .iter()
            .any(|warning| warning.contains("instance id"))
    };
    assert!(!said(&wishes));
    let plain = Wishes {
        generalize: true,
        ..Wishes::default()
    };
    assert!(said(&plain));
    tree.write(own, "{\"instance-id\": \"x\"}\n");
    tree.refuses(&with("new"), Kind::WrongState, "no lines with settings");
}
