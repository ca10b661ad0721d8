//! Host names.

use super::hosts::renamed;
use crate::error::Result;
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::model::Hostname;
use crate::ops::write::plan::Draft;

const FILE: &[u8] = b"/etc/hostname";

/// Where Red Hat's systems without systemd have it, and where SUSE's had it.
const NETWORK: &[u8] = b"/etc/sysconfig/network";
const OLD_FILE: &[u8] = b"/etc/HOSTNAME";

/// The files of connections that tell a DHCP server the name.
const CONNECTIONS: &str = "/etc/sysconfig/network-scripts";

/// What the guest is called now.
///
/// # Errors
///
/// If its files cannot be read.
pub(super) fn of(draft: &Draft<'_>) -> Result<Option<Hostname>> {
    if let Some(text) = draft.text(FILE)? {
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().map(str::trim);
        let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        return Ok(name.and_then(|name| name.parse().ok()));
    }
    let text = draft.text(NETWORK)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix("HOSTNAME="));
    Ok(values
        .next()
        .and_then(|name| name.trim_matches(['"', '\'', ' ']).parse().ok()))
}

/// The guest has another name.
///
/// # Errors
///
/// Those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, old: Option<&Hostname>, new: &Hostname) -> Result<()> {
    let line = format!("{new}\n");
    let given = Given {
        label_type: Some("hostname_etc_t"),
        ..Given::default()
    };
    draft.put(FILE, line.as_bytes(), given)?;
    let old_file = draft.stat(OLD_FILE)?;
    if old_file.is_some_and(|stat| stat.kind == FileKind::File) {
        draft.put(OLD_FILE, line.as_bytes(), given)?;
    }
    set(draft, NETWORK, &["HOSTNAME"], new)?;
    for name in draft.names(CONNECTIONS.as_bytes())? {
        if name.starts_with(b"ifcfg-") {
            let path = [CONNECTIONS.as_bytes(), b"/", &name].concat();
            set(draft, &path, &["DHCP_HOSTNAME", "HOSTNAME"], new)?;
        }
    }
    if let Some(hosts) = draft.text(b"/etc/hosts")? {
        let now = renamed(&hosts, old, new);
        draft.put(b"/etc/hosts", &now, Given::default())?;
    }
    Ok(())
}

/// Variables of a file of shell assignments have the name, where it sets them.
fn set(draft: &mut Draft<'_>, path: &[u8], variables: &[&str], new: &Hostname) -> Result<()> {
    let Some(text) = draft.text(path)? else {
        return Ok(());
    };
    let Ok(text) = String::from_utf8(text) else {
        return Ok(());
    };
    let lines = text.split_inclusive('\n').map(|line| {
        let name = line.split('=').next().unwrap_or_default();
        match line.contains('=') && variables.contains(&name) {
            true => format!("{name}={new}\n"),
            false => line.to_owned(),
        }
    });
    let now: String = lines.collect();
    if now != text {
        draft.put(path, now.as_bytes(), Given::default())?;
    }
    Ok(())
}
