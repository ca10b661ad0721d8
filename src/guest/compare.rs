//! What differs between the files of two guests.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::guest::native::fs::{FileKind, Stat, Time};
use crate::guest::tree::{Place, Tree};

/// What is known of each file below a directory, by its path.
pub type Files = BTreeMap<Vec<u8>, Facts>;

/// What is compared of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    kind: FileKind,
    mode: u16,
    uid: u32,
    gid: u32,
    size: u64,
    modified: Time,
    target: Vec<u8>,
}

/// How a file differs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is only in the first guest.
    Removed,
    /// It is only in the second guest.
    Added,
    /// It is another in each.
    Changed,
}

/// A file that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Its path.
    pub path: Vec<u8>,
    /// How it differs.
    pub change: Change,
    /// What of it, if it is in both: `kind`, `mode`, `owner`, `size`,
    /// `contents`, `target`.
    pub what: Vec<&'static str>,
}

/// What is known of all files below a directory.
///
/// # Errors
///
/// Those of [`Tree`].
pub fn files(tree: &Tree, start: &Place) -> Result<Files> {
    let mut files = Files::new();
    tree.visit(start, &mut |place, stat, _| {
        files.insert(place.path.clone(), facts(tree, place, stat)?);
        Ok(true)
    })?;
    Ok(files)
}

fn facts(tree: &Tree, place: &Place, stat: &Stat) -> Result<Facts> {
    Ok(Facts {
        kind: stat.kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        // The length of a directory is the file system's own business.
        size: match stat.kind {
            FileKind::File => stat.size,
            _ => 0,
        },
        modified: stat.modified,
        target: match stat.kind {
            FileKind::Link => tree.link(place)?,
            _ => Vec::new(),
        },
    })
}

/// The files whose contents have to be compared: of the same length, and, if it
/// is to be `quick`, not of the same time.
pub fn doubtful(one: &Files, other: &Files, quick: bool) -> Vec<Vec<u8>> {
    let both = one
        .iter()
        .filter_map(|(path, facts)| Some((path, facts, other.get(path)?)));
    let doubtful = both.filter(|(_, facts, others)| {
        facts.kind == FileKind::File
            && others.kind == FileKind::File
            && facts.size == others.size
            && (!quick || facts.modified != others.modified)
    });
    doubtful.map(|(path, ..)| path.clone()).collect()
}

/// The hashes of files, in their order.
///
/// # Errors
///
/// Those of [`Tree`].
pub fn hashes(tree: &Tree, paths: &[Vec<u8>]) -> Result<Vec<[u8; 32]>> {
    let mut buf = vec![0; 1 << 20];
    let hashes = paths.iter().map(|path| {
        let place = tree.find_itself(path)?;
        let mut hasher = Sha256::new();
        let mut offset = 0_u64;
        loop {
            let count = tree.read(&place, offset, &mut buf)?;
            let bytes = buf.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(hasher.finalize().into());
            }
            hasher.update(bytes);
            offset = offset.saturating_add(count as u64);
        }
    });
    hashes.collect()
}

/// What differs. `contents` are the paths of those files whose contents do.
pub fn compare(one: &Files, other: &Files, contents: &[Vec<u8>]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |path: &Vec<u8>, change, what| {
        differences.push(Difference {
            path: path.clone(),
            change,
            what,
        });
    };
    for (path, facts) in one {
        let Some(others) = other.get(path) else {
            add(path, Change::Removed, Vec::new());
            continue;
        };
        let owner = (facts.uid, facts.gid) != (others.uid, others.gid);
        let what: Vec<&'static str> = [
            (facts.kind != others.kind, "kind"),
            (facts.mode != others.mode, "mode"),
            (owner, "owner"),
            (facts.size != others.size, "size"),
            (contents.binary_search(path).is_ok(), "contents"),
            (facts.target != others.target, "target"),
        ]
        .into_iter()
        .filter_map(|(differs, what)| differs.then_some(what))
        .collect();
        if !what.is_empty() {
            add(path, Change::Changed, what);
        }
    }
    for path in other.keys().filter(|path| !one.contains_key(*path)) {
        add(path, Change::Added, Vec::new());
    }
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    differences
}
