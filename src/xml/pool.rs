//! Storage pool XML.

use std::path::PathBuf;

use super::span::Document;
use super::volume::bytes;
use crate::error::Result;
use crate::model::PoolFacts;

/// The kinds of pool whose volumes are files in one directory.
const DIRECTORIES: [&str; 3] = ["dir", "fs", "netfs"];

/// The directory of a pool, if it is of a kind that has one.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no pool XML.
pub fn directory(xml: &str) -> Result<Option<PathBuf>> {
    read(xml).map(|facts| facts.directory)
}

/// What the XML of a pool says.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no pool XML.
pub fn read(xml: &str) -> Result<PoolFacts> {
    let document = Document::parse(xml, "pool")?;
    let pool = document.root();
    let kind = pool.and_then(|pool| pool.get("type")).unwrap_or_default();
    let target = pool.and_then(|pool| pool.at(&["target", "path"]));
    let target = target.map(|path| PathBuf::from(path.text().trim()));
    let name = pool.and_then(|pool| pool.at(&["source", "name"]));
    let bytes = |name| pool.and_then(|pool| pool.child(name)).and_then(bytes);
    Ok(PoolFacts {
        kind: kind.to_owned(),
        directory: target.clone().filter(|_| DIRECTORIES.contains(&kind)),
        place: match kind {
            // Of Ceph, paths are names of images in its pools.
            "rbd" => name.map(|name| PathBuf::from(name.text().trim())),
            "logical" => target,
            _ => target.filter(|_| DIRECTORIES.contains(&kind)),
        },
        capacity: bytes("capacity").unwrap_or(0),
        available: bytes("available").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pools_of_files_have_a_directory() {
        let xml = "<pool type='dir'><name>a</name><source/><target>\n\
                   <path>/a&amp;b</path></target></pool>";
        assert_eq!(directory(xml).unwrap(), Some(PathBuf::from("/a&b")));
        let logical = xml.replace("'dir'", "'logical'");
        assert_eq!(directory(&logical).unwrap(), None);
        let room = "<capacity unit='bytes'>8192</capacity><available unit='bytes'>4096</available>";
        let facts = read(&logical.replace("<source/>", room)).unwrap();
        assert_eq!((facts.kind.as_str(), facts.capacity), ("logical", 8192));
        assert_eq!(facts.available, 4096);
        assert_eq!(facts.place, Some(PathBuf::from("/a&b")));
        let rbd = xml.replace("'dir'", "'rbd'");
        assert_eq!(read(&rbd).unwrap().place, None);
        let named = rbd.replace("<source/>", "<source><name>ceph</name></source>");
        let facts = read(&named).unwrap();
        assert_eq!(facts.place, Some(PathBuf::from("ceph")));
        assert_eq!(facts.directory, None);
        assert_eq!(read(&xml.replace("'dir'", "'zfs'")).unwrap().place, None);
        assert!(directory("<network/>").is_err());
    }
}
