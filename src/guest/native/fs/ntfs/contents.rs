//! Where the contents of a file are, and reading them.
//!
//! The library finds that out anew for each piece that is read; here it is done
//! once for a file, and long runs are read at once.

use std::cell::RefCell;
use std::rc::Rc;

use fs_ntfs::attr_io::attr_flags::{COMPRESSION_MASK, ENCRYPTED};
use fs_ntfs::compression::decompress_unit;
use fs_ntfs::data_runs::{DataRun, decode_runs};

use super::super::checked::damaged;
use super::super::needs_kernel;
use super::device::Device;
use super::explain;
use super::record::{Attribute, Record};
use crate::error::{Error, Kind, Result};

/// Into how many runs a file may be torn: more are not worth the memory.
const MAX_RUNS: usize = 1 << 20;

/// 16 clusters are compressed at once, of no more than 4 KiB each.
const MAX_UNIT: u64 = 64 << 10;

/// The contents of a file.
pub(super) enum Contents {
    /// In its record.
    Here(Vec<u8>),
    /// In clusters.
    Runs(Runs),
}

/// Clusters of a file that follow each other. All in bytes.
struct Run {
    start: u64,
    len: u64,
    /// Where on the volume; `None` if nothing was ever written.
    at: Option<u64>,
}

/// A part of a file that was compressed at once, with its number.
type Unit = (u64, Rc<Vec<u8>>);

pub(super) struct Runs {
    runs: Vec<Run>,
    size: u64,
    initialized: u64,
    /// How long the parts are that are compressed at once, if they are.
    unit: Option<u64>,
    /// The one that was read last.
    last: RefCell<Option<Unit>>,
}

impl Contents {
    /// Finds out where the contents of a file are, on a volume with clusters
    /// of that size.
    pub(super) fn of(record: &Record, cluster: u64) -> Result<Self> {
        let segments = record.data()?;
        let Some((_, first)) = segments.first() else {
            return Err(damaged("a file has no contents, not even empty ones"));
        };
        if first.flags() & ENCRYPTED != 0 {
            return Err(Error::new(
                Kind::WrongState,
                "the file is encrypted by Windows (EFS), and only its owner has the key",
            ));
        }
        if let Some(value) = first.value() {
            return Ok(Self::Here(value.to_vec()));
        }
        let mut pieces = Pieces::new(cluster);
        for (start, segment) in &segments {
            if start.checked_mul(cluster) != Some(pieces.end) {
                return Err(damaged("a part of a file is missing"));
            }
            let encoded = segment.pieces().unwrap_or_default();
            pieces.add(&decode_runs(encoded).map_err(explain)?)?;
        }
        Ok(Self::Runs(Runs {
            initialized: first.initialized().unwrap_or(0),
            unit: unit(first, cluster)?,
            ..pieces.runs(first.len())?
        }))
    }

    fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Runs(runs) => runs.size,
        }
    }

    /// Reads from `offset`; fewer bytes than `buf` has only at the end.
    pub(super) fn read(&self, io: &mut Device, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.len().saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let buf = buf.get_mut(..count).unwrap_or_default();
        match self {
            Self::Here(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                copy(buf, bytes.get(from..).unwrap_or_default());
            }
            Self::Runs(runs) => {
                let written = runs.initialized.saturating_sub(offset);
                let written = usize::try_from(written).unwrap_or(usize::MAX).min(count);
                let (begun, never) = buf.split_at_mut(written);
                never.fill(0);
                match runs.unit {
                    None => runs.plain(io, offset, begun)?,
                    Some(unit) => runs.compressed(io, unit, offset, begun)?,
                }
            }
        }
        Ok(count)
    }
}

/// Runs that are put together.
struct Pieces {
    cluster: u64,
    runs: Vec<Run>,
    end: u64,
}

impl Pieces {
    fn new(cluster: u64) -> Self {
        Self {
            cluster,
            runs: Vec::new(),
            end: 0,
        }
    }

    /// Goes on with these, which are in clusters.
    fn add(&mut self, pieces: &[DataRun]) -> Result<()> {
        for piece in pieces {
            let bytes = |clusters: u64| {
                let bytes = clusters.checked_mul(self.cluster);
                bytes.ok_or_else(beyond)
            };
            let len = bytes(piece.length)?;
            self.runs.push(Run {
                start: self.end,
                len,
                at: piece.lcn.map(bytes).transpose()?,
            });
            let end = self.end.checked_add(len);
            self.end = end.ok_or_else(|| damaged("a file is longer than any can be"))?;
            if self.runs.len() > MAX_RUNS {
                return Err(needs_kernel("a file is torn into a million pieces"));
            }
        }
        Ok(())
    }

