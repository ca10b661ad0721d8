//! The internal snapshots of a qcow2 image, as its table lists them.
//!
//! `qcow2.rst`, "Snapshots"; the limits are those of `block/qcow2.h` and of
//! `qcow2_do_read_snapshots()` in QEMU's `block/qcow2-snapshot.c`.

use super::Header;
use super::header::Defect;
use crate::error::Result;
use crate::image::file::{be16, be32, be64};
use crate::image::source::Image;

/// How many snapshots an image may have.
pub(super) const MAX_SNAPSHOTS: u32 = 65536;

/// The fixed part of an entry, in bytes.
pub(super) const ENTRY: usize = 40;

/// How long the whole table may be, in bytes.
const MAX_TABLE: u64 = 64 << 20;

/// How much more than the fixed part an entry may say, in bytes.
const MAX_EXTRA: usize = 1024;

/// One internal snapshot of a qcow2 image.
///
/// Everything is as the image has it: two snapshots may have the same name, and
/// a name may be any bytes at all.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its id, which QEMU makes a number.
    pub id: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// When it was made, in seconds since 1970.
    pub seconds: u32,
    /// The rest of that, in nanoseconds.
    pub nanoseconds: u32,
    /// How long the guest had run by then, in nanoseconds.
    pub clock_ns: u64,
    /// How much of the guest's memory it holds, in bytes; 0 if it holds the
    /// disk alone.
    pub vm_state_size: u64,
    /// The size of the disk at that time, in bytes.
    pub disk_size: u64,
    /// How many instructions the guest had executed, where QEMU counted them.
    pub icount: Option<u64>,
    /// Where its L1 table is.
    pub l1_offset: u64,
    /// The number of entries of its L1 table.
    pub l1_size: u32,
}

/// What is wrong with a table, or with reading it.
pub(super) enum Trouble {
    /// The table is damaged.
    Damaged(Defect),
    /// The file cannot be read.
    Unread(crate::error::Error),
}

impl From<Defect> for Trouble {
    fn from(defect: Defect) -> Self {
        Self::Damaged(defect)
    }
}

/// Reads the table, and hands each entry to `found`. Not more than one is kept
/// at a time: a table of 64 MiB is no reason to need as much memory.
pub(super) fn read_table(
    header: &Header,
    image: &dyn Image,
    found: &mut dyn FnMut(Snapshot),
) -> std::result::Result<(), Trouble> {
    let mut at = header.snapshots_offset;
    for _ in 0..header.snapshots {
        // Counted from the beginning of the file, which is the same, for the
        // table begins with a cluster.
        at = at.checked_next_multiple_of(8).ok_or_else(too_large)?;
        let fixed = read_exactly(image, at, ENTRY)?;
        let length = Lengths::read(&fixed).ok_or_else(cut_off)?;
        if length.extra > MAX_EXTRA {
            return Err(Defect::bad("its snapshot table has an entry that is too large").into());
        }
        at = at.saturating_add(ENTRY as u64);
        let rest = read_exactly(image, at, length.all())?;
        at = at.saturating_add(rest.len() as u64);
        if at.saturating_sub(header.snapshots_offset) > MAX_TABLE {
            return Err(too_large().into());
        }
        let snapshot = entry(header, &fixed, &rest, &length).ok_or_else(cut_off)?;
        header.check_snapshot(&snapshot, image.size())?;
        found(snapshot);
    }
    Ok(())
}

fn too_large() -> Defect {
    Defect::bad("its snapshot table is too large")
}

fn cut_off() -> Defect {
    Defect::bad("its snapshot table is beyond the end of the file: it was cut off")
}

fn read_exactly(
    image: &dyn Image,
    at: u64,
    length: usize,
) -> std::result::Result<Vec<u8>, Trouble> {
    let bytes = image.read_at(at, length).map_err(Trouble::Unread)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(cut_off().into())
    }
}

/// How long the parts of an entry are that follow its fixed one.
struct Lengths {
    extra: usize,
    id: usize,
    name: usize,
}

impl Lengths {
    fn read(fixed: &[u8]) -> Option<Self> {
        Some(Self {
            extra: usize::try_from(be32(fixed, 36)?).ok()?,
            id: usize::from(be16(fixed, 12)?),
            name: usize::from(be16(fixed, 14)?),
        })
    }

    fn all(&self) -> usize {
        self.extra.saturating_add(self.id).saturating_add(self.name)
    }
}

fn entry(header: &Header, fixed: &[u8], rest: &[u8], length: &Lengths) -> Option<Snapshot> {
    let (extra, names) = rest.split_at_checked(length.extra)?;
    let (id, name) = names.split_at_checked(length.id)?;
    Some(Snapshot {
        id: id.to_vec(),
        name: name.to_vec(),
        l1_offset: be64(fixed, 0)?,
        l1_size: be32(fixed, 8)?,
        seconds: be32(fixed, 16)?,
        nanoseconds: be32(fixed, 20)?,
        clock_ns: be64(fixed, 24)?,
        // The extra data has it in 64 bits; what is not there was added to the
        // format later, and has the value that it had before.
        vm_state_size: match be64(extra, 0) {
            Some(size) => size,
            None => u64::from(be32(fixed, 32)?),
        },
        disk_size: be64(extra, 8).unwrap_or_else(|| header.disk_size()),
        icount: be64(extra, 16).filter(|&count| count != u64::MAX),
    })
}

