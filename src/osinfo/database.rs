//! Where the files of the database are, and which of them count.
//!
//! The rules are those of libosinfo (`osinfo/osinfo_loader.c`, 1.10 and 1.13):
//!
//! * Three directories are read: the package's, the host's and the user's.
//! * The system with the identifier `http://debian.org/debian/12` is in the
//!   file `os/debian.org/debian-12.xml`, and in no other: of the identifier,
//!   the first slash is kept, and what is not a letter, a digit, `-`, `.` or
//!   `_` becomes `-`. A file at another place is ignored.
//! * The same file in a later directory replaces that of an earlier one, with
//!   its extensions. Extensions, `os/debian.org/debian-12.d/*.xml`, are added;
//!   without the file itself they are added to an earlier directory's.
//!
//! So the identifier alone leads to a file, and following what a system is
//! made of costs one file per step. Only a short name has to be searched for.
//!
//! One rule is kinder here: a file that cannot be understood is left out, with
//! a warning, and what it would have replaced counts again. Libosinfo refuses
//! the whole database for it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, Kind, Result};
use crate::xml::osinfo::{OsEntry, systems};

/// The largest file that is read, in bytes. The largest of the package has
/// 23 KiB.
const MAX_FILE: u64 = 1 << 20;

/// The installed database of operating systems.
///
/// Making one lists its files. They are read when something is asked for.
#[derive(Debug)]
pub struct OsInfo {
    /// What there is about each system, by its path below `os`, without its
    /// ending: `debian.org/debian-12`.
    systems: BTreeMap<String, Files>,
    /// Directories that could not be listed.
    pub(super) warnings: Vec<String>,
    /// The day it was made, `YYYY-MM-DD`, if the package says so.
    pub(super) date: Option<String>,
}

/// What there is about one system. Only the last layer counts, unless it
/// cannot be understood.
#[derive(Debug, Default)]
pub(super) struct Files {
    layers: Vec<Layer>,
}

/// A file and what extends it.
#[derive(Debug, Default)]
struct Layer {
    /// Which directory the file is in; a later one has a larger number.
    rank: usize,
    main: Option<PathBuf>,
    extensions: Vec<PathBuf>,
}

impl OsInfo {
    /// The database of this host and user, or `None` if there is none: the
    /// package `osinfo-db` is not installed then. It is in
    /// `/usr/share/osinfo`, `/etc/osinfo` and `$XDG_CONFIG_HOME/osinfo`, unless
    /// `OSINFO_SYSTEM_DIR`, `OSINFO_LOCAL_DIR` and `OSINFO_USER_DIR` name other
    /// places. What is in a later one replaces what is in an earlier one.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if one of them
    /// may not be read.
    pub fn installed() -> Result<Option<Self>> {
        Self::at(&directories(|name| env::var_os(name)))
    }

    /// The database in these directories, the one that counts most last;
    /// `None` if there is nothing in any of them.
    ///
    /// # Errors
    ///
    /// Those of [`Self::installed`].
    pub fn at(directories: &[PathBuf]) -> Result<Option<Self>> {
        let mut info = Self {
            systems: BTreeMap::new(),
            warnings: Vec::new(),
            date: None,
        };
        for (rank, directory) in directories.iter().enumerate() {
            let found = info.add(rank, &directory.join("os"));
            found.map_err(|error| {
                Error::io(cannot_read(directory), error).with_kind(Kind::Environment)
            })?;
            if let Ok(Some(text)) = read(&directory.join("VERSION")) {
                info.date = info.date.or_else(|| date(text.trim()));
            }
        }
        Ok((!info.systems.is_empty()).then_some(info))
    }

