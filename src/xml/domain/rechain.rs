//! Domain XML of a domain whose disks have other layers below them.

use super::clone::{BackingLayer, chain};
use super::{lineage, read};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskTarget, Lineage};
use crate::xml::span::Document;
use crate::xml::splice::{Edits, indent_of};

/// A disk that has these layers below it, nearest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rechained {
    /// The disk in the domain.
    pub target: DiskTarget,
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
}
