//! What must be true of every file system, whoever reads it.

use std::collections::HashSet;

use super::guarded::guarded;
use super::{Entry, FileSystem, FsKind, Health, Node, Stat, Usage, Xattr};
use crate::error::{Error, Kind, Result};

/// How many names a directory may have. The largest that are seen in practice,
/// mail spools and caches, have some hundred thousand.
pub const MAX_ENTRIES: usize = 4_000_000;

/// How long a symbolic link may be: no path is longer.
const MAX_LINK: usize = 4096;

/// Whether bytes can be the name of a directory entry. A kernel gives out no
/// others, so that whoever reads a directory relies on it.
pub fn name_is_sound(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= 255
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// A file system whose answers are looked at.
pub(super) struct Checked {
    inner: Box<dyn FileSystem>,
}

impl Checked {
    pub(super) fn new(inner: Box<dyn FileSystem>) -> Self {
        Self { inner }
    }
}

impl FileSystem for Checked {
    fn kind(&self) -> FsKind {
        self.inner.kind()
    }

    fn uuid(&self) -> Option<String> {
        self.inner.uuid()
    }

    fn label(&self) -> Option<Vec<u8>> {
        self.inner.label().filter(|label| !label.is_empty())
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn root(&self) -> Node {
        self.inner.root()
    }

    fn root_for(&self, options: &str) -> Result<Option<Node>> {
        guarded(|| self.inner.root_for(options))
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        // No sound directory has it.
        if !name_is_sound(name) {
            return Ok(None);
        }
        guarded(|| self.inner.lookup(dir, name))
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let entries = guarded(|| self.inner.entries(dir))?;
        all_sound(&entries)?;
        Ok(entries)
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        let stat = guarded(|| self.inner.stat(node))?;
        // Nothing that can be stored is longer, and offsets are signed.
        if i64::try_from(stat.size).is_err() {
            return Err(damaged("a file is longer than any can be"));
        }
        Ok(stat)
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let most = buf.len();
        let count = guarded(|| self.inner.read(node, offset, buf))?;
        Ok(count.min(most))
    }

    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let target = guarded(|| self.inner.link(node))?;
        if target.is_empty() || target.len() > MAX_LINK || target.contains(&0) {
            return Err(damaged("a symbolic link leads to what is no path"));
        }
        Ok(target)
    }

    fn xattrs(&self, node: Node) -> Result<Option<Vec<Xattr>>> {
        guarded(|| self.inner.xattrs(node))
    }

    fn usage(&self) -> Result<Usage> {
        guarded(|| self.inner.usage())
    }
}

fn all_sound(entries: &[Entry]) -> Result<()> {
    if entries.len() > MAX_ENTRIES {
        return Err(damaged("a directory has millions of entries"));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    for entry in entries {
        if !name_is_sound(&entry.name) {
            return Err(damaged(&format!(
                "a directory has an entry named '{}'",
                entry.name.escape_ascii()
            )));
        }
        if !seen.insert(entry.name.as_slice()) {
            return Err(damaged(&format!(
                "a directory has two entries named '{}'",
                entry.name.escape_ascii()
            )));
        }
    }
    Ok(())
}

/// The error for a file system that is not as it must be.
pub(super) fn damaged(what: &str) -> Error {
    Error::new(Kind::Unsafe, format!("the file system is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_not_names() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", &[b'x'; 256]] {
            assert!(!name_is_sound(name), "{}", name.escape_ascii());
        }
        for name in [&b"a"[..], b"...", b"..a", b"\xff\x1b", &[b'x'; 255]] {
            assert!(name_is_sound(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_name_that_comes_twice_is_damage() {
        let entry = |name: &[u8]| Entry {
            name: name.to_vec(),
            node: Node(1),
        };
        assert!(all_sound(&[entry(b"a"), entry(b"b")]).is_ok());
        for names in [[&b"a"[..], b"a"], [b"a", b".."]] {
            let error = all_sound(&names.map(entry)).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsafe);
        }
    }
}
