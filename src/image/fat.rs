//! Making FAT file systems: floppies, whole disks, what cloud-init reads.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};

use fatfs::{
    Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};

use super::file::{ShownBytes, le16, le32};
use crate::error::{Error, Kind, Result};

/// The size of a floppy of 3½ inches, in bytes.
const FLOPPY: u64 = 2880 * 512;

/// How much of a file is copied at once.
const PIECE: usize = 256 << 10;

/// What is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct FatSpec<'a> {
    /// The label: up to eleven letters.
    pub label: Option<&'a str>,
    /// The serial number.
    pub volume_id: u32,
    /// Whether it is a floppy of 1440 KiB, as every BIOS knows them.
    pub floppy: bool,
    /// Whether it is FAT12, whatever its size; else what fits.
    pub fat12: bool,
}

impl FatSpec<'_> {
    /// The size of a floppy, in bytes.
    pub const FLOPPY: u64 = FLOPPY;

    fn options(&self) -> io::Result<FormatVolumeOptions> {
        let mut options = FormatVolumeOptions::new().volume_id(self.volume_id);
        if let Some(label) = self.label {
            options = options.volume_label(label_of(label)?);
        }
        if self.floppy {
            options = options
                .bytes_per_cluster(512)
                .max_root_dir_entries(224)
                .media(0xf0)
                .sectors_per_track(18)
                .heads(2)
                .drive_num(0);
        }
        Ok(match self.floppy || self.fat12 {
            true => options.fat_type(FatType::Fat12),
            false => options,
        })
    }
}

/// A label as it is stored.
fn label_of(label: &str) -> io::Result<[u8; 11]> {
    let mut field = [b' '; 11];
    let plain = |c: char| c.is_ascii_graphic() && !"\"*+,./:;<=>?[\\]|".contains(c) || c == ' ';
    if label.len() > field.len() || label.trim().is_empty() || !label.chars().all(plain) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("'{label}' is no label for FAT: up to 11 letters, digits, '-' and '_'"),
        ));
    }
    for (to, from) in field.iter_mut().zip(label.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    Ok(field)
}

/// A new FAT file system that is being filled.
pub struct FatVolume<T: Read + Write + Seek> {
    fs: FileSystem<T>,
    /// The names in it, in lower case: FAT does not tell them apart.
    names: HashSet<String>,
}

impl<T: Read + Write + Seek> FatVolume<T> {
    /// Makes one on all of `disk`.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it cannot have that label or be that small;
    /// [`Kind::Storage`] if it cannot be written.
    pub fn format(mut disk: T, spec: &FatSpec<'_>) -> Result<Self> {
        let made = || -> io::Result<FileSystem<T>> {
            fatfs::format_volume(&mut disk, spec.options()?)?;
            disk.rewind()?;
            FileSystem::new(disk, FsOptions::new().time_provider(&SetTime))
        };
        let fs = made().map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::InvalidInput => Kind::Usage,
                _ => Kind::Storage,
            };
            Error::wrap(kind, "cannot make a FAT file system", error)
        })?;
        Ok(Self {
            fs,
            names: HashSet::new(),
        })
    }

    /// How many bytes are left for files.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if that cannot be read.
    pub fn free(&self) -> Result<u64> {
        let stats = self.fs.stats().map_err(|error| cannot("/", error))?;
        Ok(u64::from(stats.free_clusters()).saturating_mul(u64::from(stats.cluster_size())))
    }

    /// Makes a directory: its path, without a slash in front, and when it was last
    /// changed, in seconds since the beginning of 1970.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if FAT cannot hold the name; [`Kind::Storage`] if there
    /// is no room.
    pub fn directory(&mut self, path: &[u8], modified: i64) -> Result<()> {
        let path = self.name(path)?;
        NOW.set(modified);
        let made = self.fs.root_dir().create_dir(path);
        made.map(drop).map_err(|error| cannot(path, error))
    }

    /// Makes a file with these contents; see [`Self::directory`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::directory`], and of reading the contents.
    pub fn file(&mut self, path: &[u8], modified: i64, contents: &mut dyn Read) -> Result<()> {
        let path = self.name(path)?;
        NOW.set(modified);
        let mut write = || -> io::Result<()> {
            let mut file = self.fs.root_dir().create_file(path)?;
            let mut piece = vec![0; PIECE];
            loop {
                let count = contents.read(&mut piece)?;
                if count == 0 {
                    return file.flush();
                }
                file.write_all(piece.get(..count).unwrap_or_default())?;
            }
        };
        write().map_err(|error| cannot(path, error))
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot be.
    pub fn finish(self) -> Result<()> {
        self.fs.unmount().map_err(|error| cannot("/", error))
    }

    fn name<'p>(&mut self, path: &'p [u8]) -> Result<&'p str> {
        let not = |why: &str| {
            Error::new(
                Kind::WrongState,
                format!("'{}' cannot be on FAT: {why}", ShownBytes(path)),
            )
        };
        let text = std::str::from_utf8(path).map_err(|_| not("its name is no text"))?;
        if let Some(name) = text.split('/').find(|name| !is_possible(name)) {
            return Err(not(&format!(
                "no file there can be named '{}'",
                ShownBytes(name.as_bytes())
            )));
        }
        if !self.names.insert(text.to_lowercase()) {
            return Err(not(
                "there is another with that name, but for large and small letters",
            ));
        }
        Ok(text)
    }
}

