//! Which operating system it is.

use serde::Serialize;

use super::{Looker, windows};

/// How much of a small file is read.
const SMALL: u64 = 64 << 10;

/// An operating system.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Os {
    /// `linux` or `windows`.
    pub kind: String,
    /// The distribution, as `os-release` names it: `debian`, `rhel`.
    pub distro: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The processor that its programs are for, as `uname -m` has it.
    pub arch: Option<String>,
    /// The name of the host.
    pub hostname: Option<String>,
}

/// Files that tell of one distribution alone, from before `os-release`.
const OLD_FILES: &[(&str, &str)] = &[
    ("/etc/centos-release", "centos"),
    ("/etc/fedora-release", "fedora"),
    ("/etc/redhat-release", "rhel"),
    ("/etc/alpine-release", "alpine"),
    ("/etc/arch-release", "arch"),
    ("/etc/gentoo-release", "gentoo"),
    ("/etc/debian_version", "debian"),
];

pub(super) fn read(looker: &mut Looker<'_>) -> Os {
    if windows::is_there(looker) {
        return windows::read(looker);
    }
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| looker.text(path, SMALL));
    let mut os = match release {
        Some(text) => of_release(&text),
        None => old(looker),
    };
    os.kind = "linux".to_owned();
    os.arch = arch(looker);
    os.hostname = hostname(looker);
    os
}

/// `os-release(5)`.
fn of_release(text: &str) -> Os {
    let value = |name: &str| {
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        found.map(unquoted).filter(|value| !value.is_empty())
    };
    Os {
        distro: value("ID"),
        name: value("PRETTY_NAME").or_else(|| value("NAME")),
        version: value("VERSION_ID").or_else(|| value("BUILD_ID")),
        ..Os::default()
    }
}

/// A value as a shell would read it, as far as `os-release` may use that.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    match (quoted('"'), quoted('\'')) {
        (Some(inner), _) => {
            let mut plain = String::new();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                plain.extend(if c == '\\' { chars.next() } else { Some(c) });
            }
            plain
        }
        (None, Some(inner)) => inner.to_owned(),
        (None, None) => value.to_owned(),
    }
}

fn old(looker: &mut Looker<'_>) -> Os {
    for (path, distro) in OLD_FILES {
        if let Some(text) = looker.text(path, SMALL) {
            let line = text.lines().next().unwrap_or_default().trim().to_owned();
            let version = line
                .split_whitespace()
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            return Os {
                distro: Some((*distro).to_owned()),
                version: version.map(str::to_owned),
                name: Some(line).filter(|line| !line.is_empty()),
                ..Os::default()
            };
        }
    }
    Os::default()
}

/// What the programs are for: the machine in the header of one of them (ELF,
/// `e_machine`).
fn arch(looker: &mut Looker<'_>) -> Option<String> {
    for path in ["/bin/sh", "/usr/bin/env", "/bin/ls", "/sbin/init"] {
        let Ok(Some(place)) = looker.tree.look(path) else {
            continue;
        };
        let mut head = [0; 20];
        // What cannot be read here is told where it is looked for.
        if !looker
            .tree
            .read(&place, 0, &mut head)
            .is_ok_and(|count| count == head.len())
        {
            continue;
        }
        let [0x7f, b'E', b'L', b'F', class, order, .., low, high] = head else {
            continue;
        };
        let machine = match order {
            2 => u16::from_be_bytes([low, high]),
            _ => u16::from_le_bytes([low, high]),
        };
        let name = match (machine, class) {
            (62, _) => "x86_64",
            (3, _) => "i686",
            (183, _) => "aarch64",
            (40, _) => "armv7l",
            (243, 2) => "riscv64",
            (22, 2) => "s390x",
            (21, _) if order == 1 => "ppc64le",
            (21, _) => "ppc64",
            (258, _) => "loongarch64",
            _ => continue,
        };
        return Some(name.to_owned());
    }
    None
}

fn hostname(looker: &mut Looker<'_>) -> Option<String> {
    for path in ["/etc/hostname", "/etc/HOSTNAME"] {
        if let Some(text) = looker.text(path, SMALL) {
            let mut lines = text.lines().map(str::trim);
            let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
            if let Some(name) = name {
                return Some(name.to_owned());
            }
        }
    }
    let text = looker.text("/etc/sysconfig/network", SMALL)?;
    let name = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("HOSTNAME="));
    name.map(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off() {
        let text = "NAME=\"Debian\\\"s\"\nID=debian\nVERSION_ID='12'\nPRETTY_NAME=\"\"\n";
        let os = of_release(text);
        assert_eq!(os.distro.as_deref(), Some("debian"));
        assert_eq!(os.version.as_deref(), Some("12"));
        assert_eq!(os.name.as_deref(), Some("Debian\"s"));
        assert_eq!(of_release("nonsense\n="), Os::default());
    }
}
