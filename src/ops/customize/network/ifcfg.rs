//! `ifcfg` files: those of Red Hat's network scripts, which its NetworkManager reads
//! too, and those of SUSE's wicked.

use super::assignments::Assignments;
use super::setup::{NAME_IT, Setup};
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::customize::files::{matching, text_of, texts};
use crate::ops::write::plan::Draft;

const RED_HAT: &str = "/etc/sysconfig/network-scripts";
const SUSE: &str = "/etc/sysconfig/network";

/// What SUSE has for all interfaces.
const SUSE_CONFIG: &[u8] = b"/etc/sysconfig/network/config";

/// Where the part of NetworkManager is that reads these files.
const PLUGINS: &[&str] = &["/usr/lib64/NetworkManager", "/usr/lib/NetworkManager"];
const PLUGIN: &str = "libnm-settings-plugin-ifcfg-rh.so";

/// Settings that make an interface a part of something else.
const PARTS: &[&str] = &[
    "MASTER",
    "BRIDGE",
    "TEAM_MASTER",
    "BRIDGE_UUID",
    "MASTER_UUID",
];

/// One file, and what is in it.
struct File {
    path: Vec<u8>,
    text: Assignments,
}

impl File {
    /// What it is called behind `ifcfg-`.
    fn suffix(&self) -> String {
        let path = String::from_utf8_lossy(&self.path);
        let suffix = path.rsplit_once("/ifcfg-").map(|(_, suffix)| suffix);
        suffix.unwrap_or_default().to_owned()
    }

    fn is_of(&self, setup: &Setup) -> bool {
        let mac = self.text.get("HWADDR").and_then(|mac| mac.parse().ok());
        let by_mac = mac.is_some() && mac == setup.nic.mac;
        let by_name = setup.nic.name.as_deref().is_some_and(|name| {
            let device = self.text.get("DEVICE").or(self.text.get("NAME"));
            device == Some(name) || (device.is_none() && self.suffix() == name)
        });
        by_mac || by_name
    }
}

/// The files of interfaces but for the loopback device, and but for what editors and
/// package managers leave.
fn files(draft: &Draft<'_>, dir: &str) -> Result<Vec<File>> {
    let all = texts(draft, dir, &["ifcfg-*"])?.into_iter();
    let files = all.map(|(path, text)| File {
        path,
        text: Assignments::of(&text),
    });
    let is_left = |suffix: &str| {
        let ends = [
            "~", ".bak", ".orig", ".old", ".rpmnew", ".rpmsave", ".rpmorig",
        ];
        ends.iter().any(|end| suffix.ends_with(end))
    };
    Ok(files
        .filter(|file| {
            let suffix = file.suffix();
            suffix != "lo" && file.text.get("DEVICE") != Some("lo") && !is_left(&suffix)
        })
        .collect())
}

/// Whether there is such a file of Red Hat.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn has_any(draft: &Draft<'_>) -> Result<bool> {
    Ok(!files(draft, RED_HAT)?.is_empty())
}

/// Whether NetworkManager of the guest reads such files.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn is_read_by_network_manager(draft: &Draft<'_>) -> Result<bool> {
    for dir in PLUGINS {
        // In a directory of the version, or without one.
        for place in matching(draft, dir, &["*"])? {
            if place.ends_with(PLUGIN.as_bytes()) {
                return Ok(true);
            }
            let names = draft.names(&place)?;
            if names.iter().any(|name| name == PLUGIN.as_bytes()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The file of an interface; a new one if it is named and has none.
fn file_of(draft: &Draft<'_>, dir: &str, setup: &Setup) -> Result<File> {
    let mut files = files(draft, dir)?;
    if let Some(at) = files.iter().position(|file| file.is_of(setup)) {
        return Ok(files.swap_remove(at));
    }
    if let Some(name) = &setup.nic.name {
        let mut text = Assignments::of("# Written by vmkin customize.");
        if dir == RED_HAT {
            text.set("TYPE", "Ethernet");
            text.set("DEVICE", name);
            text.set("NAME", name);
        }
        let path = format!("{dir}/ifcfg-{name}").into_bytes();
        return Ok(File { path, text });
    }
    // The one file there is: of the only interface, whatever card it was bound to,
    // or of the first one if it is not known to be bound to another.
    let is_bound = |file: &File| setup.nic.mac.is_some() && file.text.get("HWADDR").is_some();
    let fits = |file: &File| setup.nic.is_only || (setup.nic.is_first && !is_bound(file));
    if files.len() == 1 && files.first().is_some_and(fits) {
        return Ok(files.swap_remove(0));
    }
    let there: Vec<String> = files
        .iter()
        .map(|file| file.path.escape_ascii().to_string())
        .collect();
    let there = match there.is_empty() {
        true => "there is none".to_owned(),
        false => format!("there are {}", there.join(", ")),
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "it is not certain which ifcfg file is that of {}: {there}",
            setup.nic
        ),
    )
    .hint(NAME_IT))
}

/// An interface is set up so, by a file of Red Hat.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not certain which, or the interface is a part of
/// something else; those of [`Draft::put`].
pub(super) fn red_hat(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    let File { path, mut text } = file_of(draft, RED_HAT, setup)?;
    if let Some(part) = PARTS.iter().find(|part| text.get(part).is_some()) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} has {part}: the interface is a part of another",
                path.escape_ascii()
            ),
        )
        .hint("name the other: `--network br0,address=…`"));
    }
    text.replace(is_address_of_red_hat, &settings_of_red_hat(setup));
    // It was another card's.
    if let (Some(mac), Some(_)) = (setup.nic.mac, text.get("HWADDR")) {
        if text.get("HWADDR").and_then(|old| old.parse().ok()) != Some(mac) {
            text.set("HWADDR", &mac.to_string());
        }
    }
    draft.put(&path, text.text().as_bytes(), Given::default())?;
    Ok(())
}

