//! Network interfaces.

use super::rewriter::Work;
use super::spec::{HostdevRule, NoteKind};
use crate::error::{Error, Kind, Result};
use crate::model::Mac;
use crate::xml::escape::shown;
use crate::xml::span::Node;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) -> Result<()> {
    let spec = work.spec;
    let mut macs = spec.macs.iter();
    let mut kept = 0_usize;
    for nic in devices.all("interface") {
        let hostdev = nic.get("type") == Some("hostdev");
        if hostdev && spec.hostdevs == HostdevRule::Drop {
            work.remove(nic);
            work.note(
                NoteKind::Dropped,
                format!(
                    "network interface {} was dropped: two domains cannot have a device of the host at once",
                    device_of(nic)
                ),
            );
            continue;
        }
        kept += 1;
        let mac = macs.next().ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!(
                    "the domain has more than {} network interfaces, and each needs a MAC address",
                    spec.macs.len()
                ),
            )
        })?;
        let label = format!("network interface {kept} ({mac})");
        rewrite_one(work, nic, mac, &label);
        if hostdev {
            work.note(
                NoteKind::Warning,
                format!(
                    "{label} is device {} of the host: only one of the two domains can run at a time",
                    device_of(nic)
                ),
            );
        }
    }
    Ok(())
}

/// The address of the host's device behind an interface.
fn device_of(nic: Node<'_, '_>) -> String {
    nic.at(&["source", "address"])
        .map(super::devices::address_text)
        .unwrap_or_default()
}

fn rewrite_one(work: &mut Work<'_>, nic: Node<'_, '_>, mac: &Mac, label: &str) {
    match nic.child("mac") {
        Some(node) => work.edits.set(node, "address", &mac.to_string()),
        None => work.edits.prepend(nic, &format!("<mac address='{mac}'/>")),
    }
    for target in nic.all("target") {
        // All of it: `managed='no'` speaks of a device of that very name.
        let Some(device) = target.get("dev") else {
            continue;
        };
        work.remove(target);
        let device = shown(device);
        if target.get("managed") == Some("no") {
            work.note(
                NoteKind::Warning,
                format!("{label}: the device '{device}' made by others was dropped, so libvirt makes one"),
            );
        } else {
            work.note(
                NoteKind::Reset,
                format!("{label}: the fixed name '{device}' on the host was dropped, so libvirt picks one"),
            );
        }
    }
    for port in nic.all("virtualport") {
        rewrite_port(work, port, label);
    }
    let source = nic.child("source");
    match (nic.get("type").unwrap_or_default(), source) {
        ("vhostuser", Some(source)) => rewrite_vhostuser(work, source, label),
        ("server" | "udp", Some(source)) => {
            // A UDP socket is bound to `<local>`, what is sent goes elsewhere.
            let bound = source.child("local").unwrap_or(source);
            let port = bound.get("port").unwrap_or_default();
            work.note(
                NoteKind::Warning,
                format!(
                    "{label} binds port {} of the host: only one domain can",
                    shown(port)
                ),
            );
        }
        ("vdpa", Some(source)) => exclusive(work, source, label),
        ("direct", Some(source)) if source.get("mode") == Some("passthrough") => {
            exclusive(work, source, label);
        }
        _ => {}
    }
    for backend in nic.all("backend") {
        let Some(log) = backend.get("logFile") else {
            continue;
        };
        let own = work.names.own_path(log);
        work.edits.set(backend, "logFile", &own);
        let message = format!("{label}: the passt log {log} is {own} for the clone");
        work.note(NoteKind::Renamed, shown(&message));
    }
    for forward in nic.all("portForward") {
        let ports: Vec<&str> = forward
            .all("range")
            .filter(|range| range.get("exclude") != Some("yes"))
            .filter_map(|range| range.get("start"))
            .collect();
        let ports = if ports.is_empty() {
            "all ports".to_owned()
        } else {
            format!("port {}", ports.join(", "))
        };
        work.note(
            NoteKind::Warning,
            format!(
                "{label} forwards {} of the host: only one domain can",
                shown(&ports)
            ),
        );
    }
    let parameters = nic
        .all("filterref")
        .flat_map(|filter| filter.all("parameter"));
    for parameter in parameters {
        let name = parameter.get("name").unwrap_or_default();
        if matches!(name, "IP" | "IPV6" | "MAC") {
            let value = parameter.get("value").unwrap_or_default();
            work.note(
                NoteKind::Warning,
                format!(
                    "{label}: its filter still lets only {name} {} through",
                    shown(value)
                ),
            );
        }
    }
}

/// What a virtual switch knows the port by.
fn rewrite_port(work: &mut Work<'_>, port: Node<'_, '_>, label: &str) {
    let Some(parameters) = port.child("parameters") else {
        return;
    };
    if port.get("type") == Some("midonet") {
        // Midonet made this id; libvirt cannot make one up.
        if let Some(id) = parameters.get("interfaceid") {
            work.note(
                NoteKind::Warning,
                format!("{label} still uses the midonet port {}", shown(id)),
            );
        }
        return;
    }
    // Both are drawn by libvirt when they are missing.
    let own = ["interfaceid", "instanceid"];
    let attributes = parameters.attributes();
    if attributes
        .iter()
        .all(|attribute| own.contains(&attribute.name))
    {
        work.remove(parameters);
    }
    for name in own {
        work.edits.unset(parameters, name);
    }
}

fn rewrite_vhostuser(work: &mut Work<'_>, source: Node<'_, '_>, label: &str) {
    let Some(path) = source.get("path") else {
        return;
    };
    let own = work.names.own_path(path);
    work.edits.set(source, "path", &own);
    // As a server QEMU makes the socket; as a client the switch has to.
    if source.get("mode") == Some("server") {
        let message = format!("{label}: the socket {path} is {own} for the clone");
        work.note(NoteKind::Renamed, shown(&message));
    } else {
        work.note(
            NoteKind::Warning,
            format!("{label} connects to {own}: the switch must have that socket before the clone starts"),
        );
    }
    super::chardevs::check_socket(work, &own);
}

fn exclusive(work: &mut Work<'_>, source: Node<'_, '_>, label: &str) {
    let device = source.get("dev").unwrap_or_default();
    work.note(
        NoteKind::Warning,
        format!(
            "{label} takes {} of the host for itself: only one of the two domains can run at a time",
            shown(device)
        ),
    );
}