    /// Adds the files of one directory. Those of a system are at most one
    /// directory and one `.d` deep, so there is no loop to run into.
    fn add(&mut self, rank: usize, os: &Path) -> io::Result<()> {
        let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
        let mut take = |key: &str, path: PathBuf, extension: bool| {
            let layer = layers.entry(key.to_owned()).or_default();
            layer.rank = rank;
            if extension {
                layer.extensions.push(path);
            } else {
                layer.main = Some(path);
            }
        };
        let mut todo = vec![(os.to_owned(), String::new())];
        while let Some((directory, prefix)) = todo.pop() {
            let names = match list(&directory) {
                Ok(names) => names,
                Err(error) if prefix.is_empty() => return Err(error),
                Err(error) => {
                    let what = cannot_read(&directory);
                    self.warnings.push(format!("{what}: {error}"));
                    continue;
                }
            };
            for name in names {
                let path = directory.join(&name);
                let key = format!("{prefix}{name}");
                let inside = prefix.trim_end_matches('/').strip_suffix(".d");
                if let (Some(main), true) = (inside, name.ends_with(".xml")) {
                    take(main, path, true);
                } else if let Some(main) = key.strip_suffix(".xml") {
                    take(main, path, false);
                } else if inside.is_none()
                    && (prefix.is_empty() || name.ends_with(".d"))
                    && path.is_dir()
                {
                    todo.push((path, format!("{key}/")));
                }
            }
        }
        for (key, mut layer) in layers {
            let files = self.systems.entry(key).or_default();
            match files.layers.last_mut() {
                Some(before) if layer.main.is_none() => {
                    before.extensions.append(&mut layer.extensions);
                }
                _ => files.layers.push(layer),
            }
        }
        Ok(())
    }

    /// Every system, by its place.
    pub(super) fn systems(&self) -> impl Iterator<Item = (&str, &Files)> {
        self.systems
            .iter()
            .map(|(place, files)| (place.as_str(), files))
    }

    /// What is said of the system of this identifier, without what it
    /// inherits.
    pub(super) fn by_id(&self, id: &str, warnings: &mut Vec<String>) -> Option<OsEntry> {
        let place = place(id);
        let entry = self.systems.get(&place)?.entry(&place, warnings)?;
        (entry.id == id).then_some(entry)
    }
}

impl Files {
    /// Whether this text is in one of the files. Those that cannot be read
    /// do not have it.
    pub(super) fn mention(&self, text: &str) -> bool {
        self.layers.iter().any(|layer| {
            layer
                .files()
                .any(|path| matches!(read(path), Ok(Some(file)) if file.contains(text)))
        })
    }

    /// Which directory its file is in.
    pub(super) fn rank(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.rank)
    }

    /// What the files say, without what is inherited.
    pub(super) fn entry(&self, place: &str, warnings: &mut Vec<String>) -> Option<OsEntry> {
        for layer in self.layers.iter().rev() {
            match layer.entry(place, warnings) {
                Ok(entry) => return entry,
                Err(warning) => warn(warnings, warning),
            }
        }
        None
    }
}

impl Layer {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.main.iter().chain(&self.extensions)
    }

    /// What its files say; nothing if they are empty. Fails, with a warning,
    /// if the file itself cannot be understood; extensions are left out then.
    fn entry(
        &self,
        place: &str,
        warnings: &mut Vec<String>,
    ) -> std::result::Result<Option<OsEntry>, String> {
        let mut entries = match &self.main {
            Some(path) => parse(path, place)?,
            None => Vec::new(),
        };
        for path in &self.extensions {
            match parse(path, place) {
                Ok(more) => entries.extend(more),
                Err(warning) => warn(warnings, warning),
            }
        }
        Ok(entries.into_iter().reduce(|mut whole, entry| {
            whole.extend(entry);
            whole
        }))
    }
}

/// Says something once, though a file may be come across several times.
pub(super) fn warn(warnings: &mut Vec<String>, warning: String) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// What a file says of the system whose place this is, or why the file does
/// not count.
fn parse(path: &Path, place: &str) -> std::result::Result<Vec<OsEntry>, String> {
    let left_out = |why: String| format!("'{}' is left out: {why}", path.display());
    let text = read(path).map_err(|error| left_out(error.to_string()))?;
    let entries = match text {
        Some(text) => systems(&text).map_err(|error| left_out(error.to_string()))?,
        None => Vec::new(),
    };
    for entry in &entries {
        let right = self::place(&entry.id);
        if right != place {
            let id = &entry.id;
            return Err(left_out(format!("'{id}' must be in os/{right}.xml")));
        }
    }
    Ok(entries)
}

