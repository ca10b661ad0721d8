//! Files that are something else: symbolic links, mount points, and what a
//! filter of Windows stands behind (`REPARSE_DATA_BUFFER` in MS-FSCC).

use crate::image::{le16, le32};

/// `IO_REPARSE_TAG_SYMLINK`.
const SYMLINK: u32 = 0xa000_000c;
/// `IO_REPARSE_TAG_MOUNT_POINT`, of junctions too.
const MOUNT_POINT: u32 = 0xa000_0003;
/// `IO_REPARSE_TAG_LX_SYMLINK`, of Linux on Windows.
const LX_SYMLINK: u32 = 0xa000_001d;
/// `IO_REPARSE_TAG_WOF`.
const WOF: u32 = 0x8000_0017;

/// `SYMLINK_FLAG_RELATIVE`.
const RELATIVE: u32 = 1;

/// What the links begin with that Services for UNIX made, and ntfs-3g makes.
const INTERIX: &[u8] = b"IntxLNK\x01";

/// No path is longer, in UTF-16 units.
const MAX_UNITS: usize = 4096;

/// What a reparse point makes of a file.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reparse {
    /// A symbolic link to this.
    Link(Vec<u8>),
    /// A file whose contents are not where those of others are, and why.
    Elsewhere(String),
}

/// What the value of a `$REPARSE_POINT` says; `None` if it makes no sense.
pub(super) fn read(value: &[u8]) -> Option<Reparse> {
    let tag = le32(value, 0)?;
    let length = usize::from(le16(value, 4)?);
    let data = value.get(8..)?.get(..length)?;
    Some(match tag {
        SYMLINK => {
            let target = name(data, 12)?;
            match le32(data, 8)? & RELATIVE {
                0 => Reparse::Link(absolute(&target)),
                _ => Reparse::Link(target.replace('\\', "/").into_bytes()),
            }
        }
        MOUNT_POINT => Reparse::Link(absolute(&name(data, 8)?)),
        // A version, and the target as it is.
        LX_SYMLINK => Reparse::Link(data.get(4..)?.to_vec()),
        WOF => Reparse::Elsewhere("a file is compressed by Windows (CompactOS)".to_owned()),
        other => Reparse::Elsewhere(format!(
            "the contents of a file are kept by a part of Windows (reparse tag {other:#010x})"
        )),
    })
}

/// Where a link in the manner of Interix leads: a file that begins so is one.
pub(super) fn interix(contents: &[u8]) -> Option<Vec<u8>> {
    let target = utf16(contents.strip_prefix(INTERIX)?)?;
    (!target.is_empty()).then(|| target.into_bytes())
}

/// How long a file may be to be such a link.
pub(super) fn may_be_interix(size: u64) -> bool {
    let least = INTERIX.len() as u64;
    size > least && size <= least + 2 * MAX_UNITS as u64
}

/// The substitute name, in a buffer that begins at `buffer`.
fn name(data: &[u8], buffer: usize) -> Option<String> {
    let offset = usize::from(le16(data, 0)?);
    let length = usize::from(le16(data, 2)?);
    utf16(data.get(buffer..)?.get(offset..)?.get(..length)?)
}

/// From the root of a drive. There are no letters of drives here: what is on C:
/// is taken to be in the same tree, and what is on others is not.
fn absolute(target: &str) -> Vec<u8> {
    let plain = target.strip_prefix(r"\??\").unwrap_or(target);
    let on_c = plain.strip_prefix("C:").or(plain.strip_prefix("c:"));
    let path = on_c.unwrap_or(plain).replace('\\', "/");
    match path.strip_prefix('/') {
        Some(_) => path.into_bytes(),
        None => format!("/{path}").into_bytes(),
    }
}

fn utf16(bytes: &[u8]) -> Option<String> {
    if bytes.len() > 2 * MAX_UNITS {
        return None;
    }
    let units = bytes.chunks_exact(2);
    let units = units.map(|pair| le16(pair, 0).unwrap_or(0));
    let units: Vec<u16> = units.collect();
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(tag: u32, flags: Option<u32>, target: &str) -> Vec<u8> {
        let name: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(name.len()).unwrap();
        let mut data = Vec::new();
        for number in [0, length, length, 0] {
            data.extend(u16::to_le_bytes(number));
        }
        data.extend(flags.into_iter().flat_map(u32::to_le_bytes));
        data.extend(name);
        let mut value = tag.to_le_bytes().to_vec();
        value.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        value.extend([0, 0]);
        value.extend(data);
        value
    }

    #[test]
    fn links_have_slashes() {
        for (tag, flags, target, shown) in [
            (SYMLINK, Some(RELATIVE), r"..\Other\file", "../Other/file"),
            (SYMLINK, Some(0), r"\??\C:\Users\Public", "/Users/Public"),
            (SYMLINK, Some(0), r"\??\c:\", "/"),
            (MOUNT_POINT, None, r"\??\C:\ProgramData", "/ProgramData"),
            (MOUNT_POINT, None, r"\??\D:\Data", "/D:/Data"),
            (MOUNT_POINT, None, r"\??\Volume{1-2}\", "/Volume{1-2}/"),
        ] {
            let read = read(&point(tag, flags, target));
            assert_eq!(read, Some(Reparse::Link(shown.as_bytes().to_vec())));
        }
        let linux = [
            &LX_SYMLINK.to_le_bytes()[..],
            b"\x07\0\0\0",
            b"\x02\0\0\0../",
        ]
        .concat();
        assert_eq!(read(&linux), Some(Reparse::Link(b"../".to_vec())));
    }

    #[test]
    fn contents_elsewhere_are_no_link() {
        for tag in [WOF, 0x9000_001a] {
            let read = read(&point(tag, None, "x")).unwrap();
            assert!(matches!(read, Reparse::Elsewhere(_)), "{read:?}");
        }
    }

    #[test]
    fn what_is_cut_off_makes_no_sense() {
        let whole = point(SYMLINK, Some(0), r"\??\C:\Users");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        let mut beyond = whole;
        beyond[10] = 0xff;
        assert_eq!(read(&beyond), None);
    }

    #[test]
    fn links_of_interix_have_a_mark() {
        let link = [INTERIX, b"a\0/\0b\0"].concat();
        assert_eq!(interix(&link), Some(b"a/b".to_vec()));
        assert!(may_be_interix(link.len() as u64));
        assert_eq!(interix(b"IntxCHR\0a\0"), None);
        assert_eq!(interix(INTERIX), None);
        assert!(!may_be_interix(INTERIX.len() as u64) && !may_be_interix(1 << 20));
    }
}
