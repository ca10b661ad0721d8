//! The packages of rpm, from its database.
//!
//! Fedora since 33 and RHEL since 9 have it in SQLite, those before them in Berkeley
//! DB. SUSE's own format is not read.

use super::berkeley;
use super::packages::{Package, Read};
use super::sqlite::{self, Value};
use crate::error::{Error, Kind, Result};
use crate::image::be32;

/// How many packages a guest may have.
const MAX_PACKAGES: usize = 200_000;

/// How many tags a header may have, as rpm has it.
const MAX_TAGS: u32 = 0xffff;

/// The tags that are read (`rpmtag.h`), and their types.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCH: u32 = 1022;
const INT32: u32 = 4;
const STRING: u32 = 6;

/// The packages in a database of SQLite.
pub(super) fn read(read: &Read<'_>) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    sqlite::Database::open(read)?.rows("Packages", &mut |row| match row {
        [_, Value::Bytes(header), ..] => add(&mut packages, header),
        _ => Err(damaged("a package has no header")),
    })?;
    Ok(packages)
}

/// The same of Berkeley DB.
pub(super) fn read_berkeley(read: &Read<'_>) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    berkeley::Database::open(read)?.values(&mut |key, header| {
        // Under this key is how many there have ever been.
        if key == [0; 4] {
            return Ok(());
        }
        add(&mut packages, header)
    })?;
    Ok(packages)
}

fn add(packages: &mut Vec<Package>, header: &[u8]) -> Result<()> {
    let package = package(header).ok_or_else(|| damaged("a package has no name"))?;
    // The keys that packages are signed with.
    if package.name != "gpg-pubkey" {
        packages.push(package);
    }
    if packages.len() > MAX_PACKAGES {
        return Err(damaged("it has more packages than can be"));
    }
    Ok(())
}

/// A header: how many tags, how many bytes of data, the tags, and the data.
fn package(header: &[u8]) -> Option<Package> {
    let count = be32(header, 0).filter(|count| *count <= MAX_TAGS)?;
    let tags = header.get(8..)?;
    let length = usize::try_from(count).ok()?.checked_mul(16)?;
    let (tags, data) = tags.split_at_checked(length)?;
    let find = |wanted: u32, kind: u32| {
        let mut tags = tags.chunks_exact(16);
        let tag = tags.find(|tag| be32(tag, 0) == Some(wanted) && be32(tag, 4) == Some(kind))?;
        data.get(usize::try_from(be32(tag, 8)?).ok()?..)
    };
    let text = |wanted| {
        let bytes = find(wanted, STRING)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let (version, release) = (text(VERSION)?, text(RELEASE)?);
    let epoch = find(EPOCH, INT32).and_then(|bytes| be32(bytes, 0));
    Some(Package {
        name: text(NAME)?,
        version: match epoch {
            Some(epoch) => format!("{epoch}:{version}-{release}"),
            None => format!("{version}-{release}"),
        },
        arch: text(ARCH),
    })
}

fn damaged(what: &str) -> Error {
    Error::new(
        Kind::Unsafe,
        format!("the database of rpm is damaged: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tags: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut data: Vec<u8> = Vec::new();
        let mut bytes = u32::try_from(tags.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend([0; 4]);
        for (tag, kind, value) in tags {
            let offset = u32::try_from(data.len()).unwrap();
            for number in [*tag, *kind, offset, 1] {
                bytes.extend(number.to_be_bytes());
            }
            data.extend(*value);
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn headers_are_read() {
        let bytes = header(&[
            (NAME, STRING, b"bash\0"),
            (VERSION, STRING, b"5.2\0"),
            (RELEASE, STRING, b"3.fc39\0"),
            (EPOCH, INT32, &7_u32.to_be_bytes()),
            (ARCH, STRING, b"x86_64\0"),
        ]);
        let read = package(&bytes).unwrap();
        assert_eq!(
            (read.name.as_str(), read.version.as_str()),
            ("bash", "7:5.2-3.fc39")
        );
        assert_eq!(read.arch.as_deref(), Some("x86_64"));
        for length in 0..8 + 4 * 16 {
            assert_eq!(package(&bytes[..length]), None, "{length}");
        }
        assert_eq!(package(&[0xff; 64]), None);
    }
}
