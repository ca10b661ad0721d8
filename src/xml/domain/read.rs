//! Reading what the XML of a domain says.

use std::collections::HashSet;
use std::path::PathBuf;

use uuid::Uuid;

use super::facts::{DomainFacts, Graphics};
use super::{lineage, network};
use crate::error::{Error, Kind, Result};
use crate::model::{
    DeclaredLayer, Disk, DiskDevice, DiskSource, DiskTarget, ImageFormat, Nic, NicSource, Nvram,
};
use crate::xml::escape::shown;
use crate::xml::span::{Document, Node};

/// Reads what the XML of a domain says about it.
///
/// # Errors
///
/// [`Kind::Usage`] if the XML is malformed or not that of a domain;
/// [`Kind::WrongState`] if a disk is in a format that this program does not
/// know.
pub fn read(xml: &str) -> Result<DomainFacts> {
    let document = Document::parse(xml, "domain")?;
    facts(root(&document)?)
}

/// The `<domain>` element.
pub(super) fn root<'d, 'a>(document: &'d Document<'a>) -> Result<Node<'d, 'a>> {
    document
        .root()
        .ok_or_else(|| usage("the domain XML is empty"))
}

/// Reads the facts out of a `<domain>` element.
pub(super) fn facts(domain: Node<'_, '_>) -> Result<DomainFacts> {
    let name = single_text(domain, "name")?
        .filter(|name| !name.is_empty())
        .ok_or_else(|| usage("the domain XML has no <name>"))?;
    let uuid = single_text(domain, "uuid")?
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(|text| {
            Uuid::try_parse(&text).map_err(|_| {
                usage(format!(
                    "the <uuid> '{}' in the domain XML is not a UUID",
                    shown(&text)
                ))
            })
        })
        .transpose()?;
    for name in ["metadata", "os", "devices"] {
        // Libvirt looks for disks in all of them, and this program in the first.
        if domain.all(name).nth(1).is_some() {
            return Err(usage(format!("the domain XML has more than one <{name}>")));
        }
    }
    let text = |path: &[&str]| {
        domain
            .at(path)
            .map(|node| node.text().into_owned())
            .filter(|text| !text.is_empty())
    };
    let os_type = domain.at(&["os", "type"]);
    let devices = domain.child("devices");
    let all = |name| devices.into_iter().flat_map(move |node| node.all(name));
    let (lineage, lineage_damage) = match lineage::find(domain).map(lineage::read) {
        None => (None, None),
        Some(Ok(lineage)) => (Some(lineage), None),
        Some(Err(damage)) => (None, Some(damage)),
    };
    let hostdevs = all("hostdev").count()
        + all("interface")
            .filter(|nic| nic.get("type") == Some("hostdev"))
            .count();
    Ok(DomainFacts {
        name,
        uuid,
        domain_type: domain.get("type").unwrap_or_default().to_owned(),
        title: text(&["title"]),
        description: text(&["description"]),
        memory_bytes: memory(domain.child("currentMemory").or(domain.child("memory")))?,
        memory_most_bytes: memory(domain.child("memory"))?,
        vcpus: vcpus(domain)?,
        arch: os_type.and_then(|node| owned(node, "arch")),
        machine: os_type.and_then(|node| owned(node, "machine")),
        emulator: text(&["devices", "emulator"]).map(PathBuf::from),
        disks: disks(all("disk"))?,
        nics: all("interface").map(nic).collect::<Result<_>>()?,
        nvram: domain.at(&["os", "nvram"]).map(nvram).transpose()?,
        tpm_emulator: all("tpm")
            .filter_map(|tpm| tpm.child("backend"))
            .any(|backend| backend.get("type") == Some("emulator")),
        graphics: all("graphics").map(graphics).collect(),
        hostdevs: u32::try_from(hostdevs).unwrap_or(u32::MAX),
        agent_channel: all("channel")
            .filter_map(|channel| channel.child("target"))
            .any(|target| target.get("name") == Some("org.qemu.guest_agent.0")),
        lineage,
        lineage_damage,
    })
}

fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}

fn owned(node: Node<'_, '_>, attribute: &str) -> Option<String> {
    node.get(attribute).map(str::to_owned)
}

