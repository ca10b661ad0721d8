//! Looking at everything in a file system.

use std::sync::Arc;

use vmkin::guest::native::Blocks;
use vmkin::guest::native::fs::{FileKind, FileSystem, FsKind, Node, Opened, open};

/// How many files are looked at: in a damaged file system there may be no end.
const ENOUGH: usize = 300;

/// Opens a file system and reads it. What is read in one piece is what is read
/// in many; and a name that is listed is found, where names are in one place.
pub fn look_at_all(kind: FsKind, blocks: Arc<dyn Blocks>) {
    let Ok(Opened::Ready(fs)) = open(kind, blocks) else {
        return;
    };
    let mut todo = vec![fs.root()];
    let mut seen = 0;
    while let Some(node) = todo.pop().filter(|_| seen < ENOUGH) {
        seen += 1;
        look_at(fs.as_ref(), node, &mut todo);
    }
    let _ = fs.usage();
}

fn look_at(fs: &dyn FileSystem, node: Node, todo: &mut Vec<Node>) {
    let Ok(stat) = fs.stat(node) else { return };
    match stat.kind {
        FileKind::Directory => {
            let Ok(entries) = fs.entries(node) else {
                return;
            };
            for entry in entries.into_iter().take(ENOUGH) {
                let found = fs.lookup(node, &entry.name);
                // These have names in two places, for each way of asking.
                if !matches!(fs.kind(), FsKind::Ext | FsKind::Xfs | FsKind::Btrfs) {
                    assert_eq!(found.expect("it is listed"), Some(entry.node));
                }
                todo.push(entry.node);
            }
        }
        FileKind::Link => drop(fs.link(node)),
        FileKind::File => {
            let mut whole = [0; 5000];
            let Ok(length) = fs.read(node, 0, &mut whole) else {
                return;
            };
            assert!(length as u64 <= stat.size);
            let mut at = 0;
            while at < length {
                let mut piece = [0; 700];
                let count = fs.read(node, at as u64, &mut piece).expect("it was read");
                assert!(count > 0);
                let end = length.min(at + count);
                assert_eq!(whole[at..end], piece[..end - at]);
                at += count;
            }
        }
        _ => {}
    }
}
