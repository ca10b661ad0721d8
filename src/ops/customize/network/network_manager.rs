//! NetworkManager: a connection of our own, which it prefers to others.

use uuid::Uuid;

use super::own::remove_others;
use super::setup::Setup;
use super::system::combines;
use crate::error::Result;
use crate::guest::change::Given;
use crate::ops::customize::files::{text_of, texts};
use crate::ops::write::plan::Draft;

const DIR: &str = "/etc/NetworkManager/system-connections";

/// An interface is set up so.
///
/// # Errors
///
/// [`crate::error::Kind::WrongState`] if interfaces are combined to something else;
/// those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    setup.nic.must_be_known()?;
    for (path, text) in texts(draft, DIR, &["*"])? {
        let combined = ["master=", "controller=", "slave-type=", "port-type="];
        for what in combined {
            if text.lines().any(|line| line.trim().starts_with(what)) {
                return Err(combines(&path, what));
            }
        }
    }
    let line = match (setup.nic.mac, &setup.nic.name) {
        (Some(mac), _) => format!("mac-address={mac}"),
        (None, name) => format!("interface-name={}", name.as_deref().unwrap_or_default()),
    };
    let path = format!("{DIR}/vmkin-{}.nmconnection", setup.nic.word());
    remove_others(draft, DIR, "vmkin-*.nmconnection", &path, &line, setup)?;
    // The same connection as before has the same UUID.
    let old = text_of(draft, path.as_bytes())?.unwrap_or_default();
    let mut old = old.lines().filter_map(|line| line.strip_prefix("uuid="));
    let uuid = old.find_map(|uuid| uuid.trim().parse().ok());
    let text = text(setup, &line, uuid.unwrap_or_else(Uuid::new_v4));
    draft.mkdir(DIR.as_bytes(), true, None)?;
    // It reads none that others may read.
    let given = Given {
        mode: Some(0o600),
        ..Given::default()
    };
    draft.put(path.as_bytes(), text.as_bytes(), given)?;
    Ok(())
}

fn text(setup: &Setup, line: &str, uuid: Uuid) -> String {
    let by_mac = setup.nic.mac.is_some();
    let mut text = format!(
        "# Written by vmkin customize.\n[connection]\nid=vmkin-{}\nuuid={uuid}\ntype=ethernet\n\
         autoconnect-priority=999\n",
        setup.nic.word()
    );
    match by_mac {
        true => text.push_str(&format!("\n[ethernet]\n{line}\n")),
        false => text.push_str(&format!("{line}\n\n[ethernet]\n")),
    }
    for (v4, section) in [(true, "ipv4"), (false, "ipv6")] {
        let addresses = setup.addresses(v4);
        let method = match addresses.is_empty() {
            false => "manual",
            // IPv6 as the routers say it, unless something else is said.
            true if setup.is_dhcp() || !v4 => "auto",
            true => "disabled",
        };
        text.push_str(&format!("\n[{section}]\nmethod={method}\n"));
        for (number, address) in (1..).zip(&addresses) {
            let gateway = setup.gateway(v4).filter(|_| number == 1);
            let gateway = gateway.map_or(String::new(), |gateway| format!(",{gateway}"));
            text.push_str(&format!("address{number}={address}{gateway}\n"));
        }
        if method == "disabled" {
            continue;
        }
        let lists = [("dns", setup.dns(v4)), ("dns-search", setup.search.clone())];
        for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            text.push_str(&format!("{name}={};\n", list.join(";")));
        }
    }
    text
}
