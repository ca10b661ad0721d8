//! systemd-networkd: a file of our own, which comes before those of others.

use super::own::remove_others;
use super::resolv;
use super::setup::Setup;
use super::system::{combines, has_resolved};
use crate::error::Result;
use crate::guest::change::Given;
use crate::ops::customize::files::texts;
use crate::ops::write::plan::Draft;

const DIR: &str = "/etc/systemd/network";

/// An interface is set up so.
///
/// # Errors
///
/// [`crate::error::Kind::WrongState`] if interfaces are combined to something else;
/// those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    setup.nic.must_be_known()?;
    for (path, text) in texts(draft, DIR, &["*.network"])? {
        let combined = ["Bridge=", "Bond=", "VLAN=", "MACVLAN="];
        for what in combined {
            if text.lines().any(|line| line.trim().starts_with(what)) {
                return Err(combines(&path, what));
            }
        }
    }
    let matched = match (setup.nic.mac, &setup.nic.name) {
        (Some(mac), _) => format!("MACAddress={mac}"),
        (None, name) => format!("Name={}", name.as_deref().unwrap_or_default()),
    };
    // Those of netplan and cloud-init begin with 10.
    let path = format!("{DIR}/05-vmkin-{}.network", setup.nic.word());
    remove_others(draft, DIR, "05-vmkin-*.network", &path, &matched, setup)?;
    draft.mkdir(DIR.as_bytes(), true, None)?;
    let text = text(setup, &matched);
    draft.put(path.as_bytes(), text.as_bytes(), Given::default())?;
    if !has_resolved(draft)? {
        resolv::draft(draft, setup)?;
    }
    Ok(())
}

fn text(setup: &Setup, matched: &str) -> String {
    let dhcp = if setup.is_dhcp() { "yes" } else { "no" };
    let mut lines = vec![
        "# Written by vmkin customize.".to_owned(),
        "[Match]".to_owned(),
        matched.to_owned(),
        String::new(),
        "[Network]".to_owned(),
        format!("DHCP={dhcp}"),
    ];
    for v4 in [true, false] {
        let addresses = setup.addresses(v4).into_iter();
        lines.extend(addresses.map(|address| format!("Address={address}")));
        let gateway = setup.gateway(v4);
        lines.extend(gateway.map(|gateway| format!("Gateway={gateway}")));
        let dns = setup.dns(v4).into_iter();
        lines.extend(dns.map(|dns| format!("DNS={dns}")));
    }
    if !setup.search.is_empty() {
        lines.push(format!("Domains={}", setup.search.join(" ")));
    }
    lines.join("\n") + "\n"
}
