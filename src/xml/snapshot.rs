//! Snapshot XML: what libvirt has on record of a snapshot, and what is put on
//! record of a new one (libvirt, `docs/formatsnapshot.rst`).

pub mod asked;
mod repointed;
mod running;

use std::collections::HashSet;
use std::path::PathBuf;

use super::escape::{escaped, is_xml_char, shown};
use super::span::{Document, Node};
use super::splice::Edits;
use crate::error::{Error, Kind, Result};
use crate::model::{DiskTarget, Kept, RecordedDisk, RecordedSnapshot, SecretText};

pub use self::repointed::repointed;
pub use self::running::definitions;

/// Reads what libvirt has on record of a snapshot.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no snapshot XML, or libvirt has found another way
/// to keep one.
pub fn read(xml: &str) -> Result<RecordedSnapshot> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    let text = |path: &[&str]| {
        let node = root.at(path)?;
        Some(node.text().into_owned()).filter(|text| !text.is_empty())
    };
    let name = text(&["name"]).ok_or_else(|| bad("it has no <name>"))?;
    let created = text(&["creationTime"]).unwrap_or_default();
    let created = created.trim().parse().unwrap_or(0);
    let memory = root.child("memory").and_then(|node| node.get("snapshot"));
    let disks = root.child("disks").into_iter();
    Ok(RecordedSnapshot {
        name,
        description: text(&["description"]),
        parent: text(&["parent", "name"]),
        created,
        state: text(&["state"]).unwrap_or_default(),
        memory: memory.map_or(Ok(Kept::No), kept)?,
        disks: disks
            .flat_map(|disks| disks.all("disk"))
            .map(disk)
            .collect::<Result<_>>()?,
    })
}

/// The definition of the domain that is on record with a snapshot: what it has
/// when it starts from there.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no snapshot XML.
pub fn definition(xml: &str) -> Result<Option<&str>> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    // Of a running guest: what it would have been after a restart.
    let stored = root
        .child("inactiveDomain")
        .or_else(|| root.child("domain"));
    let Some(node) = stored.filter(|node| node.is("domain")) else {
        return Ok(None);
    };
    Ok(document.text().get(node.whole()))
}

/// What the domain was when a snapshot was made: of a running guest, what it was
/// at that moment, and not what it would have been after a restart.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no snapshot XML.
pub fn domain_then(xml: &str) -> Result<Option<&str>> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let node = root(&document)?.child("domain");
    Ok(node.and_then(|node| document.text().get(node.whole())))
}

/// Whether two definitions say the same, the one in a snapshot indented deeper.
pub fn same_definition(one: &str, other: &str) -> bool {
    trimmed(one).eq(trimmed(other))
}

/// A definition in which the disks that have no part in a snapshot are marked
/// so. Libvirt keeps no internal snapshot of a disk that could be written to
/// and is not in it, unless the definition says that this is meant.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no domain XML.
pub fn marked(definition: &str, disks: &[RecordedDisk]) -> Result<String> {
    let document = Document::parse(definition, "domain")?;
    let mut edits = Edits::default();
    let devices = document.root().and_then(|domain| domain.child("devices"));
    for disk in devices.into_iter().flat_map(|devices| devices.all("disk")) {
        let target = disk.child("target").and_then(|target| target.get("dev"));
        let mut left_out = disks.iter().filter(|disk| disk.kept == Kept::No);
        let meant = left_out.any(|left| Some(left.target.as_str()) == target);
        if meant && disk.child("readonly").is_none() && disk.get("snapshot").is_none() {
            edits.set(disk, "snapshot", "no");
        }
    }
    Ok(edits.apply(document.text()))
}

fn trimmed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A snapshot of a domain that is shut off, to be put on record.
#[derive(Clone, Debug)]
pub struct NewRecord<'a> {
    /// What it is called, when it was made and of which disks.
    pub snapshot: &'a RecordedSnapshot,
    /// What the domain is, with its secrets: it goes back to this.
    pub definition: &'a SecretText,
}

impl NewRecord<'_> {
    /// The XML for it.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if a text cannot be put into XML.
    pub fn document(&self) -> Result<SecretText> {
        let RecordedSnapshot {
            name,
            description,
            parent,
            created,
            state,
            memory,
            disks,
        } = self.snapshot;
        let mut xml = format!("<domainsnapshot>\n  <name>{}</name>\n", written(name)?);
        if let Some(description) = description {
            let text = written(description)?;
            xml.push_str(&format!("  <description>{text}</description>\n"));
        }
        xml.push_str(&format!(
            "  <state>{}</state>\n  <creationTime>{created}</creationTime>\n",
            written(state)?
        ));
        if let Some(parent) = parent {
            let name = written(parent)?;
            xml.push_str(&format!(
                "  <parent>\n    <name>{name}</name>\n  </parent>\n"
            ));
        }
        xml.push_str(&format!("  <memory snapshot='{memory}'/>\n  <disks>\n"));
        for disk in disks {
            let target = written(&disk.target)?;
            xml.push_str(&format!(
                "    <disk name='{target}' snapshot='{}'/>\n",
                disk.kept
            ));
        }
        xml.push_str("  </disks>\n");
        xml.push_str(&marked(self.definition.expose(), disks)?);
        xml.push_str("\n</domainsnapshot>\n");
        Ok(SecretText::from(xml))
    }
}

