//! `/etc/network/interfaces`, as ifupdown has it.

use super::setup::{NAME_IT, Setup};
use super::{resolv, system};
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::customize::files::texts;
use crate::ops::write::plan::Draft;

const FILE: &str = "/etc/network/interfaces";

/// What reads name servers in these files.
const RESOLVERS: &[&str] = &["/usr/sbin/resolvconf", "/sbin/resolvconf"];

/// Words that begin something new.
const BEGIN: &[&str] = &[
    "auto",
    "iface",
    "mapping",
    "source",
    "source-directory",
    "rename",
    "template",
    "no-auto-down",
    "no-scripts",
];

/// Options of an interface that say its addresses.
const ADDRESSES: &[&str] = &[
    "address",
    "netmask",
    "network",
    "broadcast",
    "gateway",
    "dns-nameserver",
    "dns-nameservers",
    "dns-search",
    "dns-domain",
];

/// Whether an interface but for the loopback device is there.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn has_any(draft: &Draft<'_>) -> Result<bool> {
    Ok(!names(&files(draft)?).is_empty())
}

fn files(draft: &Draft<'_>) -> Result<Vec<(Vec<u8>, String)>> {
    let mut files = texts(draft, "/etc/network", &["interfaces"])?;
    files.extend(texts(draft, "/etc/network/interfaces.d", &["*"])?);
    Ok(files)
}

/// The interfaces that are set up, each once, but for the loopback device and for
/// other names of the same.
fn names(files: &[(Vec<u8>, String)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in files.iter().flat_map(|(_, text)| beginnings(text)) {
        let mut words = line.split_whitespace();
        if let (Some("iface"), Some(name)) = (words.next(), words.next()) {
            if name != "lo" && !name.contains(':') && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// The lines that do not go on with what is in the one above.
fn beginnings(text: &str) -> impl Iterator<Item = &str> {
    let mut goes_on = false;
    text.lines().filter(move |line| {
        let begins = !goes_on;
        goes_on = line.ends_with('\\');
        begins
    })
}

/// An interface is set up so.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not certain which; those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, setup: &Setup) -> Result<()> {
    let mut files = files(draft)?;
    let names = names(&files);
    let name = match (&setup.nic.name, &names[..]) {
        (Some(name), _) => name.clone(),
        (None, [one]) if setup.nic.is_only || setup.nic.is_first => one.clone(),
        _ => {
            let there = match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            };
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "it is not certain what the guest calls {}; it has {there} in {FILE}",
                    setup.nic
                ),
            )
            .hint(NAME_IT));
        }
    };
    let replaces = |(part, ..): (Part, bool, &str)| part != Part::Other;
    let mut texts = files.iter().map(|(_, text)| text);
    let is_there = texts.any(|text| parts(text, &name, setup).any(replaces));
    if !is_there && !files.iter().any(|(path, _)| path == FILE.as_bytes()) {
        files.insert(0, (FILE.as_bytes().to_vec(), String::new()));
    }
    let started = files.iter().any(|(_, text)| is_started(text, &name));
    let mut stanzas = stanzas(setup, &name, &files);
    if !started {
        stanzas.insert_str(0, &format!("auto {name}\n"));
    }
    // They are written once: where the first one was.
    let mut stanzas = Some(stanzas);
    for (path, text) in files {
        let mut now = replaced(&text, &name, setup, &mut stanzas);
        if !is_there && path == FILE.as_bytes() {
            if let Some(stanzas) = stanzas.take() {
                let gap = if now.is_empty() { "" } else { "\n" };
                now = format!("{now}{gap}{stanzas}");
            }
        }
        if now != text {
            draft.put(&path, now.as_bytes(), Given::default())?;
        }
    }
    for resolver in RESOLVERS {
        if draft.tree().look(resolver)?.is_some() {
            return Ok(());
        }
    }
    match system::has_resolved(draft)? {
        true => Ok(()),
        false => resolv::draft(draft, setup),
    }
}

