//! Where a clone came from, as an element of its own in `<metadata>`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{self, Error, Kind};
use crate::model::{
    BaseIdentity, BaseRecord, CloneMode, FileId, ImageFormat, Lineage, LineageDisk, Reservation,
};
use crate::xml::escape::{escaped, is_xml_char, path_text, shown};
use crate::xml::span::Node;

/// The XML namespace of `<vmkin:clone>`. Its number changes when an older
/// vmkin would misread what a newer one writes.
pub const LINEAGE_NAMESPACE: &str = "urn:vmkin-clone:1";

/// The lineage element of a domain, if it has one.
pub(super) fn find<'d, 'a>(domain: Node<'d, 'a>) -> Option<Node<'d, 'a>> {
    all(domain).next()
}

/// All lineage elements of a domain. Libvirt keeps one for each namespace, but
/// a file that a user gives may have more.
pub(super) fn all<'d, 'a>(domain: Node<'d, 'a>) -> impl Iterator<Item = Node<'d, 'a>> {
    domain
        .child("metadata")
        .into_iter()
        .flat_map(Node::children)
        .filter(|node| has_name(*node, "clone"))
}

/// Whether this is what a lineage says of an image below an overlay.
pub(super) fn is_base(node: Node<'_, '_>) -> bool {
    has_name(node, "base")
}

fn has_name(node: Node<'_, '_>, name: &str) -> bool {
    // The prefix is whatever the document says it is.
    node.name()
        .rsplit_once(':')
        .is_some_and(|(_, local)| local == name)
        && node.namespace() == Some(LINEAGE_NAMESPACE)
}

/// Reads a lineage element. The error is one line that says what is missing.
pub(super) fn read(clone: Node<'_, '_>) -> Result<Lineage, String> {
    let golden = children(clone, "golden")
        .next()
        .ok_or("the lineage has no golden domain")?;
    Ok(Lineage {
        golden_name: get(golden, "name")?.to_owned(),
        golden_uuid: parsed::<Uuid>(golden, "uuid")?,
        time: get(clone, "time")?.to_owned(),
        mode: match get(clone, "mode")? {
            "linked" => CloneMode::Linked,
            "full" => CloneMode::Full,
            other => {
                return Err(format!(
                    "the lineage has the unknown mode '{}'",
                    shown(other)
                ));
            }
        },
        disks: children(clone, "disk")
            .map(disk)
            .collect::<Result<_, _>>()?,
        files: children(clone, "file")
            .map(|file| get(file, "path").map(PathBuf::from))
            .collect::<Result<_, _>>()?,
        reservations: children(clone, "reservation")
            .map(reservation)
            .collect::<Result<_, _>>()?,
    })
}

fn disk(node: Node<'_, '_>) -> Result<LineageDisk, String> {
    Ok(LineageDisk {
        target: parsed(node, "target")?,
        path: get(node, "path")?.into(),
        bases: children(node, "base").map(base).collect::<Result<_, _>>()?,
        export: children(node, "export")
            .next()
            .map(|export| get(export, "uri").map(str::to_owned))
            .transpose()?,
    })
}

fn reservation(node: Node<'_, '_>) -> Result<Reservation, String> {
    Ok(Reservation {
        network: get(node, "network")?.to_owned(),
        mac: parsed(node, "mac")?,
        ip: parsed(node, "ip")?,
        name: get(node, "name")?.to_owned(),
    })
}

fn base(node: Node<'_, '_>) -> Result<BaseRecord, String> {
    Ok(BaseRecord {
        path: get(node, "path")?.into(),
        format: parsed::<ImageFormat>(node, "format")?,
        identity: BaseIdentity {
            file: FileId {
                device: parsed(node, "device")?,
                inode: parsed(node, "inode")?,
            },
            size: parsed(node, "size")?,
            mtime_ns: parsed(node, "mtime-ns")?,
            ctime_ns: parsed(node, "ctime-ns")?,
            head_sha256: get(node, "head-sha256")?.to_owned(),
        },
    })
}

fn children<'d, 'a>(node: Node<'d, 'a>, name: &str) -> impl Iterator<Item = Node<'d, 'a>> {
    node.children().filter(move |child| has_name(*child, name))
}

fn get<'d>(node: Node<'d, '_>, name: &str) -> Result<&'d str, String> {
    node.get(name)
        .ok_or_else(|| format!("the lineage has a <{}> without '{name}'", node.name()))
}

fn parsed<T: std::str::FromStr>(node: Node<'_, '_>, name: &str) -> Result<T, String> {
    let text = get(node, name)?;
    text.parse().map_err(|_| {
        format!(
            "the lineage has a <{}> with the {name} '{}', which cannot be",
            node.name(),
            shown(text)
        )
    })
}

