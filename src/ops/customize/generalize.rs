//! What clones must not share: what makes a guest this one goes.
//!
//! Logs, users' files, and the identities of file systems stay: nobody meets them
//! on a network, and some of them a guest needs to start.

use super::Outcome;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::model::Glob;
use crate::ops::write::plan::Draft;

/// What goes: directories, and the names in them.
const GONE: &[(&str, &[&str])] = &[
    // What DHCP servers know a client by, and gave to it.
    ("/var/lib/dhcp", &["*.leases", "*.lease", "*.leases~"]),
    ("/var/lib/dhclient", &["*.leases", "*.lease"]),
    (
        "/var/lib/dhcpcd",
        &["*.lease", "*.lease6", "duid", "secret"],
    ),
    ("/etc", &["dhcpcd.duid", "dhcpcd.secret"]),
    ("/var/lib/wicked", &["duid.xml", "iaid.xml", "lease-*.xml"]),
    ("/var/lib/NetworkManager", &["*.lease", "secret_key"]),
    // What random numbers begin with.
    ("/var/lib/systemd", &["random-seed", "credential.secret"]),
    ("/var/lib/urandom", &["random-seed"]),
    ("/var/lib/misc", &["random-seed"]),
    ("/var/lib", &["random-seed"]),
    ("/boot/efi/loader", &["random-seed"]),
    ("/boot/loader", &["random-seed"]),
    ("/efi/loader", &["random-seed"]),
    // What cloud-init has done; the scripts that are there for it stay.
    ("/var/lib/cloud", &["instance", "instances", "data", "sem"]),
    // Which card has which name.
    ("/etc/udev/rules.d", &["70-persistent-net.rules"]),
    // Who it is for those who sell it.
    ("/etc/pki/consumer", &["*.pem"]),
    ("/etc/pki/entitlement", &["*.pem"]),
    ("/etc/sysconfig/rhn", &["systemid", "systemid.old"]),
];

/// The files of connections, and the settings in them that bind one to a card.
pub(in crate::ops) const PINS: &[(&str, &str, &[&str])] = &[
    (
        "/etc/sysconfig/network-scripts",
        "ifcfg-*",
        &["HWADDR", "MACADDR"],
    ),
    ("/etc/sysconfig/network", "ifcfg-*", &["LLADDR"]),
    (
        "/etc/NetworkManager/system-connections",
        "*",
        &["mac-address", "cloned-mac-address"],
    ),
];

/// Where networks are set up, and words that say that a card or an address is
/// meant. A part of a line of YAML cannot be taken away without changing what the
/// rest means, so it is told.
const TOLD: &[(&str, &str, &[&str], &str)] = &[
    ("/etc/netplan", "*.yaml", &["macaddress:"], PINNED),
    ("/etc/systemd/network", "*", &["MACAddress="], PINNED),
    ("/etc/netplan", "*.yaml", &["addresses:"], STATIC),
    ("/etc/systemd/network", "*.network", &["Address="], STATIC),
    (
        "/etc/NetworkManager/system-connections",
        "*",
        &["address1="],
        STATIC,
    ),
    (
        "/etc/sysconfig/network-scripts",
        "ifcfg-*",
        &["IPADDR=", "IPADDR0="],
        STATIC,
    ),
    ("/etc/sysconfig/network", "ifcfg-*", &["IPADDR="], STATIC),
    ("/etc/network", "interfaces", &["address"], STATIC),
    ("/etc/network/interfaces.d", "*", &["address"], STATIC),
    (
        "/etc/iscsi",
        "initiatorname.iscsi",
        &["InitiatorName="],
        "has a name for shared storage, which two clones on it must not have both",
    ),
    (
        "/etc/nvme",
        "host*",
        &[""],
        "has a name for shared storage, which two clones on it must not have both",
    ),
    (
        "/var/lib/cloud/seed/nocloud",
        "meta-data",
        &["instance-id"],
        "has an instance id, which all clones will have",
    ),
];