    /// Those of a file that is `size` bytes long.
    fn runs(self, size: u64) -> Result<Runs> {
        if self.end < size {
            return Err(damaged("a file is longer than its clusters"));
        }
        Ok(Runs {
            runs: self.runs,
            size,
            initialized: size,
            unit: None,
            last: RefCell::new(None),
        })
    }
}

impl Runs {
    /// The runs of what is no file, but an index.
    pub(super) fn of(pieces: &[DataRun], cluster: u64, size: u64) -> Result<Self> {
        let mut runs = Pieces::new(cluster);
        runs.add(pieces)?;
        runs.runs(size)
    }

    /// Fills `buf` from `offset`, whatever was written there.
    pub(super) fn plain(&self, io: &mut Device, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.each(offset, buf.len() as u64, |run, within, done, count| {
            let (from, count) = (to_usize(done), to_usize(count));
            let part = buf.get_mut(from..).and_then(|rest| rest.get_mut(..count));
            let part = part.ok_or_else(beyond)?;
            match run.at {
                Some(at) => io.read(at.saturating_add(within), part),
                None => {
                    part.fill(0);
                    Ok(())
                }
            }
        })
    }

    fn compressed(&self, io: &mut Device, unit: u64, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = offset.saturating_add(done as u64);
            let bytes = self.unit(io, unit, position / unit)?;
            let from = bytes.get(to_usize(position % unit)..).unwrap_or_default();
            if from.is_empty() {
                return Err(beyond());
            }
            copy(rest, from);
            done = done.saturating_add(from.len().min(rest.len()));
        }
        Ok(())
    }

    /// A part of the file that was compressed at once.
    fn unit(&self, io: &mut Device, unit: u64, index: u64) -> Result<Rc<Vec<u8>>> {
        if let Some((last, bytes)) = self.last.borrow().as_ref() {
            if *last == index {
                return Ok(Rc::clone(bytes));
            }
        }
        let start = index.saturating_mul(unit);
        let there = self
            .runs
            .last()
            .map_or(0, |run| run.start.saturating_add(run.len));
        let mut stored = Vec::new();
        let length = unit.min(there.saturating_sub(start));
        self.each(start, length, |run, within, _, count| {
            let Some(at) = run.at else { return Ok(()) };
            let from = stored.len();
            stored.resize(from.saturating_add(to_usize(count)), 0);
            let part = stored.get_mut(from..).unwrap_or_default();
            io.read(at.saturating_add(within), part)
        })?;
        // What is stored in as many clusters as it needs is not compressed, and
        // what is in none is zeros.
        let mut bytes = match stored.len() as u64 {
            full if full == unit => stored,
            0 => Vec::new(),
            _ => decompress_unit(&stored, to_usize(unit)).map_err(explain)?,
        };
        bytes.resize(to_usize(unit), 0);
        let bytes = Rc::new(bytes);
        *self.last.borrow_mut() = Some((index, Rc::clone(&bytes)));
        Ok(bytes)
    }

    /// Calls with each run of a part of the file: where in the run it begins,
    /// how much was before that, and how long it is.
    fn each(
        &self,
        offset: u64,
        length: u64,
        mut call: impl FnMut(&Run, u64, u64, u64) -> Result<()>,
    ) -> Result<()> {
        let end_of = |run: &Run| run.start.saturating_add(run.len);
        let mut index = self.runs.partition_point(|run| end_of(run) <= offset);
        let mut done = 0;
        while done < length {
            let run = self.runs.get(index).ok_or_else(beyond)?;
            let within = offset.saturating_add(done).saturating_sub(run.start);
            let count = run
                .len
                .saturating_sub(within)
                .min(length.saturating_sub(done));
            call(run, within, done, count)?;
            done = done.saturating_add(count);
            index = index.saturating_add(1);
        }
        Ok(())
    }
}

/// How long the parts are that are compressed at once.
fn unit(data: &Attribute<'_>, cluster: u64) -> Result<Option<u64>> {
    if data.flags() & COMPRESSION_MASK == 0 {
        return Ok(None);
    }
    let exponent = u32::from(data.unit().unwrap_or(0));
    let unit = 1_u64
        .checked_shl(exponent)
        .and_then(|n| n.checked_mul(cluster));
    let sound = unit.filter(|unit| exponent != 0 && *unit <= MAX_UNIT);
    match sound {
        Some(unit) => Ok(Some(unit)),
        None => Err(damaged("a file is compressed in an unknown way")),
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn beyond() -> Error {
    damaged("a file has clusters beyond all that there are")
}