fn is_started(text: &str, name: &str) -> bool {
    beginnings(text).any(|line| {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        (first == "auto" || first.starts_with("allow-")) && words.any(|word| word == name)
    })
}

/// What a line belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The interface's addresses of IPv4, or of IPv6, which are replaced.
    Replaced { v4: bool },
    /// Anything else.
    Other,
}

/// Which part a line begins, if it begins one.
fn begins(line: &str, name: &str, setup: &Setup) -> Option<Part> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["iface", other, family, ref method @ ..] if other == name => {
            let v4 = family == "inet";
            // Of IPv6 what the routers say stays, unless something else is said.
            let is_set = method.first() == Some(&"static") || !setup.addresses(false).is_empty();
            Some(match v4 || is_set {
                true => Part::Replaced { v4 },
                false => Part::Other,
            })
        }
        [first, ..] if BEGIN.contains(&first) || first.starts_with("allow-") => Some(Part::Other),
        _ => None,
    }
}

/// The lines of a file, and what each belongs to. A line that goes on in the next one
/// has it.
fn parts<'t>(
    text: &'t str,
    name: &'t str,
    setup: &'t Setup,
) -> impl Iterator<Item = (Part, bool, &'t str)> {
    let mut part = Part::Other;
    let mut goes_on = false;
    text.lines().map(move |line| {
        let begun = begins(line, name, setup).filter(|_| !goes_on);
        goes_on = line.ends_with('\\');
        part = begun.unwrap_or(part);
        (part, begun.is_some(), line)
    })
}

/// A file without what is replaced, and with what replaces it in its place.
fn replaced(text: &str, name: &str, setup: &Setup, stanzas: &mut Option<String>) -> String {
    let mut now = String::new();
    for (part, begins, line) in parts(text, name, setup) {
        let is_note = line.trim().is_empty() || line.trim_start().starts_with('#');
        if part == Part::Other || is_note {
            now.push_str(line);
            now.push('\n');
        } else if begins {
            now.push_str(&stanzas.take().unwrap_or_default());
        }
    }
    now
}

/// What replaces it, with the options that were there and say no address.
fn stanzas(setup: &Setup, name: &str, files: &[(Vec<u8>, String)]) -> String {
    let kept = |v4: bool| {
        let mut kept: Vec<&str> = Vec::new();
        let mut goes_on = None;
        for (part, begins, line) in files.iter().flat_map(|(_, text)| parts(text, name, setup)) {
            let word = line.split_whitespace().next().unwrap_or("#");
            let is_kept = goes_on.unwrap_or(!ADDRESSES.contains(&word) && !word.starts_with('#'));
            goes_on = line.ends_with('\\').then_some(is_kept);
            if part == (Part::Replaced { v4 }) && !begins && is_kept && !kept.contains(&line) {
                kept.push(line);
            }
        }
        kept
    };
    let mut lines: Vec<String> = Vec::new();
    let mut names_known = false;
    for (v4, family) in [(true, "inet"), (false, "inet6")] {
        let mut addresses = setup.addresses(v4).into_iter();
        let first = addresses.next();
        match &first {
            Some(address) => {
                lines.push(format!("iface {name} {family} static"));
                lines.push(format!("    address {address}"));
                let gateway = setup.gateway(v4);
                lines.extend(gateway.map(|gateway| format!("    gateway {gateway}")));
            }
            None if v4 && setup.is_dhcp() => lines.push(format!("iface {name} {family} dhcp")),
            None => continue,
        }
        if !names_known {
            names_known = true;
            let dns = [setup.dns(true), setup.dns(false)].concat();
            for (option, values) in [("dns-nameservers", &dns), ("dns-search", &setup.search)] {
                if !values.is_empty() {
                    lines.push(format!("    {option} {}", values.join(" ")));
                }
            }
        }
        lines.extend(kept(v4).into_iter().map(str::to_owned));
        for address in addresses {
            lines.push(format!("iface {name} {family} static"));
            lines.push(format!("    address {address}"));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