fn settings_of_red_hat(setup: &Setup) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
    set("BOOTPROTO", if setup.is_dhcp() { "dhcp" } else { "none" });
    set("ONBOOT", "yes");
    let v4 = setup.addresses.iter().filter(|(ip, _)| ip.is_ipv4());
    for (number, (ip, prefix)) in (0..).zip(v4) {
        let number = match number {
            0 => String::new(),
            number => i32::to_string(&number),
        };
        set(&format!("IPADDR{number}"), &ip.to_string());
        set(&format!("PREFIX{number}"), &prefix.to_string());
    }
    if let Some(gateway) = setup.gateway(true) {
        set("GATEWAY", &gateway.to_string());
    }
    if let [first, others @ ..] = &setup.addresses(false)[..] {
        set("IPV6INIT", "yes");
        set("IPV6ADDR", first);
        if !others.is_empty() {
            set("IPV6ADDR_SECONDARIES", &others.join(" "));
        }
    }
    if let Some(gateway) = setup.gateway(false) {
        set("IPV6_DEFAULTGW", &gateway.to_string());
    }
    for (number, dns) in (1..).zip(&setup.dns) {
        set(&format!("DNS{}", i32::to_string(&number)), &dns.to_string());
    }
    if !setup.search.is_empty() {
        set("DOMAIN", &setup.search.join(" "));
    }
    settings
}

/// Whether a setting is one of addresses.
fn is_address_of_red_hat(name: &str) -> bool {
    let numbered = ["IPADDR", "PREFIX", "NETMASK", "GATEWAY", "DNS"];
    let others = [
        "NETWORK",
        "BROADCAST",
        "DOMAIN",
        "IPV6ADDR",
        "IPV6ADDR_SECONDARIES",
        "IPV6_DEFAULTGW",
    ];
    let without = name.trim_end_matches(|c: char| c.is_ascii_digit());
    numbered.contains(&without) || others.contains(&name)
}

/// An interface is set up so, by a file of SUSE.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not certain which; those of [`Draft::put`].
pub(super) fn suse(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    let file = file_of(draft, SUSE, setup)?;
    let suffix = file.suffix();
    let File { path, mut text } = file;
    let method = if setup.is_dhcp() { "dhcp" } else { "static" };
    let mut settings = vec![
        ("BOOTPROTO".to_owned(), method.to_owned()),
        ("STARTMODE".to_owned(), "auto".to_owned()),
    ];
    for (number, (ip, prefix)) in (0..).zip(&setup.addresses) {
        let name = match number {
            0 => "IPADDR".to_owned(),
            number => format!("IPADDR_{}", i32::to_string(&number)),
        };
        settings.push((name, format!("{ip}/{prefix}")));
    }
    let kinds = ["IPADDR", "NETMASK", "PREFIXLEN", "BROADCAST", "NETWORK"];
    let is_address = |name: &str| {
        let kind = name.split('_').next().unwrap_or_default();
        kinds.contains(&kind)
    };
    text.replace(is_address, &settings);
    draft.put(&path, text.text().as_bytes(), Given::default())?;
    let routes = format!("{SUSE}/ifroute-{suffix}").into_bytes();
    let old = text_of(draft, &routes)?;
    let mut lines: Vec<String> = old
        .iter()
        .flat_map(|old| old.lines())
        .map(str::to_owned)
        .collect();
    lines.retain(|line| !line.trim_start().starts_with("default"));
    lines.extend(
        setup
            .gateways
            .iter()
            .map(|gateway| format!("default {gateway} - -")),
    );
    if old.is_some() || !lines.is_empty() {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        draft.put(&routes, text.as_bytes(), Given::default())?;
    }
    let config = text_of(draft, SUSE_CONFIG)?;
    if let Some(config) = config.filter(|_| !setup.dns.is_empty() || !setup.search.is_empty()) {
        let mut config = Assignments::of(&config);
        let dns: Vec<String> = setup.dns.iter().map(ToString::to_string).collect();
        config.set("NETCONFIG_DNS_STATIC_SERVERS", &dns.join(" "));
        config.set("NETCONFIG_DNS_STATIC_SEARCHLIST", &setup.search.join(" "));
        draft.put(SUSE_CONFIG, config.text().as_bytes(), Given::default())?;
    }
    Ok(())
}
