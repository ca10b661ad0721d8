//! Kernels, settings of the network, users.

use serde::Serialize;

use super::{Looker, windows};
use crate::guest::native::fs::FileKind;

/// How much of `/etc/passwd` is read.
const MAX_PASSWD: u64 = 4 << 20;

/// A user of a guest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number; none in Windows.
    pub uid: Option<u32>,
    /// The number of the group; none in Windows.
    pub gid: Option<u32>,
    /// The home directory.
    pub home: String,
    /// What is started at a login; none in Windows.
    pub shell: Option<String>,
}

/// The versions of the kernels whose modules are there.
pub(super) fn kernels(looker: &mut Looker<'_>) -> Vec<String> {
    let mut kernels = looker.names("/lib/modules");
    kernels.retain(|name| {
        ["modules.dep", "kernel"]
            .iter()
            .any(|file| looker.is_there(&format!("/lib/modules/{name}/{file}")))
    });
    kernels
}

/// Files, and directories of files, that set up the network.
const NETWORK: &[&str] = &[
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/",
    "/etc/netplan/",
    "/etc/sysconfig/network-scripts/",
    "/etc/sysconfig/network/",
    "/etc/NetworkManager/system-connections/",
    "/etc/systemd/network/",
    "/etc/cloud/cloud.cfg.d/",
    "/etc/resolv.conf",
];

pub(super) fn network(looker: &mut Looker<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for path in NETWORK {
        let Some(dir) = path.strip_suffix('/') else {
            if looker.is_there(path) {
                found.push((*path).to_owned());
            }
            continue;
        };
        for (name, place) in looker.entries(dir) {
            let of_network = match *path {
                "/etc/sysconfig/network-scripts/" | "/etc/sysconfig/network/" => {
                    name.starts_with("ifcfg-") || name.starts_with("route-")
                }
                "/etc/cloud/cloud.cfg.d/" => name.contains("network"),
                _ => true,
            };
            let is_file = looker
                .tree
                .stat(&place)
                .is_ok_and(|stat| stat.kind == FileKind::File);
            if of_network && is_file {
                found.push(format!("{dir}/{name}"));
            }
        }
    }
    found
}

pub(super) fn users(looker: &mut Looker<'_>) -> Vec<User> {
    if windows::is_there(looker) {
        return windows::users(looker);
    }
    let text = looker.text("/etc/passwd", MAX_PASSWD).unwrap_or_default();
    text.lines().filter_map(user).collect()
}

/// A line of passwd(5).
fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(User {
        name: (*name).to_owned(),
        uid: Some(uid.parse().ok()?),
        gid: Some(gid.parse().ok()?),
        home: (*home).to_owned(),
        shell: Some((*shell).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn a_line_of_passwd_is_a_user() {
        let root = user("root:x:0:0:root:/root:/bin/bash").unwrap();
        assert_eq!((root.name.as_str(), root.uid), ("root", Some(0)));
        for wrong in ["", "+::::::", "root:x:0:0:root:/root", "a:x:b:0::/:"] {
            assert_eq!(user(wrong), None, "{wrong}");
        }
    }
}