/// Writes a lineage element whose lines begin with `indent`, a line break and
/// white space (or nothing, to have it all on one line).
pub(super) fn write(lineage: &Lineage, indent: &str) -> error::Result<String> {
    let one = if indent.is_empty() {
        String::new()
    } else {
        format!("{indent}  ")
    };
    let two = if indent.is_empty() {
        String::new()
    } else {
        format!("{indent}    ")
    };
    let mut out = String::with_capacity(512);
    let Lineage {
        golden_name,
        golden_uuid,
        time,
        mode,
        disks,
        files,
        reservations,
    } = lineage;
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<vmkin:clone xmlns:vmkin='{LINEAGE_NAMESPACE}' mode='{}' time='{}'>\
         {one}<vmkin:golden name='{}' uuid='{golden_uuid}'/>",
        mode.as_str(),
        value(time)?,
        value(golden_name)?,
    );
    for disk in disks {
        let _ = write!(
            out,
            "{one}<vmkin:disk target='{}' path='{}'",
            disk.target,
            path(&disk.path)?
        );
        let LineageDisk { bases, export, .. } = disk;
        if bases.is_empty() && export.is_none() {
            out.push_str("/>");
            continue;
        }
        out.push('>');
        for BaseRecord {
            path: base,
            format,
            identity,
        } in bases
        {
            let _ = write!(
                out,
                "{two}<vmkin:base path='{}' format='{format}' device='{}' inode='{}' size='{}' \
                 mtime-ns='{}' ctime-ns='{}' head-sha256='{}'/>",
                path(base)?,
                identity.file.device,
                identity.file.inode,
                identity.size,
                identity.mtime_ns,
                identity.ctime_ns,
                value(&identity.head_sha256)?,
            );
        }
        if let Some(uri) = export {
            let _ = write!(out, "{two}<vmkin:export uri='{}'/>", value(uri)?);
        }
        let _ = write!(out, "{one}</vmkin:disk>");
    }
    for file in files {
        let _ = write!(out, "{one}<vmkin:file path='{}'/>", path(file)?);
    }
    for Reservation {
        network,
        mac,
        ip,
        name,
    } in reservations
    {
        let _ = write!(
            out,
            "{one}<vmkin:reservation network='{}' mac='{mac}' ip='{ip}' name='{}'/>",
            value(network)?,
            value(name)?,
        );
    }
    let _ = write!(out, "{indent}</vmkin:clone>");
    Ok(out)
}

fn path(path: &Path) -> error::Result<Cow<'_, str>> {
    path_text(path).map(escaped)
}

/// A text that is not a path; names that libvirt accepts may have tabs.
fn value(text: &str) -> error::Result<Cow<'_, str>> {
    if text.chars().all(is_xml_char) {
        Ok(escaped(text))
    } else {
        Err(Error::new(
            Kind::Usage,
            format!("{text:?} cannot be put into domain XML: it has a control character"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xml::span::Document;

    fn any_disk() -> impl Strategy<Value = LineageDisk> {
        let path = "/[ -~é]{0,20}";
        let numbers = any::<(u64, u64, u64, i64, i64)>();
        let base =
            (path, numbers, "[0-9a-f]{0,64}").prop_map(|(path, n, head_sha256)| BaseRecord {
                path: path.into(),
                format: ImageFormat::Raw,
                identity: BaseIdentity {
                    file: FileId {
                        device: n.0,
                        inode: n.1,
                    },
                    size: n.2,
                    mtime_ns: n.3,
                    ctime_ns: n.4,
                    head_sha256,
                },
            });
        let uri = prop::option::of("nbd://[ -~]{1,20}");
        (
            "[a-z]{2}[0-9]{1,3}",
            path,
            prop::collection::vec(base, 0..3),
            uri,
        )
            .prop_map(|(target, path, bases, export)| LineageDisk {
                target: target.parse().unwrap(),
                path: path.into(),
                bases,
                export,
            })
    }

    fn any_reservation() -> impl Strategy<Value = Reservation> {
        let text = "[ -~\\tß]{1,20}";
        (text, any::<[u8; 3]>(), any::<u32>(), text).prop_map(|(network, mac, ip, name)| {
            Reservation {
                network,
                mac: crate::model::Mac::kvm(mac),
                ip: ip.into(),
                name,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            golden_name in "[ -~\\t\\n\\r\u{80}-\u{2fff}]{1,20}",
            golden_uuid in any::<u128>(),
            linked in any::<bool>(),
            disks in prop::collection::vec(any_disk(), 0..4),
            files in prop::collection::vec("/[ -~]{0,20}", 0..3),
            reservations in prop::collection::vec(any_reservation(), 0..3),
            indent in "|\n|\n  ",
        ) {
            let lineage = Lineage {
                golden_name,
                golden_uuid: Uuid::from_u128(golden_uuid),
                time: "2026-03-04T05:06:07Z".to_owned(),
                mode: if linked { CloneMode::Linked } else { CloneMode::Full },
                disks,
                files: files.into_iter().map(PathBuf::from).collect(),
                reservations,
            };
            let element = write(&lineage, &indent).unwrap();
            let xml = format!("<domain><metadata>{element}</metadata></domain>");
            let document = Document::parse(&xml, "domain").unwrap();
            let found = find(document.root().unwrap()).unwrap();
            prop_assert_eq!(read(found).unwrap(), lineage);
        }
    }

    #[test]
    fn a_name_that_xml_cannot_hold_is_refused() {
        let lineage = Lineage {
            golden_name: "a\u{1b}b".to_owned(),
            golden_uuid: Uuid::nil(),
            time: String::new(),
            mode: CloneMode::Full,
            disks: Vec::new(),
            files: Vec::new(),
            reservations: Vec::new(),
        };
        assert_eq!(write(&lineage, "").unwrap_err().kind(), Kind::Usage);
    }
}