/// Where the system of this identifier is, below `os` and without `.xml`.
fn place(id: &str) -> String {
    let id = id.strip_prefix("http://").unwrap_or(id);
    let mut kept = false;
    id.chars()
        .map(|c| match c {
            '/' if !kept => {
                kept = true;
                c
            }
            '-' | '.' | '_' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        })
        .collect()
}

/// The names in a directory in their order, or none if it is not there. Names
/// that are no text are nobody's identifier.
fn list(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// The text of a file, or `None` if it is empty, which is how a file is put
/// out of force.
fn read(path: &Path) -> io::Result<Option<String>> {
    let refused = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut options = OpenOptions::new();
    // Opening a pipe would wait for its other end.
    options
        .read(true)
        .custom_flags(flags(OFlags::NONBLOCK | OFlags::NOCTTY));
    let file: File = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(refused("it is no regular file".to_owned()));
    }
    if metadata.len() > MAX_FILE {
        return Err(refused(format!("it has more than {} KiB", MAX_FILE >> 10)));
    }
    let mut text = String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok((!text.is_empty()).then_some(text))
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "the bits count, and the highest is not among them"
)]
fn flags(flags: OFlags) -> i32 {
    flags.bits() as i32
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read '{}'", path.display())
}

/// `20221203`, the version of the package, as a date.
fn date(version: &str) -> Option<String> {
    let digits = version.get(..8)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, day) = digits.split_at(4);
    let (month, day) = day.split_at(2);
    Some(format!("{year}-{month}-{day}"))
}

/// The directories of the database, the one that counts most last.
fn directories(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let system = set("OSINFO_SYSTEM_DIR").unwrap_or_else(|| "/usr/share/osinfo".into());
    let local = set("OSINFO_LOCAL_DIR").unwrap_or_else(|| "/etc/osinfo".into());
    let user = set("OSINFO_USER_DIR").or_else(|| {
        // As its specification has it, a relative path there is as good as none.
        let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let config = config.or_else(|| Some(set("HOME")?.join(".config")));
        Some(config?.join("osinfo"))
    });
    [Some(system), Some(local), user]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_leads_to_one_place() {
        for (id, at) in [
            ("http://debian.org/debian/12", "debian.org/debian-12"),
            ("http://microsoft.com/win/2k8r2", "microsoft.com/win-2k8r2"),
            ("http://libosinfo.org/unknown", "libosinfo.org/unknown"),
            ("http://a.org/../../etc/x", "a.org/..-..-etc-x"),
            ("urn:a", "urn-a"),
        ] {
            assert_eq!(place(id), at);
        }
    }

    #[test]
    fn the_environment_moves_the_directories() {
        let of = |set: &[(&str, &str)]| {
            let dirs = directories(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            });
            let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
            dirs.join(" ")
        };
        let home = ("HOME", "/h");
        assert_eq!(of(&[]), "/usr/share/osinfo /etc/osinfo");
        assert_eq!(
            of(&[home]),
            "/usr/share/osinfo /etc/osinfo /h/.config/osinfo"
        );
        assert_eq!(
            of(&[home, ("XDG_CONFIG_HOME", "/c"), ("OSINFO_SYSTEM_DIR", "")]),
            "/usr/share/osinfo /etc/osinfo /c/osinfo"
        );
        assert_eq!(
            of(&[home, ("XDG_CONFIG_HOME", "c")]),
            "/usr/share/osinfo /etc/osinfo /h/.config/osinfo"
        );
        let moved = [
            ("OSINFO_SYSTEM_DIR", "/1"),
            ("OSINFO_LOCAL_DIR", "/2"),
            ("OSINFO_USER_DIR", "/3"),
        ];
        assert_eq!(of(&moved), "/1 /2 /3");
    }

    #[test]
    fn only_a_date_is_one() {
        assert_eq!(date("20221203").as_deref(), Some("2022-12-03"));
        for not in ["", "2022120", "v1.2.3-4", "ünß12345"] {
            assert_eq!(date(not), None, "{not}");
        }
    }
}
