//! A file system in memory, for tests of what is above.

use crate::error::Result;
use crate::guest::native::fs::{
    Entry, FileKind, FileSystem, FsKind, Health, Links, Node, Stat, Time, Usage, Xattr,
};

/// What each node is.
pub(crate) struct Fake(pub(crate) Vec<What>);

pub(crate) enum What {
    Dir(&'static [(&'static [u8], u64)]),
    File(&'static [u8]),
    Link(&'static [u8]),
}

impl Fake {
    fn at(&self, node: Node) -> &What {
        &self.0[usize::try_from(node.0).unwrap()]
    }
}

impl FileSystem for Fake {
    fn kind(&self) -> FsKind {
        FsKind::Ext
    }
    fn uuid(&self) -> Option<String> {
        None
    }
    fn label(&self) -> Option<Vec<u8>> {
        None
    }
    fn health(&self) -> Health {
        Health::Clean
    }
    fn root(&self) -> Node {
        Node(0)
    }
    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        let entries = self.entries(dir)?;
        let mut found = entries.iter().filter(|entry| entry.name == name);
        Ok(found.next().map(|entry| entry.node))
    }
    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let What::Dir(entries) = self.at(dir) else {
            panic!("not a directory");
        };
        let entries = entries.iter().map(|(name, node)| Entry {
            name: name.to_vec(),
            node: Node(*node),
        });
        Ok(entries.collect())
    }
    fn stat(&self, node: Node) -> Result<Stat> {
        let (kind, size) = match self.at(node) {
            What::Dir(_) => (FileKind::Directory, 0),
            What::File(text) => (FileKind::File, text.len()),
            What::Link(target) => (FileKind::Link, target.len()),
        };
        Ok(Stat {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: size as u64,
            links: Some(Links {
                inode: node.0,
                count: 2,
            }),
            accessed: Time::default(),
            modified: Time {
                seconds: 1_000_000,
                nanoseconds: 5,
            },
            changed: None,
        })
    }
    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let What::File(text) = self.at(node) else {
            panic!("not a file");
        };
        let offset = usize::try_from(offset).unwrap();
        let rest = &text[text.len().min(offset)..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let What::Link(target) = self.at(node) else {
            panic!("not a link");
        };
        Ok(target.to_vec())
    }
    fn xattrs(&self, _: Node) -> Result<Option<Vec<Xattr>>> {
        Ok(None)
    }
    fn usage(&self) -> Result<Usage> {
        Ok(Usage::default())
    }
}