/// A snapshot in new overlays, for libvirt to make.
#[derive(Clone, Copy, Debug)]
pub struct NewOverlays<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What somebody has to say about it.
    pub description: Option<&'a str>,
    /// The disks, and where each goes on.
    pub overlays: &'a [NewOverlay],
    /// The disks that have no part in it.
    pub left_out: &'a [DiskTarget],
}

/// Where a disk goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewOverlay {
    /// The disk.
    pub target: DiskTarget,
    /// The overlay, which is made.
    pub path: PathBuf,
}

impl NewOverlays<'_> {
    /// The XML for it.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if a text or a path cannot be put into XML.
    pub fn document(&self) -> Result<String> {
        let mut xml = format!("<domainsnapshot>\n  <name>{}</name>\n", written(self.name)?);
        if let Some(description) = self.description {
            let text = written(description)?;
            xml.push_str(&format!("  <description>{text}</description>\n"));
        }
        xml.push_str("  <memory snapshot='no'/>\n  <disks>\n");
        for overlay in self.overlays {
            let path = overlay.path.to_str().ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!("{:?} cannot be put into snapshot XML", overlay.path),
                )
            })?;
            xml.push_str(&format!(
                "    <disk name='{}' snapshot='external' type='file'>\n      <driver \
                 type='qcow2'/>\n      <source file='{}'/>\n    </disk>\n",
                written(overlay.target.as_str())?,
                written(path)?
            ));
        }
        for target in self.left_out {
            let target = written(target.as_str())?;
            xml.push_str(&format!("    <disk name='{target}' snapshot='no'/>\n"));
        }
        xml.push_str("  </disks>\n</domainsnapshot>\n");
        Ok(xml)
    }
}

/// The overlays of a snapshot that libvirt has on record, with their disks: in
/// which the guest went on when it was made, and when it last went back to it.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no snapshot XML.
pub fn overlays(xml: &str) -> Result<Vec<(String, PathBuf)>> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    let lists = root.all("disks").chain(root.all("revertDisks"));
    let disks = lists.flat_map(|list| list.all("disk")).map(disk);
    let mut found = Vec::new();
    for disk in disks {
        let RecordedDisk {
            target, overlay, ..
        } = disk?;
        found.extend(overlay.map(|overlay| (target, overlay)));
    }
    Ok(found)
}

/// The overlays that libvirt takes a domain to write to whose current snapshot
/// this is: it removes them when the domain goes back to one.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no snapshot XML.
pub fn current_overlays(xml: &str) -> Result<Vec<PathBuf>> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    let list = root.child("revertDisks").or_else(|| root.child("disks"));
    let disks = list.into_iter().flat_map(|list| list.all("disk"));
    let mut found = Vec::new();
    for node in disks {
        found.extend(disk(node)?.overlay);
    }
    Ok(found)
}

/// All values of attributes in what is on record of a snapshot: the files that it
/// names are among them, wherever it does.
///
/// # Errors
///
/// [`Kind::Usage`] if it is malformed.
pub fn values(xml: &str) -> Result<HashSet<String>> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let nodes = root(&document)?.subtree();
    let values = nodes.flat_map(|node| node.attributes().iter().map(|a| a.value.to_string()));
    Ok(values.collect())
}

fn written(text: &str) -> Result<std::borrow::Cow<'_, str>> {
    if text.chars().all(is_xml_char) {
        return Ok(escaped(text));
    }
    Err(Error::new(
        Kind::Usage,
        format!("{text:?} cannot be put into snapshot XML"),
    ))
}

fn root<'d, 'a>(document: &'d Document<'a>) -> Result<Node<'d, 'a>> {
    document.root().ok_or_else(|| bad("it is empty"))
}

fn bad(why: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("the snapshot XML cannot be used: {why}"),
    )
}

fn disk(node: Node<'_, '_>) -> Result<RecordedDisk> {
    let target = node.get("name").unwrap_or_default().to_owned();
    let source = node.child("source");
    let source = source.and_then(|source| source.get("file").or(source.get("dev")));
    let kept = match node.get("snapshot") {
        Some(word) => kept(word)?,
        // Libvirt takes one with a source for an external one.
        None if source.is_some() => Kept::External,
        None => Kept::No,
    };
    Ok(RecordedDisk {
        target,
        kept,
        overlay: source.map(PathBuf::from),
    })
}

