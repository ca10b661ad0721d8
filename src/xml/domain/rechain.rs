//! Domain XML of a domain whose disks have other layers below them.

use std::path::PathBuf;

use super::clone::{BackingLayer, chain};
use super::{lineage, read};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskTarget, ImageFormat, Lineage};
use crate::xml::escape::path_text;
use crate::xml::span::{Document, Node};
use crate::xml::splice::{Edits, indent_of};

/// A disk that has these layers below it, nearest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rechained {
    /// The disk in the domain.
    pub target: DiskTarget,
    /// The image file that the disk is then, and its format, if that is another one.
    pub image: Option<(PathBuf, ImageFormat)>,
    /// The layers; none if it stands alone.
    pub backing: Vec<BackingLayer>,
}

/// The same domain with other layers below its disks. Where the XML says nothing
/// of a chain, it goes on to; libvirt follows the headers then. With a `lineage`,
/// that comes in the place of the one that it has.
///
/// # Errors
///
/// [`Kind::Usage`] if the XML is malformed, or a path cannot be written in it.
pub fn rechained(xml: &str, disks: &[Rechained], lineage: Option<&Lineage>) -> Result<String> {
    let document = Document::parse(xml, "domain")?;
    let domain = read::root(&document)?;
    let mut edits = Edits::default();
    let nodes = domain.child("devices").into_iter();
    for node in nodes.flat_map(|devices| devices.all("disk")) {
        let target = read::disk_target(node)?;
        let Some(disk) = disks.iter().find(|disk| disk.target == target) else {
            continue;
        };
        if let Some((path, format)) = &disk.image {
            let (Some(driver), Some(source)) = (node.child("driver"), node.child("source")) else {
                return Err(Error::new(
                    Kind::WrongState,
                    format!("disk '{target}' does not say in which format it is"),
                ));
            };
            edits.set(driver, "type", format.as_str());
            to_file(&mut edits, node, source, path_text(path)?);
        }
        if let Some(backing) = node.child("backingStore") {
            let no_network = |_: &_| {
                Err(Error::new(
                    Kind::WrongState,
                    format!("disk '{target}' cannot be given a layer on the network"),
                ))
            };
            let text = chain(&no_network, &disk.backing, &target, &indent_of(backing))?;
            edits.replace(backing.whole(), text);
        }
    }
    if let (Some(lineage), Some(node)) = (lineage, lineage::find(domain)) {
        edits.replace(node.whole(), lineage::write(lineage, &indent_of(node))?);
    }
    Ok(edits.apply(document.text()))
}

/// Has a disk, or a layer of one, be this file.
pub(super) fn to_file(edits: &mut Edits, node: Node<'_, '_>, source: Node<'_, '_>, path: &str) {
    if source.get("volume").is_some() {
        edits.set(node, "type", "file");
        edits.unset(source, "volume");
        edits.unset(source, "pool");
    }
    edits.set(source, "file", path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DiskSource, ImageFormat};

    const XML: &str = "<domain type='qemu'>\n  <name>a</name>\n  <devices>\n    <disk type='file'>\n      \
        <source file='/a'/>\n      <backingStore type='file'>\n        <format type='raw'/>\n        \
        <source file='/b'/>\n        <backingStore/>\n      </backingStore>\n      \
        <target dev='vda'/>\n    </disk>\n    <disk type='file'>\n      <source file='/c'/>\n      \
        <target dev='vdb'/>\n    </disk>\n  </devices>\n</domain>\n";

    #[test]
    fn a_chain_is_replaced_and_one_that_is_not_told_stays_so() {
        let layer = BackingLayer {
            source: DiskSource::File("/n".into()),
            format: ImageFormat::Qcow2,
            keep_owner: true,
        };
        let all = |backing: &[BackingLayer]| {
            ["vda", "vdb"].map(|target| Rechained {
                target: target.parse().unwrap(),
                image: None,
                backing: backing.to_vec(),
            })
        };
        let alone = rechained(XML, &all(&[]), None).unwrap();
        let facts = read::read(&alone).unwrap();
        assert!(facts.disks[0].declared.is_empty() && facts.disks[0].declared_whole);
        assert!(!facts.disks[1].declared_whole);
        let other = rechained(XML, &all(std::slice::from_ref(&layer)), None).unwrap();
        let facts = read::read(&other).unwrap();
        assert_eq!(facts.disks[0].declared[0].source, layer.source);
        assert!(facts.disks[1].declared.is_empty());
        assert_eq!(rechained(XML, &[], None).unwrap(), XML);
    }

    #[test]
    fn a_disk_becomes_another_image_in_another_format() {
        let volume = "<source pool='p' volume='a'/>";
        let xml = XML
            .replace(
                "<source file='/a'/>",
                &format!("<driver type='qcow2'/>{volume}"),
            )
            .replacen("type='file'", "type='volume'", 1);
        let disk = Rechained {
            target: "vda".parse().unwrap(),
            image: Some(("/b & c".into(), ImageFormat::Raw)),
            backing: Vec::new(),
        };
        let new = rechained(&xml, std::slice::from_ref(&disk), None).unwrap();
        let facts = read::read(&new).unwrap();
        assert_eq!(facts.disks[0].source, DiskSource::File("/b & c".into()));
        assert_eq!(facts.disks[0].format, ImageFormat::Raw);
        assert!(facts.disks[0].declared.is_empty() && facts.disks[0].declared_whole);
        assert_eq!(facts.disks[1].source, DiskSource::File("/c".into()));
        // Without a driver nobody knows what to change.
        assert!(rechained(XML, &[disk], None).is_err());
    }
}
