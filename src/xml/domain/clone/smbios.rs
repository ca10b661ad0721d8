//! What the firmware tells the guest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::metadata::deeper;
use super::rewriter::Work;
use super::spec::NoteKind;
use crate::error::{Error, Kind, Result};
use crate::model::{Credential, Smbios};
use crate::xml::escape::{escaped, shown};
use crate::xml::span::Node;
use crate::xml::splice::indent_of;

/// How a string begins that systemd takes for a credential, and for one in
/// base64.
const PLAIN: &str = "io.systemd.credential:";
const BINARY: &str = "io.systemd.credential.binary:";

/// How a serial number begins that cloud-init's data source NoCloud reads.
const NOCLOUD: &str = "ds=nocloud";

/// The credentials that vmkin gives to guests.
const OURS: &[&str] = &[
    "system.hostname",
    "system.machine_id",
    "ssh.authorized_keys.root",
];

pub(super) fn rewrite(work: &mut Work<'_>, domain: Node<'_, '_>) -> Result<()> {
    let mut wanted = work.spec.smbios;
    if let Some(smbios) = wanted {
        if !shows(work, domain, smbios.required)? {
            wanted = None;
        }
    }
    let told = told_by_us(work, domain);
    let mut missing = wanted.map(Missing::of).unwrap_or_default();
    for sysinfo in domain.all("sysinfo") {
        for table in sysinfo.children() {
            // Libvirt's schema has no table without entries.
            if wanted.is_none() && told && is_all_ours(table) {
                work.remove(table);
                continue;
            }
            let entries = table.children().chain(Some(table));
            for entry in entries.filter(|node| node.is("entry")) {
                one(work, table, entry, told, &mut missing);
            }
        }
    }
    if wanted.is_some() {
        add(work, domain, &missing);
    }
    Ok(())
}

/// What is not said by any entry yet.
#[derive(Default)]
struct Missing {
    serial: Option<String>,
    strings: Vec<(&'static str, String)>,
    /// What has been said, so that no entry says it again.
    said: Vec<String>,
}

impl Missing {
    fn of(smbios: &Smbios) -> Self {
        let serial = smbios.instance.as_ref();
        Self {
            serial: serial.map(|(uuid, name)| format!("{NOCLOUD};i={uuid};h={name}")),
            strings: smbios.credentials.iter().map(string).collect(),
            said: Vec::new(),
        }
    }
}

/// A credential as systemd reads it. What is not plain ASCII on one line goes
/// in base64.
fn string(credential: &Credential) -> (&'static str, String) {
    let Credential { name, value } = credential;
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let text = if value.bytes().all(plain) {
        format!("{PLAIN}{name}={value}")
    } else {
        format!("{BINARY}{name}={}", STANDARD.encode(value))
    };
    (name, text)
}

/// The name of the credential that a string is.
fn name_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PLAIN).or(text.strip_prefix(BINARY))?;
    rest.split('=').next()
}

/// Whether vmkin has told the golden domain who it is: then it has an id that
/// was made of its UUID.
fn told_by_us(work: &Work<'_>, domain: Node<'_, '_>) -> bool {
    let uuid = work.facts.uuid.unwrap_or_default().simple();
    let id = format!("{PLAIN}system.machine_id={uuid}");
    domain
        .all("sysinfo")
        .flat_map(Node::children)
        .flat_map(Node::children)
        .any(|entry| entry.text().trim() == id)
}

/// Whether there is nothing in a table but what vmkin has told the golden
/// domain.
fn is_all_ours(table: Node<'_, '_>) -> bool {
    let mut entries = table.children();
    entries.next().is_some()
        && table.children().all(|entry| {
            let text = entry.text();
            let serial = table.is("system") && entry.get("name") == Some("serial");
            (serial && text.trim().starts_with(NOCLOUD))
                || name_of(text.trim()).is_some_and(|name| OURS.contains(&name))
        })
}

