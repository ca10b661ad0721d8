//! The hosts that a user means: by their URIs, or by names of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::host_of;
use crate::model::{config_dirs, nearest};

/// What the file is called, in each directory of settings.
const FILE: &str = "hosts.toml";

/// A host that a command is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HostName {
    /// What it is called.
    pub(super) name: String,
    /// Where its libvirt is; `None` for what libvirt itself picks.
    pub(super) uri: Option<String>,
}

/// What is in the files.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostsFile {
    /// The URI of each host, by its name.
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    /// Hosts and other groups, by the name of a group.
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
}

/// The hosts that these URIs and names mean, each once, in the order in which they
/// were typed. Without any it is one, which libvirt picks.
///
/// # Errors
///
/// [`Kind::NotFound`] if a name is in no file; [`Kind::Usage`] if a file makes no
/// sense.
pub(super) fn meant(uris: &[String], names: &[String]) -> Result<Vec<HostName>> {
    let mut all: Vec<HostName> = Vec::new();
    if !names.is_empty() {
        let paths: Vec<PathBuf> = config_dirs().iter().map(|dir| dir.join(FILE)).collect();
        let known = HostsFile::read(&paths)?;
        for name in names.iter().flat_map(|names| names.split(',')) {
            known.add(name, &mut BTreeSet::new(), &mut all)?;
        }
    }
    all.extend(uris.iter().map(|uri| HostName {
        name: host_of(uri).unwrap_or(uri).to_owned(),
        uri: Some(uri.clone()),
    }));
    let mut seen = BTreeSet::new();
    all.retain(|host| seen.insert(host.uri.clone()));
    // Two daemons of one host, or two users of it.
    let short: Vec<String> = all.iter().map(|host| host.name.clone()).collect();
    for host in &mut all {
        let same = short.iter().filter(|name| **name == host.name).count();
        if let Some(uri) = host.uri.as_ref().filter(|_| same > 1) {
            host.name.clone_from(uri);
        }
    }
    if all.is_empty() {
        all.push(HostName {
            name: String::new(),
            uri: None,
        });
    }
    Ok(all)
}

impl HostsFile {
    /// Reads all that there are; what comes later hides what comes earlier.
    fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let text = match fs::read_to_string(path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::io(format!("cannot read {}", path.display()), e)),
            };
            let one = Self::parse(&text, path)?;
            all.hosts.extend(one.hosts);
            all.groups.extend(one.groups);
        }
        Ok(all)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::Usage, format!("{}: {why}", path.display())).hint(
                "its form: `[hosts]` with lines `rack1 = \"qemu+ssh://root@rack1/system\"`, and \
                 `[groups]` with lines `lab = [\"rack1\", \"rack2\"]`",
            )
        };
        let file: Self =
            toml::from_str(text).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        for name in file.hosts.keys().chain(file.groups.keys()) {
            if name.is_empty()
                || name.contains([':', ',', '/'])
                || name.contains(char::is_whitespace)
            {
                return Err(wrong(format!(
                    "a host cannot be called '{name}': `-d HOST:DOMAIN` takes it apart"
                )));
            }
        }
        if let Some(name) = file
            .hosts
            .keys()
            .find(|name| file.groups.contains_key(*name))
        {
            return Err(wrong(format!("'{name}' is a host and a group")));
        }
        Ok(file)
    }

    /// Adds what a name means; `within` are the groups that it was found in.
    fn add<'a>(
        &'a self,
        name: &'a str,
        within: &mut BTreeSet<&'a str>,
        all: &mut Vec<HostName>,
    ) -> Result<()> {
        if let Some(uri) = self.hosts.get(name) {
            all.push(HostName {
                name: name.to_owned(),
                uri: Some(uri.clone()),
            });
            return Ok(());
        }
        let Some(members) = self.groups.get(name) else {
            return Err(self.unknown(name));
        };
        // A group that is in itself adds nothing.
        if within.insert(name) {
            for member in members {
                self.add(member, within, all)?;
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(
            Kind::NotFound,
            format!("there is no host or group '{name}'"),
        );
        let known = self.hosts.keys().chain(self.groups.keys());
        let near = nearest(name, known.map(String::as_str), 3);
        if !near.is_empty() {
            return error.hint(format!("did you mean {}?", near.join(", ")));
        }
        let place = config_dirs().pop().unwrap_or_default().join(FILE);
        error.hint(format!(
            "name it in {}, under [hosts]: `{name} = \"qemu+ssh://root@{name}/system\"`; or give \
             its URI: `-c URI`",
            place.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<HostsFile> {
        HostsFile::parse(text, Path::new("hosts.toml"))
    }

    #[test]
    fn groups_hold_hosts_and_groups_and_may_be_in_a_circle() {
        let known = file(
            "[hosts]\na = 'test:///a'\nb = 'test:///b'\n\
             [groups]\nlab = ['a', 'all']\nall = ['b', 'lab']\nodd = ['c']\n",
        )
        .unwrap();
        let names = |name: &str| {
            let mut all = Vec::new();
            known.add(name, &mut BTreeSet::new(), &mut all)?;
            Ok::<_, Error>(all.into_iter().map(|host| host.name).collect::<Vec<_>>())
        };
        assert_eq!(names("lab").unwrap(), ["a", "b"]);
        assert_eq!(names("b").unwrap(), ["b"]);
        assert_eq!(names("odd").unwrap_err().kind(), Kind::NotFound);
        assert!(names("al").unwrap_err().hints()[0].contains("all"));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused() {
        for text in [
            "[hosts]\n'a:b' = 'test:///x'",
            "[hosts]\na = 'test:///x'\n[groups]\na = []",
            "[host]\na = 'test:///x'",
            "[hosts]\na = 1",
        ] {
            assert_eq!(file(text).unwrap_err().kind(), Kind::Usage, "{text}");
        }
    }

    #[test]
    fn hosts_are_called_by_the_host_of_their_uri_if_that_is_enough() {
        let names = |uris: &[&str]| -> Vec<String> {
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            let all = meant(&uris, &[]).unwrap();
            all.into_iter().map(|host| host.name).collect()
        };
        assert_eq!(
            names(&[
                "qemu+ssh://root@rack1:22/system",
                "qemu+tcp://[fd00::2]/system"
            ]),
            ["rack1", "fd00::2"]
        );
        assert_eq!(
            names(&["qemu://r/system", "qemu://r/session", "qemu://r/system"]),
            ["qemu://r/system", "qemu://r/session"]
        );
        assert_eq!(names(&["test:///default"]), ["test:///default"]);
        assert_eq!(names(&[]), [""]);
    }
}