impl Header {
    /// Reads the internal snapshots, in the order of the table.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`](crate::error::Kind::Unsafe) if the table is damaged,
    /// [`Kind::Storage`](crate::error::Kind::Storage) if it cannot be read.
    pub fn snapshot_table(&self, image: &dyn Image) -> Result<Vec<Snapshot>> {
        let mut all = Vec::new();
        match read_table(self, image, &mut |snapshot| all.push(snapshot)) {
            Ok(()) => Ok(all),
            Err(Trouble::Damaged(defect)) => Err(super::header::refusal(image, &defect)),
            Err(Trouble::Unread(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::image::{Overlay, write};
    use crate::model::ImageFormat;

    /// Where the table of the images here is.
    const TABLE: u64 = 4 << 16;

    /// An entry with so much extra data.
    fn entry(extra: &[u8], id: &[u8], name: &[u8]) -> Vec<u8> {
        let mut bytes = (3_u64 << 16).to_be_bytes().to_vec();
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        bytes.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        bytes.extend(1_700_000_000_u32.to_be_bytes());
        bytes.extend(5_u32.to_be_bytes());
        bytes.extend(9_u64.to_be_bytes());
        bytes.extend(7_u32.to_be_bytes());
        bytes.extend(u32::try_from(extra.len()).unwrap().to_be_bytes());
        bytes.extend(extra);
        bytes.extend(id);
        bytes.extend(name);
        bytes
    }

    fn read(count: u32, table: &[u8]) -> Result<Vec<Snapshot>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let spec = Overlay {
            virtual_size: 1 << 30,
            backing: std::path::Path::new("/base"),
            backing_format: ImageFormat::Raw,
        };
        let new = write(&path, &spec).unwrap();
        new.file().write_all_at(&count.to_be_bytes(), 60).unwrap();
        new.file().write_all_at(&TABLE.to_be_bytes(), 64).unwrap();
        new.file().write_all_at(table, TABLE).unwrap();
        let image = crate::image::ImageFile::open(&path)?;
        Header::read(&image)?.snapshot_table(&image)
    }

    #[test]
    fn entries_of_every_age_are_read() {
        let mut table = entry(&[], b"1", b"old");
        table.resize(table.len().next_multiple_of(8), 0);
        let mut extra = (8_u64 << 32).to_be_bytes().to_vec();
        extra.extend((2_u64 << 30).to_be_bytes());
        table.extend(entry(&extra, b"2", "\u{17e}".as_bytes()));
        table.resize(table.len().next_multiple_of(8), 0);
        extra.extend(77_u64.to_be_bytes());
        extra.extend([1; 1000]);
        table.extend(entry(&extra, b"", b"\xff"));
        let [old, middle, new] = <[Snapshot; 3]>::try_from(read(3, &table).unwrap()).unwrap();
        assert_eq!((old.id, old.name), (b"1".to_vec(), b"old".to_vec()));
        assert_eq!((old.vm_state_size, old.disk_size), (7, 1 << 30));
        assert_eq!(
            (old.seconds, old.nanoseconds, old.clock_ns),
            (1_700_000_000, 5, 9)
        );
        assert_eq!((middle.vm_state_size, middle.disk_size), (8 << 32, 2 << 30));
        assert_eq!((middle.icount, new.icount), (None, Some(77)));
        assert_eq!(new.name, b"\xff");
    }

    #[test]
    fn damaged_tables_are_refused() {
        let why = |count: u32, table: &[u8]| {
            let error = read(count, table).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Unsafe, "{error}");
            error.to_string()
        };
        let good = entry(&[], b"1", b"a");
        assert_eq!(read(1, &good).unwrap().len(), 1);
        for length in 0..good.len() {
            assert!(why(1, &good[..length]).contains("cut off"), "{length}");
        }
        assert!(why(2, &good).contains("cut off"));
        assert!(why(1, &entry(&[0; 1025], b"", b"")).contains("too large"));
        let mut l1 = good.clone();
        l1[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(why(1, &l1).contains("L1 table of a snapshot"));
        let mut l1 = good;
        l1[..8].copy_from_slice(&1_u64.to_be_bytes());
        assert!(why(1, &l1).contains("L1 table of a snapshot"));
    }

    #[test]
    fn a_table_has_a_limit() {
        // 2000 entries of 40 KB each.
        let one = entry(&[], b"1", &[b'x'; 40_000 - 41]);
        let table: Vec<u8> = one.iter().copied().cycle().take(2000 * 40_000).collect();
        let error = read(2000, &table).unwrap_err().to_string();
        assert!(error.contains("snapshot table is too large"), "{error}");
        assert_eq!(read(1000, &table).unwrap().len(), 1000);
    }
}