/// The text of the only element of this name in the domain.
fn single_text(domain: Node<'_, '_>, name: &str) -> Result<Option<String>> {
    let mut found = domain.all(name);
    let Some(node) = found.next() else {
        return Ok(None);
    };
    // Libvirt takes the first of two; whoever wrote the second meant it.
    if found.next().is_some() {
        return Err(usage(format!("the domain XML has more than one <{name}>")));
    }
    if node.children().next().is_some() {
        return Err(usage(format!(
            "the domain XML has elements in its <{name}>"
        )));
    }
    Ok(Some(node.text().into_owned()))
}

fn memory(node: Option<Node<'_, '_>>) -> Result<u64> {
    let Some(node) = node else {
        return Ok(0);
    };
    let text = node.text();
    let bad = || {
        usage(format!(
            "the memory '{} {}' in the domain XML is not an amount of memory",
            shown(text.trim()),
            shown(node.get("unit").unwrap_or_default())
        ))
    };
    let amount: u64 = text.trim().parse().map_err(|_| bad())?;
    let scale = memory_unit(node.get("unit").unwrap_or("KiB")).ok_or_else(bad)?;
    amount.checked_mul(scale).ok_or_else(bad)
}

/// How many bytes a unit of libvirt's has.
fn memory_unit(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    if matches!(unit.as_str(), "" | "b" | "byte" | "bytes") {
        return Some(1);
    }
    let mut letters = unit.chars();
    let power = match letters.next()? {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        _ => return None,
    };
    match letters.as_str() {
        // Only the form with a B in it and no i is decimal.
        "" | "ib" => 1024_u64.checked_pow(power),
        "b" => 1000_u64.checked_pow(power),
        _ => None,
    }
}

fn vcpus(domain: Node<'_, '_>) -> Result<u32> {
    let Some(node) = domain.child("vcpu") else {
        return Ok(1);
    };
    let text = node.text();
    let number = node.get("current").unwrap_or(&text).trim();
    if number.is_empty() {
        return Ok(1);
    }
    number.parse().map_err(|_| {
        usage(format!(
            "the <vcpu> '{}' in the domain XML is not a number",
            shown(number)
        ))
    })
}

fn disks<'d, 'a: 'd>(nodes: impl Iterator<Item = Node<'d, 'a>>) -> Result<Vec<Disk>> {
    let mut seen = HashSet::new();
    let mut disks = Vec::new();
    for node in nodes {
        let disk = disk(node)?;
        if !seen.insert(disk.target.clone()) {
            return Err(usage(format!(
                "the domain XML has the disk '{}' twice",
                disk.target
            )));
        }
        disks.push(disk);
    }
    Ok(disks)
}

/// The target of a `<disk>`.
pub(super) fn disk_target(disk: Node<'_, '_>) -> Result<DiskTarget> {
    let target = disk
        .child("target")
        .and_then(|target| target.get("dev"))
        .ok_or_else(|| usage("the domain XML has a disk without a target"))?;
    target.parse().map_err(|why| {
        usage(format!(
            "the domain XML has a disk with the target '{}': {why}",
            shown(target)
        ))
    })
}

fn disk(node: Node<'_, '_>) -> Result<Disk> {
    let target = disk_target(node)?;
    let device = match node.get("device").unwrap_or("disk") {
        "disk" => DiskDevice::Disk,
        "cdrom" => DiskDevice::Cdrom,
        "floppy" => DiskDevice::Floppy,
        "lun" => DiskDevice::Lun,
        other => {
            return Err(usage(format!(
                "disk '{target}' is of the unknown device '{}'",
                shown(other)
            )));
        }
    };
    let format = node
        .child("driver")
        .and_then(|driver| driver.get("type"))
        .map_or(Ok(ImageFormat::Raw), |word| format(word, &target))?;
    let has_slices = |holder: Node<'_, '_>| {
        let source = holder.child("source");
        source.is_some_and(|source| source.child("slices").is_some())
    };
    let mut sliced = has_slices(node);
    let mut declared = Vec::new();
    let mut declared_whole = false;
    let mut layer = node.child("backingStore");
    while let Some(store) = layer {
        // Libvirt takes any without a type for the end of the chain.
        let Some(kind) = store.get("type") else {
            declared_whole = true;
            break;
        };
        declared.push(DeclaredLayer {
            source: source(kind, store.child("source")),
            format: store
                .child("format")
                .and_then(|node| node.get("type"))
                .map(|word| self::format(word, &target))
                .transpose()?,
        });
        sliced |= has_slices(store);
        layer = store.child("backingStore");
    }
    Ok(Disk {
        bus: node.child("target").and_then(|target| owned(target, "bus")),
        device,
        source: source(node.get("type").unwrap_or("file"), node.child("source")),
        format,
        readonly: node.child("readonly").is_some(),
        shareable: node.child("shareable").is_some(),
        transient: node.child("transient").is_some(),
        declared,
        declared_whole,
        sliced,
        target,
    })
}

