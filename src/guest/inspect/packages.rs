//! Which packages are installed.

use serde::Serialize;

use super::{Looker, rpm};
use crate::error::{Error, Kind, Result};

/// How long a database may be: what is read of it is held in memory.
const MAX_DATABASE: u64 = 24 << 20;

/// The sorts of packages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// Debian's.
    Deb,
    /// Red Hat's and SUSE's.
    Rpm,
    /// Alpine's.
    Apk,
    /// Arch's.
    Pacman,
}

/// The packages of a guest.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Packages {
    /// Of which sort they are; `None` if there are none that are known.
    pub kind: Option<PackageKind>,
    /// The program that installs them.
    pub manager: Option<&'static str>,
    /// Whether the database was read.
    pub read: bool,
    /// The packages, by name.
    pub list: Vec<Package>,
}

/// A package.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The processor that it is for.
    pub arch: Option<String>,
}

/// Fills a buffer from an offset of a database; tells how much there was.
pub(super) type Read<'a> = dyn Fn(u64, &mut [u8]) -> Result<usize> + 'a;

/// Where the database of rpm is that can be read: that of SQLite, and what there
/// was before it.
const RPM: &[&str] = &[
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
];
const RPM_BERKELEY: &str = "/var/lib/rpm/Packages";

/// Where those are that cannot: SUSE's.
const OTHER_RPM: &[&str] = &[
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/Packages.db",
];

pub(super) fn read(looker: &mut Looker<'_>) -> Packages {
    if looker.is_there("/var/lib/dpkg/status") {
        let text = looker.text("/var/lib/dpkg/status", MAX_DATABASE);
        return known(PackageKind::Deb, "apt", text.map(|text| of_dpkg(&text)));
    }
    if looker.is_there("/lib/apk/db/installed") {
        let text = looker.text("/lib/apk/db/installed", MAX_DATABASE);
        return known(PackageKind::Apk, "apk", text.map(|text| of_apk(&text)));
    }
    if looker.is_there("/var/lib/pacman/local") {
        let names = looker.names("/var/lib/pacman/local");
        let list = names.iter().filter_map(|name| of_pacman(name)).collect();
        return known(PackageKind::Pacman, "pacman", Some(list));
    }
    if let Some(list) = of_rpm(looker) {
        let managers = [
            ("/usr/bin/dnf", "dnf"),
            ("/usr/bin/zypper", "zypper"),
            ("/usr/bin/yum", "yum"),
        ];
        let manager = managers.iter().find(|(path, _)| looker.is_there(path));
        let manager = manager.map_or("rpm", |(_, name)| name);
        return known(PackageKind::Rpm, manager, list);
    }
    Packages::default()
}

fn known(kind: PackageKind, manager: &'static str, list: Option<Vec<Package>>) -> Packages {
    let read = list.is_some();
    let mut list = list.unwrap_or_default();
    list.sort();
    Packages {
        kind: Some(kind),
        manager: Some(manager),
        read,
        list,
    }
}

/// The packages of rpm; `Some(None)` if there is a database, but none that is read.
fn of_rpm(looker: &mut Looker<'_>) -> Option<Option<Vec<Package>>> {
    if let Some(path) = RPM.iter().find(|path| looker.is_there(path)) {
        let read = read_rpm(looker, path);
        return Some(looker.told(path, read));
    }
    if let Some(path) = OTHER_RPM.iter().find(|path| looker.is_there(path)) {
        let problem = format!("{path}: is of SUSE's format, which is not read");
        looker.problems.push(problem);
        return Some(None);
    }
    if !looker.is_there(RPM_BERKELEY) {
        return None;
    }
    let read = looker
        .tree
        .find(RPM_BERKELEY.as_bytes())
        .and_then(|place| rpm::read_berkeley(&|offset, buf| looker.tree.read(&place, offset, buf)));
    Some(looker.told(RPM_BERKELEY, read))
}

fn read_rpm(looker: &Looker<'_>, path: &str) -> Result<Vec<Package>> {
    // What was written last is in a file of its own until the database is closed.
    if let Some(place) = looker.tree.look(&format!("{path}-wal"))? {
        if looker.tree.stat(&place)?.size > 0 {
            return Err(Error::new(
                Kind::WrongState,
                "it was not closed: a part of it is in its write-ahead log, which is not read",
            ));
        }
    }
    let place = looker.tree.find(path.as_bytes())?;
    rpm::read(&|offset, buf| looker.tree.read(&place, offset, buf))
}

/// Paragraphs of `Field: value`, as dpkg(1) and deb822(5) have them.
fn of_dpkg(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.map(|value| value.trim().to_owned())
        };
        // "install ok half-configured" is there too, and "deinstall ok
        // config-files" is not.
        let status = field("Status")?;
        let state = status.split_whitespace().nth(2)?;
        if matches!(state, "not-installed" | "config-files") {
            return None;
        }
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            arch: field("Architecture"),
        })
    });
    paragraphs.flatten().collect()
}

/// Paragraphs of `X:value`.
fn of_apk(text: &str) -> Vec<Package> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        Some(Package {
            name: field("P:")?,
            version: field("V:")?,
            arch: field("A:"),
        })
    });
    paragraphs.flatten().collect()
}

/// A directory for each, named `name-version-release`.
fn of_pacman(name: &str) -> Option<Package> {
    let (rest, release) = name.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(Package {
        name: name.to_owned(),
        version: format!("{version}-{release}"),
        arch: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(packages: &[Package]) -> Vec<String> {
        let shown = packages.iter().map(|one| {
            let arch = one.arch.as_deref().unwrap_or("-");
            format!("{} {} {arch}", one.name, one.version)
        });
        shown.collect()
    }

    #[test]
    fn databases_are_read() {
        let dpkg = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\n\
                    Version: 5.2.15-2+b7\nDescription: a shell\n Package: not-this\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: half\nStatus: install ok half-configured\nVersion: 1:2\n\nnonsense";
        assert_eq!(
            shown(&of_dpkg(dpkg)),
            ["bash 5.2.15-2+b7 amd64", "half 1:2 -"]
        );
        let apk = "C:Q1x\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\n\nP:no-version\n";
        assert_eq!(shown(&of_apk(apk)), ["musl 1.2.4-r2 x86_64"]);
        let pacman = of_pacman("gcc-libs-13.2.1-3").unwrap();
        assert_eq!(shown(&[pacman]), ["gcc-libs 13.2.1-3 -"]);
        assert_eq!(of_pacman("ALPM_DB_VERSION"), None);
    }
}
