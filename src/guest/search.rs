//! Looking for files, and for lines in files.

use regex::bytes::Regex;

use crate::error::Result;
use crate::guest::native::fs::FileKind;
use crate::guest::tree::{Place, Tree};
use crate::model::Glob;

/// How much of a file is in memory at once; a longer line is cut into pieces.
const PIECE: usize = 1 << 20;

/// How many lines of one guest are kept.
const MAX_FOUND: usize = 100_000;

/// A line that was looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The file.
    pub path: Vec<u8>,
    /// The number of the line, from 1 on.
    pub number: u64,
    /// The line, without its end.
    pub line: Vec<u8>,
}

/// Looks for lines in a file, or in all files below a directory if `recursive`.
/// Files that hold a NUL byte are no text, and left out.
///
/// # Errors
///
/// [`Kind::WrongState`](crate::error::Kind::WrongState) if it is a directory and
/// not `recursive`; those of [`Tree`].
pub fn grep(
    tree: &Tree,
    start: &Place,
    what: &Regex,
    recursive: bool,
    found: &mut Vec<Found>,
) -> Result<()> {
    if !recursive {
        crate::guest::tree::must_be_a_file(start, &tree.stat(start)?)?;
    }
    tree.visit(start, &mut |place, stat, _| {
        if stat.kind == FileKind::File && found.len() < MAX_FOUND {
            lines(tree, place, what, found)?;
        }
        Ok(found.len() < MAX_FOUND)
    })
}

fn lines(tree: &Tree, place: &Place, what: &Regex, found: &mut Vec<Found>) -> Result<()> {
    let before = found.len();
    let mut number = 0_u64;
    let mut look = |line: &[u8], found: &mut Vec<Found>| {
        number = number.saturating_add(1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if what.is_match(line) && found.len() < MAX_FOUND {
            found.push(Found {
                path: place.path.clone(),
                number,
                line: line.to_vec(),
            });
        }
    };
    let mut buf = vec![0; PIECE];
    let mut kept = 0;
    let mut offset = 0_u64;
    loop {
        let count = match buf.get_mut(kept..) {
            Some(rest) if !rest.is_empty() => tree.read(place, offset, rest)?,
            _ => 0,
        };
        offset = offset.saturating_add(count as u64);
        let filled = kept.saturating_add(count);
        let bytes = buf.get(..filled).unwrap_or_default();
        if bytes.contains(&0) {
            found.truncate(before);
            return Ok(());
        }
        let whole = bytes.iter().rposition(|&byte| byte == b'\n');
        let Some(end) = whole else {
            // One line that fills the buffer, or the last one without an end.
            if filled > 0 && (count == 0 || filled == PIECE) {
                look(bytes, found);
                kept = 0;
                if count > 0 {
                    continue;
                }
            }
            if count == 0 {
                return Ok(());
            }
            kept = filled;
            continue;
        };
        let (lines, rest) = bytes.split_at(end);
        for line in lines.split(|&byte| byte == b'\n') {
            look(line, found);
        }
        let rest = rest.get(1..).unwrap_or_default().to_vec();
        kept = rest.len();
        if let Some(front) = buf.get_mut(..kept) {
            front.copy_from_slice(&rest);
        }
    }
}

/// Which files are looked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// How they are named.
    pub name: Option<Glob>,
    /// What they are.
    pub kind: Option<FileKind>,
    /// Bits of the mode that all must be set.
    pub mode: u16,
    /// Whose they are.
    pub uid: Option<u32>,
    /// How long they are at least, in bytes.
    pub min_size: u64,
}

/// Looks for files below a directory.
///
/// # Errors
///
/// Those of [`Tree`].
pub fn find(tree: &Tree, start: &Place, wanted: &Wanted, found: &mut Vec<Vec<u8>>) -> Result<()> {
    tree.visit(start, &mut |place, stat, _| {
        let name = place.path.rsplit(|&byte| byte == b'/').next();
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        let fits = wanted.name.as_ref().is_none_or(|glob| glob.matches(&name))
            && wanted.kind.is_none_or(|kind| kind == stat.kind)
            && stat.mode & wanted.mode == wanted.mode
            && wanted.uid.is_none_or(|uid| uid == stat.uid)
            && stat.size >= wanted.min_size;
        if fits {
            found.push(place.path.clone());
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::guest::native::fs::Node;
    use crate::guest::tree::fake::{Fake, What};

    fn tree() -> Tree {
        let nodes = vec![
            What::Dir(&[(b"a", 1), (b"b", 2), (b"c.conf", 3), (b"d", 4)]),
            What::File(b"one\ntwo three\r\n\nthree"),
            What::File(b"three\0"),
            What::File(b""),
            What::Link(b"a"),
        ];
        Tree::new("/dev/sda".to_owned(), Rc::new(Fake(nodes)), Node(0))
    }

    #[test]
    fn lines_are_found_with_their_numbers() {
        let tree = tree();
        let root = tree.find(b"/").unwrap();
        let mut found = Vec::new();
        let what = Regex::new("^t?.*three$").unwrap();
        grep(&tree, &root, &what, true, &mut found).unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|one| {
                format!(
                    "{} {} {}",
                    one.path.escape_ascii(),
                    one.number,
                    one.line.escape_ascii()
                )
            })
            .collect();
        assert_eq!(found, ["/a 2 two three", "/a 4 three"]);
        let error = grep(&tree, &root, &what, false, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::WrongState);
    }

    #[test]
    fn files_are_found_by_what_they_are() {
        let tree = tree();
        let root = tree.find(b"/").unwrap();
        let find = |wanted: &Wanted| {
            let mut found = Vec::new();
            super::find(&tree, &root, wanted, &mut found).unwrap();
            String::from_utf8(found.join(&b' ')).unwrap()
        };
        assert_eq!(find(&Wanted::default()), "/ /a /b /c.conf /d");
        let named = Wanted {
            name: Some("*.conf".parse().unwrap()),
            ..Wanted::default()
        };
        assert_eq!(find(&named), "/c.conf");
        let links = Wanted {
            kind: Some(FileKind::Link),
            ..Wanted::default()
        };
        assert_eq!(find(&links), "/d");
        let long = Wanted {
            min_size: 7,
            mode: 0o1,
            uid: Some(0),
            ..Wanted::default()
        };
        assert_eq!(find(&long), "/a");
    }
}
