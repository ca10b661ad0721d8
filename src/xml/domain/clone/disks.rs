//! Disks: those that were made for the clone, and those that stay shared.

use uuid::Uuid;

use super::network::source_element;
use super::rewriter::Work;
use super::spec::{BackingLayer, NewDisk, NoteKind};
use crate::error::{Error, Kind, Result};
use crate::model::{Disk, DiskDevice, DiskSource, DiskTarget, ImageFormat, NetworkSource};
use crate::xml::domain::read::disk_target;
use crate::xml::escape::{escaped, path_text, plain_text, shown};
use crate::xml::span::Node;
use crate::xml::splice::indent_of;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) -> Result<()> {
    let (facts, spec) = (work.facts, work.spec);
    for new in spec.disks {
        if !facts.disks.iter().any(|disk| disk.target == new.target) {
            return Err(Error::new(
                Kind::NotFound,
                format!("the domain has no disk '{}'", new.target),
            ));
        }
    }
    for (index, (node, disk)) in devices.all("disk").zip(&facts.disks).enumerate() {
        debug_assert_eq!(disk_target(node).ok().as_ref(), Some(&disk.target));
        // A block copy or commit that went on when the XML was read.
        for mirror in node.all("mirror") {
            work.remove(mirror);
        }
        // Another file looks after those.
        if facts.is_seed(disk) {
            continue;
        }
        match spec.disks.iter().find(|new| new.target == disk.target) {
            Some(new) => replace(work, node, disk, new, index)?,
            None => share(work, node, disk),
        }
    }
    Ok(())
}

/// Leaves a disk as it is. The caller has decided that; the user is told.
fn share(work: &mut Work<'_>, node: Node<'_, '_>, disk: &Disk) {
    // Numbers that libvirt gives to the layers of a running domain.
    for part in node.subtree() {
        if part.is("source") || part.is("backingStore") {
            work.edits.unset(part, "index");
        }
    }
    if disk.source == DiskSource::Empty {
        return;
    }
    let Disk { target, source, .. } = disk;
    let source = source.to_string();
    let source = shown(&source);
    let why = if disk.is_private() {
        "both write to it"
    } else if disk.shareable {
        "it is shareable"
    } else if disk.readonly || disk.device == DiskDevice::Cdrom {
        "it is read-only"
    } else if disk.transient {
        "it is transient"
    } else {
        "it is removable"
    };
    work.note(
        NoteKind::Shared,
        format!("disk {target} ({source}) is shared with the golden domain: {why}"),
    );
    let exclusive = node
        .child("transient")
        .is_some_and(|transient| transient.get("shareBacking") != Some("yes"));
    if exclusive && !disk.readonly && !disk.shareable {
        work.note(
            NoteKind::Warning,
            format!(
                "disk {target} ({source}) is transient without shareBacking: \
                 only one of the two domains can run at a time"
            ),
        );
    }
}

fn replace(
    work: &mut Work<'_>,
    node: Node<'_, '_>,
    disk: &Disk,
    new: &NewDisk,
    index: usize,
) -> Result<()> {
    let source = node.child("source");
    let encrypted = |node: Node<'_, '_>| node.child("encryption").is_some();
    if encrypted(node) || source.is_some_and(encrypted) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "disk '{}' is encrypted by libvirt, and such a disk cannot be cloned",
                disk.target
            ),
        ));
    }
    if disk.sliced {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "disk '{}' is a part of an image (<slices>), and such a disk cannot be cloned",
                disk.target
            ),
        ));
    }
    match (&disk.source, &new.source) {
        (DiskSource::Network(old), DiskSource::Network(network)) => {
            put_name(work, node, old, network, &new.target)?;
        }
        _ => put_place(work, node, disk, new)?,
    }
    if let Some(wwn) = node.child("wwn") {
        work.edits.set_text(wwn, &wwn_of(work.spec.uuid, index));
        work.note(
            NoteKind::Reset,
            format!("disk {} got a new WWN", disk.target),
        );
    }
    Ok(())
}

/// Names another image that is reached in the same way.
fn put_name(
    work: &mut Work<'_>,
    node: Node<'_, '_>,
    old: &NetworkSource,
    new: &NetworkSource,
    target: &DiskTarget,
) -> Result<()> {
    let (Some(source), Some(name)) = (node.child("source"), &new.name) else {
        return Err(Error::new(
            Kind::WrongState,
            format!("disk '{target}' has no name"),
        ));
    };
    if old.protocol != new.protocol || !old.whole {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "disk '{target}' cannot be on {}",
                DiskSource::Network(new.clone())
            ),
        ));
    }
    work.edits.set(source, "name", plain_text(name)?);
    work.edits.unset(source, "index");
    for backing in node.all("backingStore") {
        work.remove(backing);
    }
    Ok(())
}

/// Puts the disk where the new image is.
fn put_place(work: &mut Work<'_>, node: Node<'_, '_>, disk: &Disk, new: &NewDisk) -> Result<()> {
    let place = Place::of(&new.source, &new.target)?;
    work.edits.set(node, "type", place.kind);
    let passes_through = place.kind == "block" && new.format == ImageFormat::Raw;
    if disk.device == DiskDevice::Lun && !passes_through {
        // SCSI commands of the guest have no device to go to any more.
        work.edits.set(node, "device", "disk");
        work.edits.unset(node, "sgio");
        work.edits.unset(node, "rawio");
        work.note(
            NoteKind::Reset,
            format!(
                "disk {} is an image now, no longer a SCSI device of the host",
                disk.target
            ),
        );
    }
    // Written here by older XML; it belongs to the old source.
    for auth in node.all("auth") {
        work.remove(auth);
    }
    put_image(work, node, new, &place)
}

