//! What sets up the networks of a guest, found out by its files.

use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::FileKind;
use crate::ops::customize::files::{matching, texts};
use crate::ops::write::plan::Draft;

use super::{ifcfg, interfaces};

/// What sets up networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum System {
    /// systemd-networkd, by itself or for netplan.
    Networkd,
    /// NetworkManager with files of its own, by itself or for netplan.
    NetworkManager,
    /// The network scripts of Red Hat, or NetworkManager with their files.
    Ifcfg,
    /// wicked, as SUSE has it.
    Wicked,
    /// ifupdown, as Debian and Alpine have it.
    Interfaces,
}

/// Where netplan has its files, and the program that reads them when the system
/// starts.
const NETPLAN: &[&str] = &["/usr/lib/netplan", "/etc/netplan"];
const NETPLAN_PROGRAMS: &[&str] = &[
    "/usr/sbin/netplan",
    "/usr/libexec/netplan/generate",
    "/usr/lib/netplan/generate",
];

/// Where administrators and distributions enable units.
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where services are enabled without systemd.
const RUNLEVELS: &[&str] = &[
    "/etc/rc3.d",
    "/etc/rc.d/rc3.d",
    "/etc/rc2.d",
    "/etc/rcS.d",
    "/etc/runlevels/boot",
    "/etc/runlevels/default",
];

impl System {
    /// What sets up the networks of this guest.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if nothing known does, or two do.
    pub(super) fn of(draft: &Draft<'_>) -> Result<Self> {
        if let Some(system) = of_netplan(draft)? {
            return Ok(system);
        }
        let networkd = is_enabled(draft, &["systemd-networkd.service"])?;
        let manager = is_enabled(draft, &["NetworkManager.service"])?;
        let scripts = is_enabled(draft, &["network.service", "network"])?;
        let reads_ifcfg = scripts || (manager && ifcfg::is_read_by_network_manager(draft)?);
        if reads_ifcfg && ifcfg::has_any(draft)? {
            return Ok(Self::Ifcfg);
        }
        let ifupdown = is_enabled(draft, &["networking.service", "networking"])?;
        if ifupdown && (interfaces::has_any(draft)? || !(networkd || manager)) {
            return Ok(Self::Interfaces);
        }
        if manager
            && networkd
            && !matching(draft, "/etc/systemd/network", &["*.network"])?.is_empty()
        {
            return unknown(
                "both NetworkManager and systemd-networkd are enabled and have something to do",
            );
        }
        if manager {
            return Ok(Self::NetworkManager);
        }
        if networkd {
            return Ok(Self::Networkd);
        }
        if is_enabled(draft, &["wickedd.service", "wicked.service"])? {
            return Ok(Self::Wicked);
        }
        unknown(
            "it has no files of netplan, and of systemd-networkd, NetworkManager, ifupdown, wicked \
             and the network scripts of Red Hat none is enabled",
        )
    }

    /// Whether its files are those that cloud-init writes too.
    pub(super) fn has_files_of_cloud_init(self) -> bool {
        matches!(self, Self::Ifcfg | Self::Wicked | Self::Interfaces)
    }
}

fn unknown<T>(why: &str) -> Result<T> {
    Err(Error::new(
        Kind::WrongState,
        format!("it is not known what sets up the guest's networks: {why}"),
    )
    .hint("write its files yourself: `--write FILE:CONTENT`, or `--firstboot SCRIPT`"))
}

/// By what netplan has it done, if the guest has netplan and something for it.
fn of_netplan(draft: &Draft<'_>) -> Result<Option<System>> {
    let mut there = false;
    for program in NETPLAN_PROGRAMS {
        there |= draft.tree().look(program)?.is_some();
    }
    if !there {
        return Ok(None);
    }
    let mut files = Vec::new();
    for dir in NETPLAN {
        files.extend(texts(draft, dir, &["*.yaml"])?);
    }
    if files.is_empty() {
        return Ok(None);
    }
    let mut renderers: Vec<&str> = Vec::new();
    for (path, text) in &files {
        for line in text.lines().map(str::trim) {
            if let Some(renderer) = line.strip_prefix("renderer:") {
                renderers.push(renderer.trim().trim_matches(['"', '\'']));
            }
            let combined = ["bridges:", "bonds:", "vlans:"];
            if combined.contains(&line) {
                return Err(combines(path, line.trim_end_matches(':')));
            }
        }
    }
    let is_managed = |renderer: &&str| *renderer == "NetworkManager";
    if renderers.iter().all(|it| *it == "networkd") {
        return Ok(Some(System::Networkd));
    }
    match renderers.iter().all(is_managed) {
        true => Ok(Some(System::NetworkManager)),
        false => unknown("the files of netplan name more than one renderer"),
    }
}

/// That an interface may be a part of something bigger, which an address of its own
/// would break.
pub(super) fn combines(path: &[u8], what: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "{} has {what}: an interface with an address of its own would leave them",
            path.escape_ascii()
        ),
    )
    .hint("change that file itself: `vmkin edit`")
}

/// Whether one of these is started with the system.
fn is_enabled(draft: &Draft<'_>, names: &[&str]) -> Result<bool> {
    for dir in UNITS {
        for wants in matching(draft, dir, &["*.wants", "*.requires"])? {
            for unit in draft.names(&wants)? {
                let unit = String::from_utf8_lossy(&unit).into_owned();
                if names.contains(&unit.as_str()) && !is_masked(draft, &unit)? {
                    return Ok(true);
                }
            }
        }
    }
    for dir in RUNLEVELS {
        for name in draft.names(dir.as_bytes())? {
            let name = String::from_utf8_lossy(&name).into_owned();
            // `S10network`, or without the number as OpenRC has it.
            let service = name.trim_start_matches(|c: char| c == 'S' || c.is_ascii_digit());
            if names.contains(&service) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_masked(draft: &Draft<'_>, unit: &str) -> Result<bool> {
    let path = format!("/etc/systemd/system/{unit}");
    let stat = draft.stat(path.as_bytes())?;
    if stat.is_none_or(|stat| stat.kind != FileKind::Link) {
        return Ok(false);
    }
    let place = draft.tree().find_itself(path.as_bytes())?;
    Ok(draft.tree().link(&place)? == b"/dev/null")
}

/// Whether the resolver of systemd is started with the system.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn has_resolved(draft: &Draft<'_>) -> Result<bool> {
    is_enabled(draft, &["systemd-resolved.service"])
}