fn kept(word: &str) -> Result<Kept> {
    Ok(match word {
        "no" => Kept::No,
        "internal" => Kept::Internal,
        "external" => Kept::External,
        "manual" => Kept::Manual,
        other => return Err(bad(&format!("'{}' is not known", shown(other)))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str =
        "<domain type='qemu'>\n  <name>d</name>\n  <graphics passwd='p'/>\n</domain>";

    fn snapshot() -> RecordedSnapshot {
        let disk = |target: &str, kept| RecordedDisk {
            target: target.to_owned(),
            kept,
            overlay: None,
        };
        RecordedSnapshot {
            name: "a <b> & 'c'\n".to_owned(),
            description: Some("why \"not\"?".to_owned()),
            parent: Some("p&p".to_owned()),
            created: 1_700_000_000,
            state: "shutoff".to_owned(),
            memory: Kept::No,
            disks: vec![disk("vda", Kept::Internal), disk("sda", Kept::No)],
        }
    }

    #[test]
    fn what_is_put_on_record_is_read_back() {
        let definition = SecretText::from(DOMAIN.to_owned());
        let snapshot = snapshot();
        let record = NewRecord {
            snapshot: &snapshot,
            definition: &definition,
        };
        let xml = record.document().unwrap();
        assert_eq!(read(xml.expose()).unwrap(), snapshot);
        let kept = super::definition(xml.expose()).unwrap();
        assert_eq!(kept, Some(DOMAIN));
        let odd = RecordedSnapshot {
            name: "a\u{1}".to_owned(),
            ..snapshot
        };
        let record = NewRecord {
            snapshot: &odd,
            definition: &definition,
        };
        assert!(record.document().is_err());
    }

    #[test]
    fn snapshots_of_others_are_read() {
        let xml = "<domainsnapshot><name>m</name><state>running</state>\
             <creationTime>5</creationTime><memory snapshot='external' file='/m'/>\
             <disks><disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>\
             <source file='/a.m'/></disk><disk name='vdb' snapshot='manual'/></disks>\
             <domain><name>now</name></domain><inactiveDomain><name>next</name></inactiveDomain>\
             </domainsnapshot>";
        let snapshot = read(xml).unwrap();
        assert_eq!(snapshot.memory, Kept::External);
        assert_eq!(snapshot.disks[0].overlay, Some(PathBuf::from("/a.m")));
        assert_eq!(snapshot.disks[1].kept, Kept::Manual);
        assert_eq!(snapshot.place(), None);
        // Not a <domain>: it cannot be defined as it stands.
        assert_eq!(definition(xml).unwrap(), None);
        let then = domain_then(xml).unwrap();
        assert_eq!(then, Some("<domain><name>now</name></domain>"));
        assert!(read("<domainsnapshot/>").is_err());
        assert!(read(&xml.replace("'manual'", "'elsewhere'")).is_err());
    }

    #[test]
    fn new_overlays_are_read_back() {
        let overlays = [NewOverlay {
            target: "vda".parse().unwrap(),
            path: PathBuf::from("/a/<b> & 'c'.s"),
        }];
        let new = NewOverlays {
            name: "s & t",
            description: Some("<why>"),
            overlays: &overlays,
            left_out: &["sda".parse().unwrap()],
        };
        let xml = new.document().unwrap();
        let snapshot = read(&xml).unwrap();
        assert_eq!(snapshot.name, "s & t");
        assert_eq!(snapshot.description.as_deref(), Some("<why>"));
        assert_eq!(snapshot.place(), Some(Kept::External));
        assert_eq!(snapshot.disks[1].kept, Kept::No);
        let back = "<revertDisks><disk name='vda' snapshot='external'><source file='/r'/></disk>\
                    </revertDisks></domainsnapshot>";
        assert_eq!(current_overlays(&xml).unwrap(), [overlays[0].path.clone()]);
        let xml = xml.replace("</domainsnapshot>", back);
        assert_eq!(current_overlays(&xml).unwrap(), [PathBuf::from("/r")]);
        let found = super::overlays(&xml).unwrap();
        let paths = found
            .iter()
            .map(|(target, path)| (target.as_str(), path.as_path()));
        let wanted = [overlays[0].path.as_path(), std::path::Path::new("/r")];
        assert!(paths.eq(wanted.map(|path| ("vda", path))));
    }

    #[test]
    fn disks_without_a_part_are_marked() {
        let disk = |attribute: &str, target: &str, more: &str| {
            format!("<disk type='file'{attribute}><target dev='{target}'/>{more}</disk>")
        };
        let domain = |vdb: &str| {
            let disks = [
                disk("", "vda", ""),
                disk(vdb, "vdb", "<shareable/>"),
                disk("", "sda", "<readonly/>"),
                disk(" snapshot='external'", "vdc", ""),
            ];
            format!("<domain><devices>{}</devices></domain>", disks.concat())
        };
        let part = |target: &str, kept| RecordedDisk {
            target: target.to_owned(),
            kept,
            overlay: None,
        };
        let mut disks = vec![part("vda", Kept::Internal)];
        disks.extend(["vdb", "sda", "vdc"].map(|target| part(target, Kept::No)));
        let result = marked(&domain(""), &disks).unwrap();
        assert_eq!(result, domain(" snapshot='no'"));
        assert_eq!(marked(&result, &disks).unwrap(), result);
    }

    #[test]
    fn indentation_makes_no_other_definition() {
        let deeper =
            "  <domain type='qemu'>\n    <name>d</name>\n    <graphics passwd='p'/>\n  </domain>\n";
        assert!(same_definition(DOMAIN, deeper));
        assert!(!same_definition(DOMAIN, &deeper.replace("'p'", "'q'")));
    }
}
