//! Screens: fixed ports become automatic again, passwords stay.

use super::rewriter::Work;
use super::spec::NoteKind;
use crate::xml::domain::read::{listen_address, password_set};
use crate::xml::escape::shown;
use crate::xml::span::Node;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) {
    for screen in devices.all("graphics") {
        let kind = screen.get("type").unwrap_or_default();
        match kind {
            "vnc" | "spice" | "rdp" => {
                ports(work, screen, kind);
                sockets(work, screen, kind);
                if open_to_all(screen) {
                    work.note(
                        NoteKind::Warning,
                        format!(
                            "the {kind} screen listens on all addresses and asks for no password"
                        ),
                    );
                }
            }
            "dbus" if screen.get("address").is_some() => {
                let address = screen.get("address").unwrap_or_default();
                work.note(
                    NoteKind::Warning,
                    format!(
                        "the dbus screen is on the bus {} of the golden domain",
                        shown(address)
                    ),
                );
            }
            _ => {}
        }
    }
}

fn ports(work: &mut Work<'_>, screen: Node<'_, '_>, kind: &str) {
    let mut fixed = Vec::new();
    for name in ["port", "tlsPort", "websocket"] {
        let Some(port) = screen.get(name).filter(|port| *port != "-1") else {
            continue;
        };
        // Libvirt's word for a port that is drawn at each start.
        work.edits.set(screen, name, "-1");
        // With autoport the number was the one drawn last, not a wish.
        if name == "websocket" || screen.get("autoport") != Some("yes") {
            fixed.push(format!("{name} {}", shown(port)));
        }
        // Not for tlsPort: it would open a port without TLS beside it.
        if name == "port" {
            work.edits.set(screen, "autoport", "yes");
        }
    }
    if !fixed.is_empty() {
        work.note(
            NoteKind::Reset,
            format!(
                "the {kind} screen had the fixed {}, and now gets a free one",
                fixed.join(" and ")
            ),
        );
    }
}

/// A socket without a path is made by libvirt in a directory of the domain's.
fn sockets(work: &mut Work<'_>, screen: Node<'_, '_>, kind: &str) {
    let mut dropped = screen.get("socket");
    work.edits.unset(screen, "socket");
    for listen in screen.all("listen") {
        dropped = dropped.or(listen.get("socket"));
        work.edits.unset(listen, "socket");
    }
    let Some(path) = dropped else {
        return;
    };
    // Without this the screen would be opened on a port instead.
    if screen.child("listen").is_none() {
        work.edits.prepend(screen, "<listen type='socket'/>");
    }
    work.note(
        NoteKind::Reset,
        format!(
            "the {kind} screen had the socket {}, and now libvirt picks one",
            shown(path)
        ),
    );
}

fn open_to_all(screen: Node<'_, '_>) -> bool {
    !password_set(screen) && matches!(listen_address(screen), Some("0.0.0.0" | "::"))
}
