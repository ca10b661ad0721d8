//! The keys of guests, in a file of the host that `ssh` takes them from.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::host_keys;
use crate::error::{Error, Kind, Result};
use crate::image::{self, ImageFile, NewFile};
use crate::model::{Hostname, SshKey};
use crate::ops::write::plan::Draft;

/// How much of a file of known hosts is read.
const MAX_FILE: u64 = 64 << 20;

/// The lines for a guest: `NAMES TYPE KEY`.
///
/// # Errors
///
/// [`Kind::WrongState`] if it will have no keys, or no name but that of every
/// host.
pub(super) fn lines(draft: &Draft<'_>, host: Option<&Hostname>) -> Result<Vec<String>> {
    let Some(host) = host.filter(|host| host.short() != "localhost") else {
        return Err(Error::new(
            Kind::WrongState,
            "the guest has no host name that it could be known by",
        )
        .hint("give it one: `--hostname '{name}'`"));
    };
    let names = match host.fqdn() {
        Some(fqdn) => format!("{fqdn},{}", host.short()),
        None => host.short().to_owned(),
    };
    let mut found = Vec::new();
    for line in host_keys::public(draft)? {
        // It is a guest's word, but for those that were made here.
        let Ok(key) = line.parse::<SshKey>() else {
            continue;
        };
        let mut words = key.as_str().split_whitespace();
        if let (Some(kind), Some(key)) = (words.next(), words.next()) {
            found.push(format!("{names} {kind} {key}"));
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::new(
            Kind::WrongState,
            "the guest will have no keys of its SSH server to be known by",
        )
        .hint("make them here: `--ssh-host-keys new`")),
    }
}

/// Adds lines to a file of known hosts, which is made if it is not there. Lines
/// for the same names go. Readers see all of it or what was there before.
///
/// # Errors
///
/// If it cannot be read or written.
pub fn add(path: &Path, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let cannot = |error| Error::io(format!("cannot read {}", path.display()), error);
    // The file that a link leads to, and not the link.
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound => absolute(path)?,
        Err(error) => return Err(cannot(error)),
    };
    // Nobody else adds lines meanwhile. Not all file systems lock a directory, and
    // there the last one wins.
    let dir = real.parent().and_then(|dir| fs::File::open(dir).ok());
    let _locked = dir.filter(|dir| dir.lock().is_ok());
    let old = match fs::File::open(&real) {
        Ok(file) => {
            let mut text = Vec::new();
            let read = file.take(MAX_FILE + 1).read_to_end(&mut text);
            if read.map_err(cannot)? as u64 > MAX_FILE {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{} is longer than 64 MiB", path.display()),
                ));
            }
            Some(text)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(cannot(error)),
    };
    let text = with(old.as_deref().unwrap_or_default(), lines);
    if old.as_ref() == Some(&text) {
        return Ok(());
    }
    let new = NewFile::create(&image::temporary(&real, Uuid::new_v4(), 0))?;
    let written = fill(&new, &text, old.is_some().then_some(&*real));
    if let Err(error) = written.and_then(|()| image::put_back(new.path(), &real)) {
        new.discard();
        return Err(error);
    }
    real.parent().map_or(Ok(()), image::sync_dir)
}

fn fill(new: &NewFile, text: &[u8], like: Option<&Path>) -> Result<()> {
    let cannot = |error| Error::io("cannot write the known hosts", error);
    new.file().write_all(text).map_err(cannot)?;
    match like {
        Some(old) => new.belong_like(&ImageFile::open(old)?)?,
        None => new
            .file()
            .set_permissions(fs::Permissions::from_mode(0o644))
            .map_err(cannot)?,
    }
    new.sync()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::io(format!("cannot write {}", path.display()), error))
}

/// The text with these lines, and without others for the same names.
fn with(text: &[u8], lines: &[String]) -> Vec<u8> {
    let names = |line: &[u8]| {
        let first = line.split(|byte| byte.is_ascii_whitespace()).next();
        first.unwrap_or_default().to_vec()
    };
    let new: Vec<Vec<u8>> = lines.iter().map(|line| names(line.as_bytes())).collect();
    let one = |name: &[u8], all: &[u8]| all.split(|&byte| byte == b',').any(|own| own == name);
    let mut now = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let own = names(line);
        let replaced = new.iter().any(|new| {
            own.split(|&byte| byte == b',').all(|name| one(name, new)) && !own.is_empty()
        });
        if !replaced {
            now.extend_from_slice(line);
        }
    }
    if !now.is_empty() && !now.ends_with(b"\n") {
        now.push(b'\n');
    }
    for line in lines {
        now.extend_from_slice(line.as_bytes());
        now.push(b'\n');
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_same_names_are_replaced() {
        let lines = [
            "web.lab,web ssh-rsa B".to_owned(),
            "web.lab,web x C".to_owned(),
        ];
        let old = b"# web\nweb ssh-rsa A\nweb.lab,web ssh-rsa A\nweb,10.0.0.1 y D\n|1|x y z\n\n@revoked web x y";
        let now = with(old, &lines);
        let wanted = "# web\nweb,10.0.0.1 y D\n|1|x y z\n\n@revoked web x y\nweb.lab,web ssh-rsa B\nweb.lab,web x C\n";
        assert_eq!(String::from_utf8(now.clone()).unwrap(), wanted);
        assert_eq!(String::from_utf8(with(&now, &lines)).unwrap(), wanted);
    }

    #[test]
    fn the_file_keeps_its_mode_and_is_made_for_all_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = dir.path().join("known");
        let line = |name: &str| vec![format!("{name} x y")];
        add(&file, &line("a")).unwrap();
        assert_eq!(mode(&file), 0o644);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("known", &link).unwrap();
        add(&link, &line("b")).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "a x y\nb x y\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(add(&dir.path().join("no/where"), &line("c")).is_err());
    }

    #[test]
    fn nobody_loses_a_line_that_another_adds() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known");
        let names: Vec<String> = (0..24).map(|n| format!("host-{n}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                let file = &file;
                scope.spawn(move || add(file, &[format!("{name} x y")]).unwrap());
            }
        });
        let text = fs::read_to_string(&file).unwrap();
        for name in names {
            assert!(text.contains(&format!("{name} x y\n")), "{name}: {text}");
        }
    }
}
