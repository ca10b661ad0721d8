//! A system by what the user calls it, and the list of all.

use super::database::OsInfo;
use super::inherit::Facts;
use super::nearest::{Parts, nearest};
use super::profile::{GENERIC, OsProfile};
use crate::error::{Error, Kind, Result};
use crate::xml::osinfo::OsEntry;

/// All that `--os-variant` takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listing {
    /// The systems, by name and then by version; [`GENERIC`] among them.
    pub systems: Vec<OsName>,
    /// Files of the database that had to be left out, each a sentence without
    /// a period.
    pub warnings: Vec<String>,
}

/// What a system is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OsName {
    /// Such as `debian12`, the usual one first. At least one.
    pub short_ids: Vec<String>,
    /// For people, such as `Debian 12`.
    pub name: String,
}

/// How the user names a system.
enum Wanted<'w> {
    Generic,
    Short(&'w str),
    Full(&'w str),
}

impl OsInfo {
    /// What is known of a system on a processor, such as `x86_64`.
    ///
    /// It is named by a short name (`debian12`), by its identifier
    /// (`http://debian.org/debian/12`) or in the words of `virt-install`
    /// (`name=debian12`, `id=http://…`, `generic`, `none`).
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if there is none of that name, with those that look
    /// like it; or if it is to be found out (`detect=on`, `auto`).
    pub fn find(&self, word: &str, arch: &str) -> Result<OsProfile> {
        let mut warnings = self.warnings.clone();
        let entry = match wanted(word)? {
            Wanted::Generic => return Ok(OsProfile::generic(arch)),
            Wanted::Full(id) => self.by_id(id, &mut warnings),
            Wanted::Short(short_id) => self.by_short_id(short_id, &mut warnings),
        };
        let Some(entry) = entry else {
            return Err(self.unknown(word));
        };
        let facts = Facts::of(&entry, self, &mut warnings);
        Ok(OsProfile {
            warnings,
            ..OsProfile::new(entry, &facts, arch)
        })
    }

    /// All systems, which takes some five times as long as finding one.
    pub fn all(&self) -> Listing {
        let mut warnings = self.warnings.clone();
        let mut systems: Vec<OsName> = self
            .systems()
            .filter_map(|(place, files)| files.entry(place, &mut warnings))
            .filter_map(|entry| {
                let first = entry.short_ids.first()?;
                Some(OsName {
                    name: entry.name.clone().unwrap_or_else(|| first.clone()),
                    short_ids: entry.short_ids,
                })
            })
            .collect();
        let generic = OsProfile::generic("");
        systems.push(OsName {
            short_ids: vec![generic.short_id],
            name: generic.name,
        });
        systems.sort_by_cached_key(|os| {
            let first = os.short_ids.first().cloned().unwrap_or_default();
            (Parts::of(&first).order(), first)
        });
        Listing { systems, warnings }
    }

    /// The system with this short name. Files that do not even mention it are
    /// not parsed. Should two have it, the directory that counts most decides.
    fn by_short_id(&self, short_id: &str, warnings: &mut Vec<String>) -> Option<OsEntry> {
        // There is no white space around it: libosinfo would not see it either.
        let mention = format!(">{short_id}<");
        let mut best: Option<(usize, OsEntry)> = None;
        for (place, files) in self.systems() {
            let better = best.as_ref().is_none_or(|(rank, _)| files.rank() > *rank);
            if !better || !files.mention(&mention) {
                continue;
            }
            let entry = files.entry(place, warnings);
            if let Some(entry) = entry.filter(|entry| entry.short_ids.iter().any(|s| s == short_id))
            {
                best = Some((files.rank(), entry));
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// There is no such system.
    fn unknown(&self, word: &str) -> Error {
        let mut error = Error::new(
            Kind::Usage,
            format_args!("there is no operating system '{word}' in the installed osinfo-db"),
        );
        let all = self.all();
        let names = all.systems.iter().flat_map(|os| &os.short_ids);
        let near = nearest(bare(word), names.map(String::as_str));
        if let Some((last, rest)) = near.split_last() {
            let last = format!("'{last}'");
            let rest: Vec<String> = rest.iter().map(|name| format!("'{name}'")).collect();
            let either = if rest.is_empty() {
                last
            } else {
                format!("{} or {last}", rest.join(", "))
            };
            error = error.hint(format!("take the one nearest to it: {either}"));
        }
        if let Some(date) = &self.date {
            error = error.hint(format!(
                "osinfo-db is of {date}; a newer package knows newer systems"
            ));
        }
        for warning in all.warnings {
            error = error.hint(format!("look at what cannot be read: {warning}"));
        }
        error
    }
}

/// What the user means. Words after a comma are those of `virt-install`.
fn wanted(word: &str) -> Result<Wanted<'_>> {
    let mut found = None;
    for part in word.split(',') {
        let (key, value) = part.split_once('=').unwrap_or(("name", part));
        match (key, value) {
            ("name" | "short-id", "auto") | ("detect", "on" | "yes") => {
                return Err(Error::new(
                    Kind::Usage,
                    format_args!("'{word}': the operating system must be named"),
                )
                .hint("such as `--os-variant debian12`, or `--os-variant generic`"));
            }
            ("detect" | "require", _) => {}
            ("name" | "short-id", GENERIC | "none") => found = Some(Wanted::Generic),
            ("name" | "short-id", value) if !value.contains('/') => {
                found = Some(Wanted::Short(value));
            }
            ("id" | "name" | "short-id", value) => found = Some(Wanted::Full(value)),
            _ => {
                return Err(Error::new(
                    Kind::Usage,
                    format_args!("'{word}': there is no setting '{key}' of an operating system"),
                )
                .hint("its settings are `name`, `short-id` and `id`"));
            }
        }
    }
    found.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format_args!("'{word}' names no operating system"),
        )
    })
}

/// A short name without the words around it.
fn bare(word: &str) -> &str {
    let named = |part: &'_ str| part.contains("name=") || part.contains("id=");
    let part = word.split(',').find(|part| named(part)).unwrap_or(word);
    part.split_once('=').map_or(part, |(_, value)| value)
}