/// Decides about one entry that is there.
fn one(
    work: &mut Work<'_>,
    table: Node<'_, '_>,
    entry: Node<'_, '_>,
    told: bool,
    missing: &mut Missing,
) {
    let uuid = work.spec.uuid.to_string();
    let name = entry.get("name").unwrap_or(table.name());
    let text = entry.text();
    if table.is("system") && name == "uuid" {
        work.edits.set_text(entry, &uuid);
        return;
    }
    if table.is("system") && name == "serial" && text.trim().starts_with(NOCLOUD) {
        let old = work.facts.uuid.unwrap_or_default().to_string();
        if let Some(serial) = missing.serial.take() {
            work.edits.set_text(entry, &serial);
            return;
        } else if text.contains(&old) {
            // It names the instance that the golden domain is.
            work.remove(entry);
            return;
        }
    } else if table.is("system") && name == "serial" && missing.serial.take().is_some() {
        work.note(
            NoteKind::Warning,
            format!(
                "the SMBIOS serial number '{}' stays, so cloud-init is told nothing by it",
                shown(text.trim())
            ),
        );
    }
    if let Some(credential) = name_of(text.trim()).filter(|_| table.is("oemStrings")) {
        if let Some(at) = missing
            .strings
            .iter()
            .position(|(name, _)| *name == credential)
        {
            let (_, new) = missing.strings.remove(at);
            work.edits.set_text(entry, &new);
            missing.said.push(credential.to_owned());
            return;
        }
        let again = missing.said.iter().any(|name| name == credential);
        if again || (told && OURS.contains(&credential)) {
            work.remove(entry);
            return;
        }
    }
    if let Some(what) = work.names.left_over(&text) {
        work.note(
            NoteKind::Warning,
            format!(
                "the SMBIOS {} {name} '{}' still holds the {what} of the golden domain",
                table.name(),
                shown(work.names.part_left_over(&text))
            ),
        );
    }
}

/// Makes sure that the guest gets to see what the XML says, if it can.
fn shows(work: &mut Work<'_>, domain: Node<'_, '_>, required: bool) -> Result<bool> {
    let Some(os) = domain.child("os") else {
        return cannot(work, required, "does not say what it boots");
    };
    match os.child("smbios") {
        Some(smbios) if smbios.get("mode") == Some("host") => {
            return cannot(work, required, "shows its guest the SMBIOS of the host");
        }
        Some(smbios) => work.edits.set(smbios, "mode", "sysinfo"),
        None => {
            let element = "<smbios mode='sysinfo'/>";
            match os.children().last() {
                Some(last) => work.edits.append_after(last, element),
                None => work.edits.prepend(os, element),
            }
        }
    }
    Ok(true)
}

fn cannot(work: &mut Work<'_>, required: bool, why: &str) -> Result<bool> {
    if required {
        return Err(Error::new(
            Kind::WrongState,
            format!("the domain {why}, so nothing can be told to it by SMBIOS"),
        )
        .hint("use a disk for cloud-init: `--identity cloud-init`"));
    }
    work.note(
        NoteKind::Warning,
        format!("the domain {why}, so systemd is not told who it is"),
    );
    Ok(false)
}

/// Adds what no entry says.
fn add(work: &mut Work<'_>, domain: Node<'_, '_>, missing: &Missing) {
    let tables = domain
        .all("sysinfo")
        .find(|sysinfo| sysinfo.get("type") == Some("smbios"));
    let Some(sysinfo) = tables else {
        let Some(os) = domain.child("os") else {
            return;
        };
        let outer = indent_of(os);
        let one = deeper(&outer);
        let inside = all_tables(missing, &one);
        let element = format!("<sysinfo type='smbios'>{one}{inside}{outer}</sysinfo>{outer}");
        work.edits.insert(os.whole().start, element);
        return;
    };
    let Some(last) = sysinfo.children().last() else {
        let indent = deeper(&indent_of(sysinfo));
        work.edits.prepend(sysinfo, &all_tables(missing, &indent));
        return;
    };
    for (name, entries) in [
        ("system", serials(missing)),
        ("oemStrings", strings(missing)),
    ] {
        match sysinfo.child(name) {
            None => {
                if let Some(table) = around(name, &entries, &indent_of(last)) {
                    work.edits.append_after(last, &table);
                }
            }
            Some(table) => match table.children().last() {
                Some(last) => {
                    for element in &entries {
                        work.edits.append_after(last, element);
                    }
                }
                None if entries.is_empty() => {}
                None => {
                    let indent = deeper(&indent_of(table));
                    work.edits.prepend(table, &entries.join(&indent));
                }
            },
        }
    }
}

/// The tables that are needed, one below the other.
fn all_tables(missing: &Missing, indent: &str) -> String {
    let system = around("system", &serials(missing), indent);
    let strings = around("oemStrings", &strings(missing), indent);
    let tables: Vec<String> = system.into_iter().chain(strings).collect();
    tables.join(indent)
}

fn serials(missing: &Missing) -> Vec<String> {
    let serial = missing.serial.iter();
    serial
        .map(|text| format!("<entry name='serial'>{}</entry>", escaped(text)))
        .collect()
}

fn strings(missing: &Missing) -> Vec<String> {
    let all = missing.strings.iter();
    all.map(|(_, text)| format!("<entry>{}</entry>", escaped(text)))
        .collect()
}

/// A table with these entries, if there are any.
fn around(table: &str, entries: &[String], indent: &str) -> Option<String> {
    let inner = deeper(indent);
    let inside: String = entries
        .iter()
        .map(|entry| format!("{inner}{entry}"))
        .collect();
    (!entries.is_empty()).then(|| format!("<{table}>{inside}{indent}</{table}>"))
}