/// The size of an entry in a directory, in bytes.
const ENTRY: usize = 32;

/// Puts the names `.` and `..` of directories where they must be: the crate writes
/// a long name before each, as for any other, which no other program expects.
///
/// # Errors
///
/// [`Kind::Storage`] if the file system cannot be read or written.
pub fn mend_directories(mut disk: impl Read + Write + Seek) -> Result<()> {
    mend(&mut disk).map_err(|error| cannot("/", error))
}

fn mend(disk: &mut (impl Read + Write + Seek)) -> io::Result<()> {
    let map = Map::read(disk)?;
    let mut todo = map.root(disk)?;
    let mut seen = HashSet::new();
    while let Some((offset, length)) = todo.pop() {
        let mut entries = vec![0; length];
        disk.seek(SeekFrom::Start(offset))?;
        disk.read_exact(&mut entries)?;
        for entry in entries.chunks_exact(ENTRY) {
            let byte = |at: usize| entry.get(at).copied().unwrap_or(0);
            let is_dir = byte(11) & 0x18 == 0x10 && !matches!(byte(0), 0 | b'.' | 0xe5);
            let first = u32::from(le16(entry, 26).unwrap_or(0))
                | u32::from(le16(entry, 20).unwrap_or(0)) << 16;
            if is_dir && seen.insert(first) {
                mend_one(disk, map.offset(first))?;
                todo.extend(map.chain(disk, first)?);
            }
        }
    }
    disk.flush()
}

/// Its first four entries are a long name, `.`, a long name and `..`.
fn mend_one(disk: &mut (impl Read + Write + Seek), offset: u64) -> io::Result<()> {
    const LONG: u8 = 0x0f;
    let mut four = [[0_u8; ENTRY]; 4];
    disk.seek(SeekFrom::Start(offset))?;
    for entry in &mut four {
        disk.read_exact(entry)?;
    }
    let [one, dot, other, dots] = four;
    let is_long = |entry: &[u8; ENTRY]| entry.get(11) == Some(&LONG);
    if !is_long(&one) || !is_long(&other) || !dot.starts_with(b". ") || !dots.starts_with(b"..") {
        return Ok(());
    }
    let mut free = other;
    if let Some(first) = free.first_mut() {
        *first = 0xe5;
    }
    disk.seek(SeekFrom::Start(offset))?;
    [dot, dots, free, free]
        .iter()
        .try_for_each(|entry| disk.write_all(entry))
}

/// Where clusters are.
struct Map {
    cluster: u64,
    fat: u64,
    root: u64,
    root_len: usize,
    data: u64,
    root_cluster: u32,
    bits: u64,
}

impl Map {
    fn read(disk: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut boot = [0; 512];
        disk.rewind()?;
        disk.read_exact(&mut boot)?;
        let word = |at: usize| u64::from(le16(&boot, at).unwrap_or(0));
        let long = |at: usize| u64::from(le32(&boot, at).unwrap_or(0));
        let either = |small: u64, large: u64| if small == 0 { large } else { small };
        let byte = |at: usize| u64::from(boot.get(at).copied().unwrap_or(0));
        let (sector, per_cluster) = (word(11), byte(13).max(1));
        let fat_sectors = either(word(22), long(36));
        let root_len = word(17).saturating_mul(ENTRY as u64);
        let fat = word(14).saturating_mul(sector);
        let root = fat.saturating_add(byte(16).saturating_mul(fat_sectors).saturating_mul(sector));
        let data = root.saturating_add(root_len.next_multiple_of(sector.max(1)));
        let all = either(word(19), long(32)).saturating_mul(sector);
        let cluster = sector.saturating_mul(per_cluster);
        let clusters = all.saturating_sub(data).checked_div(cluster).unwrap_or(0);
        Ok(Self {
            cluster,
            fat,
            root,
            root_len: usize::try_from(root_len).unwrap_or(0),
            data,
            root_cluster: u32::try_from(long(44)).unwrap_or(0),
            bits: match (word(22), clusters) {
                (0, _) => 32,
                (_, 0..4085) => 12,
                _ => 16,
            },
        })
    }

    fn offset(&self, cluster: u32) -> u64 {
        let number = u64::from(cluster).saturating_sub(2);
        self.data
            .saturating_add(number.saturating_mul(self.cluster))
    }

    fn root(&self, disk: &mut (impl Read + Seek)) -> io::Result<Vec<(u64, usize)>> {
        match self.bits {
            32 => self.chain(disk, self.root_cluster),
            _ => Ok(vec![(self.root, self.root_len)]),
        }
    }

