//! Storage pool XML.

use std::path::PathBuf;

use super::span::Document;
use crate::error::Result;

/// The kinds of pool whose volumes are files in one directory.
const DIRECTORIES: [&str; 3] = ["dir", "fs", "netfs"];

/// The directory of a pool, if it is of a kind that has one.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no pool XML.
pub fn directory(xml: &str) -> Result<Option<PathBuf>> {
    let document = Document::parse(xml, "pool")?;
    let Some(pool) = document.root() else {
        return Ok(None);
    };
    if !pool
        .get("type")
        .is_some_and(|kind| DIRECTORIES.contains(&kind))
    {
        return Ok(None);
    }
    let path = pool.at(&["target", "path"]);
    Ok(path.map(|path| PathBuf::from(path.text().trim())))
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
        assert!(directory("<network/>").is_err());
    }
}