const PINNED: &str = "is bound to the MAC address of a card, and stays so";
const STATIC: &str = "may have a fixed address, which all clones would have";

/// The address of the loopback device is everybody's.
const LOOPBACK: &str = "127.";

/// Drafts that all of it goes, but for the machine id and the keys of the SSH
/// server, which have files of their own here.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn draft(draft: &mut Draft<'_>, outcome: &mut Outcome) -> Result<()> {
    for (dir, patterns) in GONE {
        for path in matching(draft, dir, patterns)? {
            draft.rm(&path, true, true)?;
        }
    }
    for (dir, pattern, settings) in PINS {
        for path in matching(draft, dir, &[pattern])? {
            unpin(draft, &path, settings)?;
        }
    }
    for (dir, pattern, words, what) in TOLD {
        for path in matching(draft, dir, &[pattern])? {
            let Some(text) = text_of(draft, &path)? else {
                continue;
            };
            let said = text.lines().map(str::trim_start).any(|line| {
                !line.starts_with('#')
                    && !line.contains(LOOPBACK)
                    && words.iter().any(|word| line.starts_with(word))
            });
            if said {
                outcome
                    .warnings
                    .push(format!("{} {what}.", path.escape_ascii()));
            }
        }
    }
    Ok(())
}

/// The paths of what is in a directory under one of these names.
fn matching(draft: &Draft<'_>, dir: &str, patterns: &[&str]) -> Result<Vec<Vec<u8>>> {
    let globs: Vec<Glob> = patterns
        .iter()
        .map(|pattern| pattern.parse())
        .collect::<std::result::Result<_, _>>()
        .map_err(|why| Error::new(Kind::Usage, why))?;
    let names = draft.names(dir.as_bytes())?.into_iter();
    let wanted = names.filter(|name| {
        let name = String::from_utf8_lossy(name);
        globs.iter().any(|glob| glob.matches(&name))
    });
    Ok(wanted
        .map(|name| [dir.as_bytes(), b"/", &name].concat())
        .collect())
}

/// A text, if it is one.
fn text_of(draft: &Draft<'_>, path: &[u8]) -> Result<Option<String>> {
    let stat = draft.stat(path)?;
    if stat.is_none_or(|stat| stat.kind != FileKind::File) {
        return Ok(None);
    }
    let text = draft.text(path)?;
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// A connection is not bound to a card any more.
fn unpin(draft: &mut Draft<'_>, path: &[u8], settings: &[&str]) -> Result<()> {
    let Some(text) = text_of(draft, path)? else {
        return Ok(());
    };
    let now = unpinned(&text, settings);
    if now != text {
        draft.put(path, now.as_bytes(), Given::default())?;
    }
    Ok(())
}

fn unpinned(text: &str, settings: &[&str]) -> String {
    let free = |line: &&str| pinned_to(line, settings).is_none();
    text.split_inclusive('\n').filter(free).collect()
}

/// The address that a line binds a connection to.
pub(in crate::ops) fn pinned_to<'l>(line: &'l str, settings: &[&str]) -> Option<&'l str> {
    let (name, value) = line.split_once('=')?;
    // Of the words that stand for an address, such as `preserve`, none has a colon.
    (settings.contains(&name.trim()) && value.contains(':')).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::unpinned;

    #[test]
    fn a_connection_loses_its_card_and_nothing_else() {
        let text = "DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nHWADDR2=x:y\n#HWADDR=a:b\nMACADDR=\"52:54:00:00:00:01\"";
        let now = unpinned(text, &["HWADDR", "MACADDR"]);
        assert_eq!(now, "DEVICE=eth0\nHWADDR2=x:y\n#HWADDR=a:b\n");
        let text = "[ethernet]\nmac-address=52:54:00:00:00:01\ncloned-mac-address=preserve\n";
        let now = unpinned(text, &["mac-address", "cloned-mac-address"]);
        assert_eq!(now, "[ethernet]\ncloned-mac-address=preserve\n");
    }
}
