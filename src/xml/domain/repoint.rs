//! Domain XML of a domain whose images have other places, or another chain.

use std::path::{Path, PathBuf};

use super::rechain::to_file;
use super::{lineage, read};
use crate::error::Result;
use crate::model::BaseIdentity;
use crate::xml::escape::path_text;
use crate::xml::span::{Document, Node};
use crate::xml::splice::Edits;

/// An image that has another place, or another look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repoint {
    /// The paths that the XML may have it by.
    pub from: Vec<PathBuf>,
    /// The volumes that it was, as pool and name.
    pub volumes: Vec<(String, String)>,
    /// Where it is.
    pub to: PathBuf,
    /// What it looks like there, if that is another look than the lineage of
    /// a clone has.
    pub identity: Option<BaseIdentity>,
}

impl Repoint {
    fn is_from(&self, path: Option<&str>) -> bool {
        path.is_some_and(|path| self.from.iter().any(|from| from == Path::new(path)))
    }

    fn is_volume(&self, source: Node<'_, '_>) -> bool {
        let (pool, volume) = (source.get("pool"), source.get("volume"));
        let mut all = self.volumes.iter();
        all.any(|(p, v)| pool == Some(p) && volume == Some(v))
    }
}

/// The same domain on images that have other places: its disks, what it declares
/// below them, and what its lineage says of them.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if the XML is malformed, or a path
/// cannot be written in it.
pub fn repointed(xml: &str, images: &[Repoint]) -> Result<String> {
    let document = Document::parse(xml, "domain")?;
    let domain = read::root(&document)?;
    let mut edits = Edits::default();
    repoint_domain(&mut edits, domain, images)?;
    Ok(edits.apply(document.text()))
}

/// The disks of a domain, and its lineage.
pub(in crate::xml) fn repoint_domain(
    edits: &mut Edits,
    domain: Node<'_, '_>,
    images: &[Repoint],
) -> Result<()> {
    let disks = domain.child("devices").into_iter();
    for disk in disks.flat_map(|devices| devices.all("disk")) {
        repoint_disk(edits, disk, images)?;
    }
    for clone in lineage::all(domain) {
        for base in clone.subtree().filter(|node| lineage::is_base(*node)) {
            record(edits, base, images)?;
        }
    }
    Ok(())
}

/// Where a disk is, and each of the layers that are declared below it.
pub(in crate::xml) fn repoint_disk(
    edits: &mut Edits,
    disk: Node<'_, '_>,
    images: &[Repoint],
) -> Result<()> {
    let mut holder = Some(disk);
    while let Some(node) = holder {
        if let Some(source) = node.child("source") {
            for image in images {
                let to = path_text(&image.to)?;
                if image.is_from(source.get("file")) {
                    edits.set(source, "file", to);
                } else if image.is_volume(source) {
                    to_file(edits, node, source, to);
                }
            }
        }
        holder = node.child("backingStore");
    }
    Ok(())
}

/// What a lineage says of one image.
fn record(edits: &mut Edits, base: Node<'_, '_>, images: &[Repoint]) -> Result<()> {
    for image in images
        .iter()
        .filter(|image| image.is_from(base.get("path")))
    {
        edits.set(base, "path", path_text(&image.to)?);
        if let Some(identity) = &image.identity {
            edits.set(base, "device", &identity.file.device.to_string());
            edits.set(base, "inode", &identity.file.inode.to_string());
            edits.set(base, "size", &identity.size.to_string());
            edits.set(base, "mtime-ns", &identity.mtime_ns.to_string());
            edits.set(base, "ctime-ns", &identity.ctime_ns.to_string());
            edits.set(base, "head-sha256", &identity.head_sha256);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DiskSource, FileId};

    const XML: &str = "<domain type='qemu'>\n  <name>a</name>\n  <metadata>\n    \
        <o:x xmlns:o='urn:o' path='/old/b'/>\n    \
        <vmkin:clone xmlns:vmkin='urn:vmkin-clone:1' mode='linked' time='t'>\n      \
        <vmkin:golden name='g' uuid='00000000-0000-4000-8000-000000000001'/>\n      \
        <vmkin:disk target='vda' path='/a'><vmkin:base path='/old/b' format='raw' device='1' \
        inode='2' size='3' mtime-ns='4' ctime-ns='5' head-sha256='aa'/></vmkin:disk>\n    \
        </vmkin:clone>\n  </metadata>\n  <devices>\n    <disk type='file'>\n      \
        <source file='/a'/>\n      <backingStore type='file'>\n        <format type='raw'/>\n        \
        <source file='/old/b'/>\n        <backingStore/>\n      </backingStore>\n      \
        <target dev='vda'/>\n    </disk>\n    <disk type='volume'>\n      \
        <source pool='p' volume='b'/>\n      <target dev='vdb'/>\n    </disk>\n  </devices>\n\
        </domain>\n";

    #[test]
    fn all_that_speaks_of_an_image_follows_it_and_nothing_else_changes() {
        let identity = BaseIdentity {
            file: FileId {
                device: 9,
                inode: 8,
            },
            size: 3,
            mtime_ns: 7,
            ctime_ns: 6,
            head_sha256: "bb".to_owned(),
        };
        let image = Repoint {
            from: vec!["/old/b".into()],
            volumes: vec![("p".to_owned(), "b".to_owned())],
            to: "/new/b & c".into(),
            identity: Some(identity.clone()),
        };
        let new = repointed(XML, std::slice::from_ref(&image)).unwrap();
        let facts = read::read(&new).unwrap();
        let base = &facts.lineage.unwrap().disks[0].bases[0];
        assert_eq!(base.path, Path::new("/new/b & c"));
        assert_eq!(base.identity, identity);
        let file = DiskSource::File("/new/b & c".into());
        assert_eq!(facts.disks[0].source, DiskSource::File("/a".into()));
        assert_eq!(facts.disks[0].declared[0].source, file);
        assert!(facts.disks[0].declared_whole);
        assert_eq!(facts.disks[1].source, file);
        assert!(
            new.contains("<o:x xmlns:o='urn:o' path='/old/b'/>"),
            "{new}"
        );
        assert_eq!(repointed(&new, &[image]).unwrap(), new);
        assert_eq!(repointed(XML, &[]).unwrap(), XML);
    }
}