fn format(word: &str, target: &DiskTarget) -> Result<ImageFormat> {
    word.parse()
        .map_err(|error| Error::new(Kind::WrongState, format!("disk '{target}': {error}")))
}

/// Where the contents of a disk of this type are.
pub(super) fn source(kind: &str, node: Option<Node<'_, '_>>) -> DiskSource {
    let get = |name| {
        node.and_then(|node| node.get(name))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let path = |name| get(name).map(PathBuf::from);
    match kind {
        "file" => path("file").map_or(DiskSource::Empty, DiskSource::File),
        "block" => path("dev").map_or(DiskSource::Empty, DiskSource::Block),
        "volume" => match (get("pool"), get("volume")) {
            (Some(pool), Some(volume)) => DiskSource::Volume { pool, volume },
            _ => DiskSource::Empty,
        },
        "network" => node
            .and_then(network::source)
            .map_or(DiskSource::Empty, DiskSource::Network),
        other => DiskSource::Other(other.to_owned()),
    }
}

fn nic(node: Node<'_, '_>) -> Result<Nic> {
    let mac = node
        .child("mac")
        .and_then(|mac| mac.get("address"))
        .map(|text| {
            text.parse()
                .map_err(|error| usage(format!("the MAC address '{}': {error}", shown(text))))
        })
        .transpose()?;
    let source = node.child("source");
    let named = |attribute| {
        source
            .and_then(|node| owned(node, attribute))
            .unwrap_or_default()
    };
    Ok(Nic {
        mac,
        source: match node.get("type").unwrap_or_default() {
            "network" => NicSource::Network(named("network")),
            "bridge" => NicSource::Bridge(named("bridge")),
            "user" => NicSource::User,
            other => NicSource::Other(other.to_owned()),
        },
        model: node.child("model").and_then(|model| owned(model, "type")),
    })
}

/// Where the UEFI variables of a domain are. Libvirt has two forms: the path
/// as text, and since 8.5 a `<source>` as disks have it.
fn nvram(node: Node<'_, '_>) -> Result<Nvram> {
    let path = match node.get("type") {
        None => Some(node.text().trim().to_owned()),
        Some("file") => node
            .child("source")
            .and_then(|source| owned(source, "file")),
        Some(_) => None,
    };
    let format = node.get("format").map_or(Ok(ImageFormat::Raw), |word| {
        word.parse()
            .map_err(|error| Error::new(Kind::WrongState, format!("the UEFI variables: {error}")))
    })?;
    Ok(Nvram {
        path: path.filter(|path| !path.is_empty()).map(PathBuf::from),
        format,
    })
}

fn graphics(node: Node<'_, '_>) -> Graphics {
    Graphics {
        kind: node.get("type").unwrap_or_default().to_owned(),
        listen: listen_address(node).map(str::to_owned),
        port: node
            .get("port")
            .filter(|_| node.get("autoport") != Some("yes"))
            .and_then(|port| port.parse().ok())
            .filter(|port| *port != 0),
        password_set: password_set(node),
    }
}

/// The address that a `<graphics>` listens on, as far as the XML says.
pub(super) fn listen_address<'d>(graphics: Node<'d, '_>) -> Option<&'d str> {
    graphics
        .all("listen")
        .find_map(|listen| listen.get("address"))
        .or_else(|| graphics.get("listen"))
        .filter(|address| !address.is_empty())
}

/// Whether a `<graphics>` asks for a password.
pub(super) fn password_set(graphics: Node<'_, '_>) -> bool {
    graphics
        .get("passwd")
        .is_some_and(|password| !password.is_empty())
}

#[cfg(test)]
mod tests;
