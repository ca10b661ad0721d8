//! Snapshots of domains, and the names of new ones.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;

/// The longest name a new snapshot may have, in bytes. Libvirt makes a file
/// name of it and fails late over 255; QEMU cuts it off there.
const MAX_LEN: usize = 120;

/// What the names of the snapshots begin with that are taken to be able to go
/// back, and are gone when a command is done.
pub const UNDO_PREFIX: &str = "vmkin-undo-";

/// A name for a new snapshot.
///
/// Libvirt accepts it, QEMU finds the snapshot by it and no other one, and a
/// terminal can show it. Snapshots that are there already may have stranger
/// names; those are plain strings.
///
/// ```
/// use vmkin::model::SnapshotName;
///
/// let name: SnapshotName = "before the update & after".parse()?;
/// assert_eq!(name.as_str(), "before the update & after");
/// assert!("a/b".parse::<SnapshotName>().is_err());
/// // QEMU would take it for the id of a snapshot.
/// assert!("1".parse::<SnapshotName>().is_err());
/// # Ok::<(), vmkin::model::InvalidSnapshotName>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SnapshotName(String);

impl SnapshotName {
    /// Returns the name as libvirt and QEMU spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SnapshotName {
    type Err = InvalidSnapshotName;

    fn from_str(s: &str) -> Result<Self, InvalidSnapshotName> {
        use InvalidSnapshotName as Invalid;
        let Some(first) = s.chars().next() else {
            return Err(Invalid::Empty);
        };
        // What XML cannot hold, what a terminal obeys, and what turns the
        // direction of the text round.
        let forbidden = |c: char| {
            c == '/'
                || c.is_control()
                || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}' | '\u{fffe}'..='\u{ffff}')
        };
        if let Some(bad) = s.chars().find(|c| forbidden(*c)) {
            return Err(Invalid::Forbidden(bad));
        }
        if matches!(first, '.' | '-') || first.is_whitespace() {
            return Err(Invalid::FirstCharacter(first));
        }
        if s.ends_with(char::is_whitespace) {
            return Err(Invalid::EndsWithSpace);
        }
        if s.len() > MAX_LEN {
            return Err(Invalid::TooLong(s.len()));
        }
        if s.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::LooksLikeId);
        }
        if s.starts_with(UNDO_PREFIX) {
            return Err(Invalid::Reserved);
        }
        Ok(Self(s.to_owned()))
    }
}

/// Why a string cannot be the name of a new snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidSnapshotName {
    /// The string has no characters.
    Empty,
    /// The string has a character that is not allowed anywhere.
    Forbidden(char),
    /// The string begins with a character that is not allowed there.
    FirstCharacter(char),
    /// The string ends with a space.
    EndsWithSpace,
    /// The string has this many bytes, which is too many.
    TooLong(usize),
    /// Only digits: QEMU, and libvirt with it, would rather take it for an id.
    LooksLikeId,
    /// It begins as the names of this program's own snapshots do.
    Reserved,
}

impl fmt::Display for InvalidSnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a snapshot name cannot be empty"),
            Self::Forbidden(c) => write!(f, "a snapshot name cannot contain {c:?}"),
            Self::FirstCharacter(c) => write!(f, "a snapshot name cannot begin with {c:?}"),
            Self::EndsWithSpace => f.write_str("a snapshot name cannot end with a space"),
            Self::TooLong(n) => write!(
                f,
                "a snapshot name cannot have more than {MAX_LEN} bytes, and this has {n}"
            ),
            Self::LooksLikeId => f.write_str(
                "a snapshot name cannot be digits only: QEMU would take it for the id of another",
            ),
            Self::Reserved => write!(
                f,
                "a snapshot name cannot begin with '{UNDO_PREFIX}': those come and go by themselves"
            ),
        }
    }
}

impl std::error::Error for InvalidSnapshotName {}

/// Where a snapshot keeps something.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// Nowhere: it is not part of the snapshot.
    No,
    /// In the image of a disk.
    Internal,
    /// In a file of its own; of a disk, what was written before stays where it
    /// was, and the guest goes on in a new overlay.
    External,
    /// Somewhere that others look after.
    Manual,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::No => "no",
            Self::Internal => "internal",
            Self::External => "external",
            Self::Manual => "manual",
        })
    }
}

/// A snapshot as libvirt has it on record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedSnapshot {
    /// Its name: any text that libvirt accepts.
    pub name: String,
    /// What somebody had to say about it.
    pub description: Option<String>,
    /// The snapshot that was the current one when it was made.
    pub parent: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The state of the guest at that time, in libvirt's words.
    pub state: String,
    /// Where the memory is.
    pub memory: Kept,
    /// The disks that libvirt lists, by their targets.
    pub disks: Vec<RecordedDisk>,
}

impl RecordedSnapshot {
    /// Where all that it has of disks and memory is; `None` if some is here
    /// and some there.
    pub fn place(&self) -> Option<Kept> {
        let all = self.disks.iter().map(|disk| disk.kept);
        let mut places = all.chain([self.memory]).filter(|kept| *kept != Kept::No);
        let first = places.next().unwrap_or(Kept::No);
        places.all(|kept| kept == first).then_some(first)
    }
}

/// A disk of a snapshot as libvirt has it on record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedDisk {
    /// Its name in the domain.
    pub target: String,
    /// Where its contents are.
    pub kept: Kept,
    /// The overlay that the guest went on in, of an external one.
    pub overlay: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_safe_everywhere_pass() {
        let long = "\u{e4}".repeat(60);
        for good in [
            "a",
            "before update",
            "<x>&\"'",
            "a,b",
            "\u{e4}\u{4e2d}",
            "1a",
            "s1:2",
            "%n",
            &long,
        ] {
            assert_eq!(good.parse::<SnapshotName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a/b",
            ".",
            "..",
            ".hidden",
            "-lead",
            " lead",
            "trail ",
            "a\nb",
            "a\tb",
            "a\u{1b}[2J",
            "a\0b",
            "a\u{202e}b",
            "a\u{ffff}",
            "a\u{85}b",
            "123",
            "vmkin-undo-1",
            &"\u{e4}".repeat(61),
        ] {
            assert!(bad.parse::<SnapshotName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_snapshot_is_somewhere_or_in_several_places() {
        let disk = |kept| RecordedDisk {
            target: "vda".to_owned(),
            kept,
            overlay: None,
        };
        let place = |memory, disks: &[Kept]| {
            let snapshot = RecordedSnapshot {
                name: "s".to_owned(),
                description: None,
                parent: None,
                created: 0,
                state: "shutoff".to_owned(),
                memory,
                disks: disks.iter().copied().map(disk).collect(),
            };
            snapshot.place()
        };
        use Kept::*;
        assert_eq!(place(No, &[Internal, No, Internal]), Some(Internal));
        assert_eq!(place(External, &[External]), Some(External));
        assert_eq!(place(External, &[Internal]), None);
        assert_eq!(place(No, &[]), Some(No));
    }
}
