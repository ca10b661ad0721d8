//! What is kept although two running clones would fight over it, or although
//! it still speaks of the golden domain. Nothing is changed here.

use super::names::part_with;
use super::rewriter::Work;
use super::spec::NoteKind;
use crate::model::{DiskSource, Mac};
use crate::xml::escape::shown;
use crate::xml::span::Node;

pub(super) fn look(work: &mut Work<'_>, domain: Node<'_, '_>) {
    for node in domain.children() {
        if node.is("devices") {
            for device in node.children() {
                if let Some(message) = collision(device) {
                    work.note(NoteKind::Warning, message);
                }
            }
        } else if node.is("seclabel") {
            seclabel(work, node);
        } else if node.namespace().is_some() {
            // <qemu:commandline> and its like, past libvirt's own checks.
            commandline(work, node);
        }
    }
}

/// What two domains with this device would do to each other, if anything.
fn collision(device: Node<'_, '_>) -> Option<String> {
    let source = device.child("source");
    let text_of = |path: &[&str]| device.at(path).map(|node| node.text().trim().to_owned());
    let message = if device.is("shmem") {
        let name = device.get("name").unwrap_or_default();
        format!("the shared memory '{name}' is the same in both domains")
    } else if device.is("rng") {
        let backend = device.child("backend")?;
        (backend.get("model") == Some("egd")).then_some(())?;
        let source = backend.all("source").last()?;
        let place = source
            .get("path")
            .or(source.get("service"))
            .unwrap_or_default();
        format!("the random number device uses the same daemon at {place} in both domains")
    } else if device.is("memory") {
        let path = text_of(&["source", "path"])?;
        let model = device.get("model").unwrap_or_default();
        format!(
            "the {model} memory is kept in {path} by both domains, which corrupts it if both run"
        )
    } else if device.is("filesystem") {
        if let Some(socket) = source.and_then(|source| source.get("socket")) {
            format!(
                "the shared directory behind the socket {socket} can be used by one domain only"
            )
        } else if device.child("readonly").is_none() {
            let place = source.and_then(|source| {
                ["dir", "file", "dev"]
                    .into_iter()
                    .find_map(|name| source.get(name))
            })?;
            format!("{place} of the host is shared with both domains, and both can write to it")
        } else {
            return None;
        }
    } else if device.is("input") {
        let place = source.and_then(|source| source.get("evdev").or(source.get("dev")))?;
        format!("the input device {place} of the host can be taken by one domain only")
    } else if device.is("lease") {
        let key = text_of(&["key"]).unwrap_or_default();
        format!("the lease '{key}' can be held by one domain only")
    } else if device.is("audio") {
        let path = device.get("path")?;
        format!("the sound is written to {path} by both domains")
    } else {
        return None;
    };
    Some(shown(&message).into_owned())
}

fn seclabel(work: &mut Work<'_>, node: Node<'_, '_>) {
    if node.get("type") != Some("static") {
        return;
    }
    let model = node.get("model").unwrap_or("security");
    let label = node
        .child("label")
        .map(|label| label.text())
        .unwrap_or_default();
    let holds = left_over(work, &label)
        .map(|what| format!(", which holds the {what} of the golden domain"))
        .unwrap_or_default();
    // A DAC label is the user that QEMU runs as, and most domains have the same.
    if model != "dac" || !holds.is_empty() {
        work.note(
            NoteKind::Warning,
            format!(
                "both domains have the static {} label '{}'{holds}, so neither is kept from the other",
                shown(model),
                shown(label.trim())
            ),
        );
    }
}

fn commandline(work: &mut Work<'_>, node: Node<'_, '_>) {
    for part in node.subtree() {
        for attribute in part.attributes() {
            if let Some(what) = left_over(work, &attribute.value) {
                work.note(
                    NoteKind::Warning,
                    format!(
                        "<{}> still holds the {what} of the golden domain: '{}'",
                        node.name(),
                        shown(part_with(&attribute.value, |text| left_over(work, text).is_some()))
                    ),
                );
            }
        }
    }
}

/// What of the golden domain a text still holds: its name, its UUID, a MAC
/// address or a path of its own.
fn left_over(work: &Work<'_>, text: &str) -> Option<&'static str> {
    if let Some(what) = work.names.left_over(text) {
        return Some(what);
    }
    let facts = work.facts;
    let lower = text.to_ascii_lowercase();
    let has_mac = |mac: Mac| lower.contains(&mac.to_string()) && !work.spec.macs.contains(&mac);
    if facts.nics.iter().filter_map(|nic| nic.mac).any(has_mac) {
        return Some("MAC address");
    }
    let disks = facts.disks.iter().filter_map(|disk| match &disk.source {
        DiskSource::File(path) | DiskSource::Block(path) => Some(path),
        _ => None,
    });
    let nvram = facts.nvram.iter().filter_map(|nvram| nvram.path.as_ref());
    let has_path = disks
        .chain(nvram)
        .filter_map(|path| path.to_str())
        .any(|path| text.contains(path));
    has_path.then_some("path")
}
