//! What the headers of archives say that the crate does not read as it is meant.

use std::io;
use std::path::Path;

use tar::Header;

use crate::error::{Error, Kind};
use crate::guest::native::fs::Time;
use crate::image::shown;

/// When a file was changed, in seconds. The crate takes what GNU writes for a time
/// before 1970 for one of a far future.
fn mtime(header: &Header) -> io::Result<i64> {
    let odd = || io::Error::other("a time has too large a number");
    let (first, rest) = match header.as_old().mtime.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => (*first, rest),
        _ => return i64::try_from(header.mtime()?).map_err(|_| odd()),
    };
    // Bytes of a signed number, but for the first bit, which says that they are.
    let sign = if first & 0x40 == 0 { 0 } else { -0x40 };
    let top = i128::from(first & 0x3f) + sign;
    let value = rest
        .iter()
        .fold(top, |value, byte| (value << 8) | i128::from(*byte));
    i64::try_from(value).map_err(|_| odd())
}

/// When a file was changed, where an extended header may have `told` it.
///
/// # Errors
///
/// If it is no number, or none that a time has.
pub fn modified(header: &Header, told: Option<Time>) -> io::Result<Time> {
    match told {
        Some(time) => Ok(time),
        None => Ok(Time {
            seconds: mtime(header)?,
            nanoseconds: 0,
        }),
    }
}

/// Whether an extended header with this key is that of a sparse file, which comes as
/// a list of its pieces and they.
pub fn is_of_sparse_file(key: &[u8]) -> bool {
    key.starts_with(b"GNU.sparse.")
}

/// The error for an archive with such files.
pub fn has_sparse_files(archive: &Path) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "{} has sparse files in it, which are not read here",
            shown(archive)
        ),
    )
    .hint("make the archive without `--sparse`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: [u8; 12]) -> io::Result<i64> {
        let mut header = Header::new_gnu();
        header.as_old_mut().mtime = field;
        mtime(&header)
    }

    #[test]
    fn times_before_1970_stay_before_it() {
        let binary = |first: u8, seconds: i64| {
            let fill = if seconds < 0 { 0xff } else { 0 };
            let mut field = [fill; 12];
            field[0] = first;
            field[4..].copy_from_slice(&seconds.to_be_bytes());
            field
        };
        assert_eq!(read(*b"00000000017\0").unwrap(), 15);
        for seconds in [-1, -86_400, i64::MIN] {
            assert_eq!(read(binary(0xff, seconds)).unwrap(), seconds);
        }
        for seconds in [0, 1 << 40, i64::MAX] {
            assert_eq!(read(binary(0x80, seconds)).unwrap(), seconds);
        }
        assert!(read([0xbf; 12]).is_err());
        assert!(read(*b"nonsense\0\0\0\0").is_err());
    }
}
