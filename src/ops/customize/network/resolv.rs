//! `/etc/resolv.conf`, where nothing in the guest makes it.

use super::setup::Setup;
use crate::error::Result;
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::ops::write::plan::Draft;

const FILE: &[u8] = b"/etc/resolv.conf";

/// The file has these name servers and domains, if any are said and it is no link
/// to what a program makes.
///
/// # Errors
///
/// Those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    let stat = draft.stat(FILE)?;
    let is_made = stat.is_some_and(|stat| stat.kind != FileKind::File);
    if is_made || (setup.dns.is_empty() && setup.search.is_empty()) {
        return Ok(());
    }
    let old = draft.text(FILE)?.unwrap_or_default();
    let old = String::from_utf8_lossy(&old);
    let given = Given {
        label_type: Some("net_conf_t"),
        ..Given::default()
    };
    draft.put(FILE, text(&old, setup).as_bytes(), given)?;
    Ok(())
}

fn text(old: &str, setup: &Setup) -> String {
    let mut replaced = Vec::new();
    let mut lines = Vec::new();
    if !setup.search.is_empty() {
        replaced.extend(["search", "domain"]);
        lines.push(format!("search {}", setup.search.join(" ")));
    }
    if !setup.dns.is_empty() {
        replaced.push("nameserver");
        lines.extend(setup.dns.iter().map(|dns| format!("nameserver {dns}")));
    }
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let kept = old.lines().filter(|line| {
        let word = first(line).unwrap_or_default();
        !replaced.contains(&word.as_str())
    });
    let all: Vec<String> = kept.map(str::to_owned).chain(lines).collect();
    all.join("\n") + "\n"
}
