//! What clones must not share: what makes a guest this one goes.
//!
//! Logs, users' files, and the identities of file systems stay: nobody meets them
//! on a network, and some of them a guest needs to start.

use super::files::{Told, matching, tell};
use super::{Outcome, Wishes};
use crate::error::Result;
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
    // Who it is for those who sell it.
    ("/etc/pki/consumer", &["*.pem"]),
    ("/etc/pki/entitlement", &["*.pem"]),
    ("/etc/sysconfig/rhn", &["systemid", "systemid.old"]),
];

/// Where networks are set up, and words that say that an address is meant; and who
/// else a guest is for others. It is told.
const TOLD: &[Told<'_>] = &[
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
];

/// What cloud-init takes the guest for.
const INSTANCE: &[Told<'_>] = &[(
    "/var/lib/cloud/seed/nocloud",
    "meta-data",
    &["instance-id"],
    "has an instance id, which all clones will have",
)];

const STATIC: &str = "may have a fixed address, which all clones would have";

/// Drafts that all of it goes, but for what has files of its own here: the machine
/// id, the keys of the SSH server, and what is bound to MAC addresses.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn draft(draft: &mut Draft<'_>, wishes: &Wishes, outcome: &mut Outcome) -> Result<()> {
    for (dir, patterns) in GONE {
        for path in matching(draft, dir, patterns)? {
            draft.rm(&path, true, true)?;
        }
    }
    tell(draft, TOLD, outcome)?;
    match wishes.instance_id {
        Some(_) => Ok(()),
        None => tell(draft, INSTANCE, outcome),
    }
}
