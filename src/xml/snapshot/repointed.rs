//! What is on record of a snapshot whose images have other places.

use super::super::domain::{Repoint, repoint_disk, repoint_domain};
use super::super::span::Document;
use super::super::splice::Edits;
use super::root;
use crate::error::Result;

/// The same snapshot of images that have other places: in what the domain was then,
/// and in what it is of.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no snapshot XML, or a path
/// cannot be written in it.
pub fn repointed(xml: &str, images: &[Repoint]) -> Result<String> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    let mut edits = Edits::default();
    for name in ["domain", "inactiveDomain"] {
        for domain in root.all(name) {
            repoint_domain(&mut edits, domain, images)?;
        }
    }
    for name in ["disks", "revertDisks"] {
        for disk in root.all(name).flat_map(|list| list.all("disk")) {
            repoint_disk(&mut edits, disk, images)?;
        }
    }
    Ok(edits.apply(document.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_snapshot_names_follows_and_nothing_else_changes() {
        let domain = "<name>d</name><metadata><vmkin:clone xmlns:vmkin='urn:vmkin-clone:1' \
                      mode='linked' time='t'><vmkin:disk target='vda' path='/a'><vmkin:base \
                      path='/old/b' format='raw' device='1' inode='2' size='3' mtime-ns='4' \
                      ctime-ns='5' head-sha256='aa'/></vmkin:disk></vmkin:clone></metadata>\
                      <devices><disk type='file'><source file='/a'/><backingStore type='file'>\
                      <source file='/old/b'/></backingStore><target dev='vda'/></disk></devices>";
        let xml = format!(
            "<domainsnapshot><name>/old/b</name><disks><disk name='vda' snapshot='external' \
             type='file'><source file='/old/b'/></disk></disks><revertDisks><disk name='vda' \
             type='file'><source file='/old/b'/></disk></revertDisks><domain>{domain}</domain>\
             <inactiveDomain>{domain}</inactiveDomain></domainsnapshot>"
        );
        let image = Repoint {
            from: vec!["/old/b".into()],
            volumes: Vec::new(),
            to: "/new & b".into(),
            identity: None,
        };
        let new = repointed(&xml, std::slice::from_ref(&image)).unwrap();
        let wanted = xml.replace("'/old/b'", "'/new &amp; b'");
        assert_eq!(new, wanted);
        assert_eq!(repointed(&new, &[image]).unwrap(), new);
    }
}
