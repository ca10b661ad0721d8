//! Devices that are dropped or start afresh: those of the host, TPM, vsock.

use super::rewriter::Work;
use super::spec::{HostdevRule, NoteKind};
use crate::xml::escape::shown;
use crate::xml::span::Node;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) {
    for device in devices.children() {
        if device.is("hostdev") {
            hostdev(work, device);
        } else if device.is("tpm") {
            tpm(work, device);
        } else if device.is("vsock") {
            vsock(work, device);
        } else if device.is("pstore") {
            // Libvirt makes the path out of the name when there is none.
            for path in device.all("path") {
                work.remove(path);
            }
            work.note(
                NoteKind::Reset,
                "the pstore starts empty: the clone gets a file of its own",
            );
        }
    }
}

fn hostdev(work: &mut Work<'_>, device: Node<'_, '_>) {
    let what = hostdev_text(device);
    match work.spec.hostdevs {
        HostdevRule::Drop => {
            work.remove(device);
            work.note(
                NoteKind::Dropped,
                format!("{what} was dropped: two domains cannot have it at once"),
            );
        }
        HostdevRule::Keep => work.note(
            NoteKind::Warning,
            format!("{what} is kept: only one of the two domains can run at a time"),
        ),
    }
}

/// What a device of the host is called in messages.
fn hostdev_text(device: Node<'_, '_>) -> String {
    let Some(source) = device.child("source") else {
        return "a host device".to_owned();
    };
    let address = source.child("address").map(address_text);
    let id = |name| source.child(name).and_then(|node| node.get("id"));
    let text = if let (Some(vendor), Some(product)) = (id("vendor"), id("product")) {
        format!("{}:{}", hex(vendor, 4), hex(product, 4))
    } else if let Some(adapter) = source.child("adapter").and_then(|node| node.get("name")) {
        format!("{adapter} {}", address.unwrap_or_default())
    } else if let Some(address) = address {
        address
    } else if let Some(wwpn) = source.get("wwpn") {
        wwpn.to_owned()
    } else {
        source.text().trim().to_owned()
    };
    format!("hostdev {}", shown(text.trim()))
}

/// An `<address>` as the tools of its bus print it.
pub(super) fn address_text(address: Node<'_, '_>) -> String {
    let get = |name| address.get(name);
    let text = if let Some(uuid) = get("uuid") {
        uuid.to_owned()
    } else if let Some(slot) = get("slot") {
        format!(
            "{}:{}:{}.{}",
            hex(get("domain").unwrap_or("0"), 4),
            hex(get("bus").unwrap_or("0"), 2),
            hex(slot, 2),
            hex(get("function").unwrap_or("0"), 1)
        )
    } else {
        let parts = ["bus", "device", "target", "unit"];
        let parts: Vec<&str> = parts.into_iter().filter_map(get).collect();
        parts.join(":")
    };
    shown(&text).into_owned()
}

fn hex(text: &str, width: usize) -> String {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    format!("{digits:0>width$}")
}

fn tpm(work: &mut Work<'_>, device: Node<'_, '_>) {
    let Some(backend) = device.child("backend") else {
        return;
    };
    let source = backend.child("source");
    match backend.get("type").unwrap_or_default() {
        "emulator" => {
            if let Some(source) = source {
                // Without it, libvirt keeps the state under the UUID.
                work.remove(source);
                let path = source.get("path").unwrap_or_default();
                work.note(
                    NoteKind::Reset,
                    format!(
                        "the place {} of the TPM state was dropped, so libvirt picks one",
                        shown(path)
                    ),
                );
            }
            work.note(
                NoteKind::Reset,
                if work.spec.tpm_copied {
                    "the TPM starts as a copy of the golden domain's"
                } else {
                    "the TPM starts empty: its state belongs to the UUID of the golden domain"
                },
            );
        }
        "passthrough" => work.note(
            NoteKind::Warning,
            "the TPM of the host is passed through: only one of the two domains can run at a time",
        ),
        "external" => {
            let path = source
                .and_then(|source| source.get("path"))
                .unwrap_or_default();
            work.note(
                NoteKind::Warning,
                format!(
                    "the TPM behind the socket {} is that of the golden domain",
                    shown(path)
                ),
            );
        }
        _ => {}
    }
}

fn vsock(work: &mut Work<'_>, device: Node<'_, '_>) {
    let Some(cid) = device.child("cid") else {
        return;
    };
    let Some(address) = cid.get("address") else {
        return;
    };
    work.edits.unset(cid, "address");
    if cid.get("auto") != Some("yes") {
        work.edits.set(cid, "auto", "yes");
        work.note(
            NoteKind::Reset,
            format!(
                "the vsock had the fixed cid {}, and now gets a free one",
                shown(address)
            ),
        );
    }
}
