//! Consoles, serial and parallel ports, channels: what they are connected to.

use super::rewriter::Work;
use super::spec::NoteKind;
use crate::xml::escape::shown;
use crate::xml::span::Node;

/// The longest path of a UNIX socket that Linux takes, in bytes.
const MAX_SOCKET_PATH: usize = 107;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) {
    for device in devices.children() {
        let found = [
            "serial",
            "console",
            "parallel",
            "channel",
            "redirdev",
            "smartcard",
        ]
        .into_iter()
        .find(|name| device.is(name));
        if let Some(name) = found {
            rewrite_one(work, device, name);
        }
    }
}

fn rewrite_one(work: &mut Work<'_>, device: Node<'_, '_>, name: &str) {
    for log in device.all("log") {
        own_path(work, log, "file", "log file");
    }
    let kind = device.get("type").unwrap_or_default();
    for source in device.all("source") {
        match kind {
            "file" => own_path(work, source, "path", "output file"),
            "unix" => rewrite_socket(work, device, source, name),
            "tcp" | "udp" if source.get("mode") == Some("bind") => {
                let port = source.get("service").unwrap_or_default();
                work.note(
                    NoteKind::Warning,
                    format!(
                        "a {name} device binds {kind} port {} of the host: only one domain can",
                        shown(port)
                    ),
                );
            }
            "dev" | "pipe" => {
                let path = source.get("path").unwrap_or_default();
                work.note(
                    NoteKind::Warning,
                    format!(
                        "a {name} device uses {} of the host, as in the golden domain",
                        shown(path)
                    ),
                );
            }
            "nmdm" => {
                let path = source.get("master").unwrap_or_default();
                work.note(
                    NoteKind::Warning,
                    format!(
                        "a {name} device uses {} of the host, as in the golden domain",
                        shown(path)
                    ),
                );
            }
            _ => {}
        }
    }
}

fn rewrite_socket(work: &mut Work<'_>, device: Node<'_, '_>, source: Node<'_, '_>, name: &str) {
    let Some(path) = source.get("path") else {
        return;
    };
    let bind = source.get("mode") == Some("bind");
    let to_guest = device
        .child("target")
        .is_some_and(|target| target.get("type") == Some("virtio"));
    let own_directory = work.names.in_text(path) && !work.names.in_file(path);
    let golden = bind && (work.names.has_name(path) || own_directory);
    // Only for these does libvirt make a socket where the XML has none.
    if name == "channel" && to_guest && (is_made_by_libvirt(path) || golden) {
        work.edits.unset(source, "path");
        if !is_made_by_libvirt(path) {
            work.note(
                NoteKind::Reset,
                format!(
                    "the channel socket {} was dropped, so libvirt picks one",
                    shown(path)
                ),
            );
        }
        return;
    }
    let named = work.names.in_text(path);
    if named || bind && name != "channel" {
        let own = work.names.own_path(path);
        work.edits.set(source, "path", &own);
        let message = format!("the {name} socket {path} is {own} for the clone");
        work.note(NoteKind::Renamed, shown(&message));
        check_socket(work, &own);
    } else if bind {
        work.note(
            NoteKind::Warning,
            format!(
                "a {name} device listens on the socket {}, as in the golden domain",
                shown(path)
            ),
        );
    } else {
        work.note(
            NoteKind::Warning,
            format!(
                "a {name} device connects to the socket {}, as in the golden domain",
                shown(path)
            ),
        );
    }
}

/// Whether libvirt chose this path for a channel. The directory has changed
/// over time and has the user's home in it for session domains.
fn is_made_by_libvirt(path: &str) -> bool {
    path.contains("/libvirt/qemu/channel/") || path.contains("/libvirt/qemu/run/channel/")
}

/// Gives a file that is written to a name of the clone's own.
fn own_path(work: &mut Work<'_>, node: Node<'_, '_>, attribute: &str, what: &str) {
    let Some(path) = node.get(attribute) else {
        return;
    };
    // Devices that throw away or repeat what is written are nobody's own.
    if path.is_empty() || path.starts_with("/dev/") {
        return;
    }
    let own = work.names.own_path(path);
    work.edits.set(node, attribute, &own);
    let message = format!("the {what} {path} is {own} for the clone");
    work.note(NoteKind::Renamed, shown(&message));
}

/// Says so if a socket path has become too long for the system.
pub(super) fn check_socket(work: &mut Work<'_>, path: &str) {
    if path.len() > MAX_SOCKET_PATH {
        work.note(
            NoteKind::Warning,
            format!(
                "the socket path {} is longer than the {MAX_SOCKET_PATH} bytes the system allows",
                shown(path)
            ),
        );
    }
}
