//! Which templates of domains there are: those that vmkin ships, the host's,
//! and the user's own.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::engine::{Escape, Template};
use crate::error::{Error, Kind, Result};
use crate::model::{config_dirs, nearest};

/// What the files of templates end with.
const SUFFIX: &str = ".xml.hbs";

/// A template's file is read up to this many bytes, and refused if it has more.
const MAX_FILE: u64 = 1 << 20;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/domain/", $name, ".xml.hbs")))),+]
    };
}

const SHIPPED: &[(&str, &str)] = shipped!["server", "desktop", "minimal", "lean", "windows"];

/// What every template can include.
const PARTS: &[(&str, &str)] = shipped![
    "parts/identity",
    "parts/resources",
    "parts/os",
    "parts/features",
    "parts/cpu",
    "parts/clock",
    "parts/events",
    "parts/disks",
    "parts/interfaces",
    "parts/console",
    "parts/agent",
    "parts/graphics",
    "parts/tpm",
    "parts/rng",
];

/// A template of a domain.
#[derive(Clone, Debug, Serialize)]
pub struct DomainTemplate {
    /// Its name, or its path if it was given by that.
    pub name: String,
    /// Where it is; `None` if vmkin ships it.
    pub path: Option<PathBuf>,
    /// What it is for, in one line.
    pub summary: String,
    /// The options that it wants to be given unless the user gives others, such
    /// as `memory` and `4G`.
    pub defaults: Vec<(String, String)>,
    #[serde(skip)]
    text: String,
}

impl DomainTemplate {
    fn new(name: &str, path: Option<PathBuf>, text: &str) -> Self {
        let mut template = Self {
            name: name.to_owned(),
            path,
            summary: String::new(),
            defaults: Vec::new(),
            text: text.to_owned(),
        };
        for line in text.lines().map_while(comment) {
            let option = line
                .strip_prefix("default ")
                .and_then(|rest| rest.split_once('='));
            match option {
                Some((option, value)) => template
                    .defaults
                    .push((option.trim().to_owned(), value.trim().to_owned())),
                None if template.summary.is_empty() => line.clone_into(&mut template.summary),
                None => {}
            }
        }
        template
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its text, or a part that it can include, speaks of this word.
    pub fn mentions(&self, word: &str) -> bool {
        let is_there = |text: &str| {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .any(|part| part == word)
        };
        is_there(&self.text) || PARTS.iter().any(|(_, text)| is_there(text))
    }

    /// The XML that it makes of these values.
    ///
    /// # Errors
    ///
    /// Those of [`Template::render`].
    pub fn render(&self, values: &impl Serialize) -> Result<String> {
        let parts: Vec<(&str, &str)> = PARTS
            .iter()
            .map(|(name, text)| (name.strip_prefix("parts/").unwrap_or(name), *text))
            .collect();
        Template {
            name: &self.name,
            text: &self.text,
            partials: &parts,
            escape: Escape::Xml,
        }
        .render(values)
    }
}

/// What a line that is one comment says.
fn comment(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix("{{!--")?.strip_suffix("--}}")?;
    Some(inner.trim())
}

/// All templates by name: a user's own hides the host's of the same name, and
/// that the one that vmkin ships.
///
/// # Errors
///
/// If a directory or a template in it cannot be read.
pub fn all() -> Result<Vec<DomainTemplate>> {
    all_in(&directories())
}

/// The template of this name; a path if there is a slash in it.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is none, with the nearest names.
pub fn find(name: &str) -> Result<DomainTemplate> {
    if name.contains('/') {
        return read(name, Path::new(name));
    }
    find_in(&directories(), name)
}

fn find_in(dirs: &[PathBuf], name: &str) -> Result<DomainTemplate> {
    let all = all_in(dirs)?;
    if let Some(found) = all.iter().find(|template| template.name == name) {
        return Ok(found.clone());
    }
    let error = Error::new(Kind::NotFound, format!("there is no template '{name}'"));
    let near = nearest(name, all.iter().map(|template| template.name.as_str()), 3);
    Err(if Path::new(name).exists() {
        error.hint(format!("a file is named by a path: `--template ./{name}`"))
    } else if near.is_empty() {
        error.hint("see which there are: `vmkin template list`")
    } else {
        error.hint(format!("did you mean {}?", near.join(", ")))
    })
}

/// Where templates are looked for; what comes later hides what comes earlier.
fn directories() -> Vec<PathBuf> {
    let dirs = config_dirs();
    dirs.iter().map(|dir| dir.join("templates")).collect()
}

fn all_in(dirs: &[PathBuf]) -> Result<Vec<DomainTemplate>> {
    let mut all: Vec<DomainTemplate> = SHIPPED
        .iter()
        .map(|(name, text)| DomainTemplate::new(name, None, text))
        .collect();
    for dir in dirs {
        for path in files_in(dir)? {
            let file = path.file_name().and_then(|name| name.to_str());
            let Some(name) = file.and_then(|file| file.strip_suffix(SUFFIX)) else {
                continue;
            };
            let template = read(name, &path)?;
            all.retain(|known| known.name != template.name);
            all.push(template);
        }
    }
    Ok(all)
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |e| Error::io(format!("cannot list {}", dir.display()), e);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(cannot(e)),
    };
    let mut files = entries
        .map(|entry| Ok(entry.map_err(cannot)?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn read(name: &str, path: &Path) -> Result<DomainTemplate> {
    let mut text = String::new();
    // `/dev/zero` has no end.
    let length = fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|e| {
            let kind = e.kind();
            let error = Error::io(format!("cannot read the template {}", path.display()), e);
            match kind {
                ErrorKind::IsADirectory | ErrorKind::InvalidData => error.with_kind(Kind::Usage),
                _ => error,
            }
        })?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE) {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "the template {} is larger than {MAX_FILE} bytes",
                path.display()
            ),
        ));
    }
    Ok(DomainTemplate::new(name, Some(path.to_owned()), &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_that_is_shipped_says_what_it_is_for() {
        let all = all_in(&[]).unwrap();
        assert_eq!(all.len(), SHIPPED.len());
        for template in all {
            assert!(!template.summary.is_empty(), "{}", template.name);
            assert!(template.mentions("memory_kib"), "{}", template.name);
            assert!(!template.mentions("memory_kibi"));
        }
        let desktop = find_in(&[], "desktop").unwrap();
        let memory = ("memory".to_owned(), "4G".to_owned());
        assert!(desktop.defaults.contains(&memory));
    }

    #[test]
    fn a_users_own_hides_one_of_the_same_name() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("server.xml.hbs", "{{!-- Mine --}}\n<domain/>");
        write("lab.xml.hbs", "<domain/>");
        write("lab.xml.hbs~", "<domain/>");
        let dirs = [dir.path().to_owned(), dir.path().join("none")];
        let server = find_in(&dirs, "server").unwrap();
        assert_eq!(server.summary, "Mine");
        assert_eq!(all_in(&dirs).unwrap().len(), SHIPPED.len() + 1);
        assert!(find_in(&dirs, "lab").unwrap().path.is_some());
        let error = find_in(&dirs, "sever").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.hints()[0].contains("server"), "{:?}", error.hints());
        write("bad.xml.hbs", &"x".repeat(2 << 20));
        assert_eq!(all_in(&dirs).unwrap_err().kind(), Kind::Usage);
    }
}