    /// The clusters from this one on.
    fn chain(&self, disk: &mut (impl Read + Seek), first: u32) -> io::Result<Vec<(u64, usize)>> {
        let length = usize::try_from(self.cluster).unwrap_or(0);
        let mut found = Vec::new();
        let mut next = first;
        let last = match self.bits {
            12 => 0xff0,
            16 => 0xfff0,
            _ => 0x0fff_fff0,
        };
        while (2..last).contains(&next) && found.len() < 1 << 20 {
            found.push((self.offset(next), length));
            let bit = u64::from(next).saturating_mul(self.bits);
            let mut entry = [0; 4];
            disk.seek(SeekFrom::Start(self.fat.saturating_add(bit / 8)))?;
            disk.read_exact(&mut entry)?;
            let value = u32::from_le_bytes(entry);
            next = match self.bits {
                12 if bit % 8 == 4 => value >> 4 & 0xfff,
                12 => value & 0xfff,
                16 => value & 0xffff,
                _ => value & 0x0fff_ffff,
            };
        }
        Ok(found)
    }
}

/// Whether FAT can hold a name so that it comes back as it is.
fn is_possible(name: &str) -> bool {
    let bad = |c: char| c.is_control() || "\\/:*?\"<>|".contains(c);
    let units = name.encode_utf16().count();
    !name.chars().any(bad) && units <= 255 && !name.ends_with(['.', ' ']) && !name.starts_with(' ')
}

fn cannot(path: &str, error: io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::WriteZero || error.to_string().contains("No space");
    let what = format!("cannot write '{}'", ShownBytes(path.as_bytes()));
    match full {
        true => Error::new(Kind::Storage, format!("{what}: there is no room left")),
        false => Error::wrap(Kind::Storage, what, error),
    }
}

thread_local! {
    /// The time of what is made next: the crate asks a clock that must live for
    /// ever.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// Says whatever time it was told.
#[derive(Debug)]
struct SetTime;

impl TimeProvider for SetTime {
    fn get_current_date(&self) -> Date {
        self.get_current_date_time().date
    }

    fn get_current_date_time(&self) -> DateTime {
        date_time(NOW.get())
    }
}

/// A moment as FAT has it, in UTC: from 1980 to 2107.
fn date_time(seconds: i64) -> DateTime {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let seconds = seconds.clamp(FIRST, LAST);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin with March, so that the day that may be missing is the last.
    let since = days.saturating_add(719_468);
    let of_era = since.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    let year = since.div_euclid(146_097) * 400 + year;
    let small = |value: i64| u16::try_from(value).unwrap_or(0);
    DateTime {
        date: Date {
            year: small(year),
            month: small(month),
            day: small(day),
        },
        time: Time {
            hour: small(rest / 3600),
            min: small(rest / 60 % 60),
            sec: small(rest % 60),
            millis: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let text = |seconds| {
            let at = date_time(seconds);
            let (date, time) = (at.date, at.time);
            format!(
                "{}-{}-{} {}:{}:{}",
                date.year, date.month, date.day, time.hour, time.min, time.sec
            )
        };
        assert_eq!(text(0), "1980-1-1 0:0:0");
        assert_eq!(text(951_782_399), "2000-2-28 23:59:59");
        assert_eq!(text(951_782_400), "2000-2-29 0:0:0");
        assert_eq!(text(1_700_000_000), "2023-11-14 22:13:20");
        assert_eq!(text(i64::MAX), "2107-12-31 23:59:58");
    }

    #[test]
    fn what_fat_cannot_hold_is_refused() {
        let disk = Cursor::new(vec![0; usize::try_from(FLOPPY).unwrap()]);
        let spec = FatSpec {
            label: Some("data"),
            floppy: true,
            ..FatSpec::default()
        };
        let mut fat = FatVolume::format(disk, &spec).unwrap();
        // As DOS has it.
        assert_eq!(fat.free().unwrap(), 1_457_664);
        fat.directory(b"Dir", 0).unwrap();
        fat.file(b"Dir/long name.text", 0, &mut &b"x"[..]).unwrap();
        for wrong in [&b"dir"[..], b"a:b", b"a.", b"\xff", b"a\nb"] {
            let error = fat.directory(wrong, 0).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongState, "{wrong:?}");
        }
        let error = fat
            .file(b"big", 0, &mut io::repeat(1).take(FLOPPY))
            .unwrap_err();
        assert!(error.to_string().contains("no room left"), "{error}");
        for label in ["twelve chars", "", "a*b"] {
            let wrong = FatSpec {
                label: Some(label),
                ..spec
            };
            let disk = Cursor::new(vec![0; 1 << 20]);
            let error = FatVolume::format(disk, &wrong).err().unwrap();
            assert_eq!(error.kind(), Kind::Usage, "{label}");
        }
    }
}