/// Writes driver, source and backing chain; those that are missing go where
/// libvirt writes them.
fn put_image(work: &mut Work<'_>, node: Node<'_, '_>, new: &NewDisk, place: &Place) -> Result<()> {
    let source = node.child("source");
    let driver = node.child("driver");
    let backing = node.child("backingStore");
    let indent = node.children().next().map_or(String::new(), indent_of);

    let policy = source.and_then(|source| source.get("startupPolicy"));
    let new_source = place.element(policy, "");
    let new_driver = format!("<driver name='qemu' type='{}'/>", new.format);
    if let Some(driver) = driver {
        work.edits.set(driver, "type", new.format.as_str());
        if new.format != ImageFormat::Qcow2 {
            // Libvirt refuses it for any other format.
            for cache in driver.all("metadata_cache") {
                work.remove(cache);
            }
        }
    }
    let new_backing = |work: &Work<'_>, indent: &str| -> Result<Option<String>> {
        let network = |export: &NetworkSource| source_element(work, node, export);
        new.chain_known
            .then(|| chain(&network, &new.backing, &new.target, indent))
            .transpose()
    };
    if let Some(source) = source {
        work.edits.replace(source.whole(), new_source.clone());
        if driver.is_none() {
            let before = format!("{new_driver}{}", indent_of(source));
            work.edits.insert(source.whole().start, before);
        }
    } else {
        let missing = match driver {
            Some(_) => new_source.clone(),
            None => format!("{new_driver}{indent}{new_source}"),
        };
        match driver {
            Some(driver) => work.edits.append_after(driver, &missing),
            None => work.edits.prepend(node, &missing),
        }
    }
    match backing {
        Some(backing) => match new_backing(work, &indent_of(backing))? {
            Some(text) => work.edits.replace(backing.whole(), text),
            None => work.remove(backing),
        },
        None => match (source.or(driver), new_backing(work, &indent)?) {
            (_, None) => {}
            (Some(before), Some(_)) => {
                let text = new_backing(work, &indent_of(before))?.unwrap_or_default();
                work.edits.append_after(before, &text);
            }
            (None, Some(text)) => work.edits.prepend(node, &text),
        },
    }
    Ok(())
}

/// `<backingStore>` and what is in it, down to the end of the chain. `network`
/// writes the `<source>` of a layer on the network.
pub(in crate::xml::domain) fn chain(
    network: &dyn Fn(&NetworkSource) -> Result<String>,
    layers: &[BackingLayer],
    target: &DiskTarget,
    indent: &str,
) -> Result<String> {
    let Some((layer, rest)) = layers.split_first() else {
        return Ok("<backingStore/>".to_owned());
    };
    let inner = if indent.is_empty() {
        String::new()
    } else {
        format!("{indent}  ")
    };
    let (kind, source) = if let DiskSource::Network(export) = &layer.source {
        ("network", network(export)?)
    } else {
        let place = Place::of(&layer.source, target)?;
        let children = if layer.keep_owner {
            let deeper = if inner.is_empty() { "" } else { "  " };
            format!("{inner}{deeper}<seclabel model='dac' relabel='no'/>{inner}")
        } else {
            String::new()
        };
        (place.kind, place.element(None, &children))
    };
    Ok(format!(
        "<backingStore type='{kind}'>{inner}<format type='{}'/>{inner}{source}{inner}{}{indent}</backingStore>",
        layer.format,
        chain(network, rest, target, &inner)?
    ))
}

/// A `type=` of a disk, and the attributes of the `<source>` that go with it.
struct Place {
    kind: &'static str,
    attributes: String,
}

impl Place {
    fn of(source: &DiskSource, target: &DiskTarget) -> Result<Self> {
        let (kind, attributes) = match source {
            DiskSource::File(path) => ("file", format!("file='{}'", escaped(path_text(path)?))),
            DiskSource::Block(path) => ("block", format!("dev='{}'", escaped(path_text(path)?))),
            DiskSource::Volume { pool, volume } => (
                "volume",
                format!(
                    "pool='{}' volume='{}'",
                    escaped(plain_text(pool)?),
                    escaped(plain_text(volume)?)
                ),
            ),
            DiskSource::Empty | DiskSource::Network(_) | DiskSource::Other(_) => {
                return Err(Error::new(
                    Kind::WrongState,
                    format!(
                        "disk '{target}' cannot be on {source}: it must be a file, a volume or a block device"
                    ),
                ));
            }
        };
        Ok(Self { kind, attributes })
    }

    fn element(&self, policy: Option<&str>, children: &str) -> String {
        let mut out = format!("<source {}", self.attributes);
        if let Some(policy) = policy {
            out.push_str(&format!(" startupPolicy='{}'", escaped(policy)));
        }
        if children.is_empty() {
            out.push_str("/>");
        } else {
            out.push_str(&format!(">{children}</source>"));
        }
        out
    }
}

/// A world wide name of the registered form (it begins with 5), with QEMU's
/// prefix for hardware addresses, and 36 bits of the UUID. Each disk of a
/// domain has another, and the same clone always has the same.
fn wwn_of(uuid: Uuid, index: usize) -> String {
    const BITS: u128 = (1 << 36) - 1;
    let bits = uuid.as_u128();
    let folded = bits ^ (bits >> 36) ^ (bits >> 72) ^ (bits >> 108);
    let number = (folded & BITS).wrapping_add(index as u128) & BITS;
    format!("5525400{number:09x}")
}
