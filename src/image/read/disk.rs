//! A disk and the layers it is made of.

use std::ops::Range;
use std::sync::Arc;

use super::cache::Cache;
use super::entry::Place;
use super::qcow2::Qcow2;
use super::raw::Raw;
use super::served::Served;
use crate::error::{Error, Kind, Result};

/// How much is kept of tables and of decompressed clusters, in bytes each. Two
/// of the largest clusters fit in.
const KEPT: usize = (4 << 20) + 4096;

/// How many extents are looked at for one answer.
const MAX_LOOKS: usize = 4096;

/// What a guest sees as a disk, open for reading. Threads may share it.
#[derive(Debug)]
pub struct Disk {
    /// The layers, the one the guest writes to first.
    layers: Vec<Layer>,
    tables: Cache,
    clusters: Cache,
    len: u64,
}

/// One image of a chain.
#[derive(Debug)]
pub(super) enum Layer {
    Raw(Box<Raw>),
    Qcow2(Box<Qcow2>),
    Served(Box<Served>),
}

/// A part of a disk that is alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// Its length, in bytes. What follows may be of the same kind.
    pub len: u64,
    /// Whether there is data; else it is known to be zeros.
    pub data: bool,
}

/// Where a part of a disk is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// Its length, in bytes. What follows may be kept in the same way.
    pub len: u64,
    /// Which layer says what is there, counted from the top; `None` if none does,
    /// and then it is zeros.
    pub layer: Option<usize>,
    /// Whether there is data; else it is known to be zeros.
    pub data: bool,
    /// Whether the data is compressed.
    pub compressed: bool,
    /// Where in the file of the layer the data is, if it is there as it is.
    pub offset: Option<u64>,
}

/// Where a part of the disk is.
struct Run<'a> {
    /// The layer that says what it is; none if no layer does, and it is zeros.
    found: Option<(&'a Layer, usize, Place)>,
    /// How long it is, in bytes.
    length: u64,
}

impl Layer {
    fn size(&self) -> u64 {
        match self {
            Self::Raw(raw) => raw.size(),
            Self::Qcow2(qcow2) => qcow2.size(),
            Self::Served(served) => served.size(),
        }
    }
}

impl Disk {
    /// Puts layers together, the one that the guest writes to first.
    pub(super) fn new(layers: Vec<Layer>) -> Self {
        Self {
            len: layers.first().map_or(0, Layer::size),
            layers,
            tables: Cache::new(KEPT),
            clusters: Cache::new(KEPT),
        }
    }

    /// Its size, in bytes: whole sectors of 512.
    #[expect(clippy::len_without_is_empty, reason = "a disk always has a size")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `offset`.
    ///
    /// If something writes to the image meanwhile, parts of it may be older
    /// than others.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if that is beyond the end, [`Kind::Unsafe`] if an image
    /// is damaged there, [`Kind::Storage`] if it cannot be read.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let length = buf.len() as u64;
        let end = offset.checked_add(length).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(Error::new(
                Kind::Usage,
                format_args!(
                    "{length} bytes at offset {offset} are beyond the end of a disk of {} bytes",
                    self.len
                ),
            ));
        }
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let run = self.locate(at, rest.len() as u64)?;
            let length = usize::try_from(run.length).unwrap_or(rest.len());
            let (part, after) = rest
                .split_at_mut_checked(length)
                .ok_or_else(|| Error::new(Kind::Storage, "a run is longer than what was asked"))?;
            self.read_run(&run, at, part)?;
            at = at.saturating_add(run.length);
            rest = after;
        }
        Ok(())
    }

    /// Whether there is data at `offset`, and for how long that holds. What it
    /// costs is bounded, and so may be the length of the answer.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::read_at`].
    pub fn extent(&self, offset: u64) -> Result<Extent> {
        self.part(offset).map(|part| Extent {
            len: part.len,
            data: part.data,
        })
    }

    /// Which layer says what is at `offset`, what that is, and for how long that
    /// holds. What it costs is bounded, and so may be the length of the answer.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::read_at`].
    pub fn part(&self, offset: u64) -> Result<Part> {
        let rest = self.len.saturating_sub(offset);
        let zeros = Part {
            len: rest,
            layer: None,
            data: false,
            compressed: false,
            offset: None,
        };
        if rest == 0 {
            return Ok(zeros);
        }
        let run = self.locate(offset, rest)?;
        let zeros = Part {
            len: run.length,
            layer: run.found.as_ref().map(|(_, number, _)| *number),
            ..zeros
        };
        Ok(match run.found {
            None | Some((Layer::Qcow2(_), _, Place::Below | Place::Zero)) => zeros,
            Some((Layer::Raw(raw), ..)) => {
                let (data, end) = raw.extent(offset)?;
                Part {
                    len: end.saturating_sub(offset).clamp(1, run.length),
                    data,
                    offset: data.then_some(offset),
                    ..zeros
                }
            }
            Some((Layer::Qcow2(_), _, Place::Data(at))) => Part {
                data: true,
                offset: Some(at),
                ..zeros
            },
            Some((Layer::Qcow2(_), _, Place::Compressed { .. })) => Part {
                data: true,
                compressed: true,
                ..zeros
            },
            Some((Layer::Served(_), ..)) => Part {
                data: true,
                ..zeros
            },
        })
    }

    /// The next part of the disk, from `offset` on, that is not known to be
    /// zeros; `None` if there is none. What follows it may be data too.
    ///
    /// After a long search it gives what it has come to, which may be zeros
    /// after all: tables can be made that take years to look through, and so
    /// whoever asks can stop.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::read_at`].
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let (mut at, mut looked) = (offset, 0);
        while at < self.len {
            let extent = self.extent(at)?;
            let end = at.saturating_add(extent.len.max(1));
            looked += 1;
            if extent.data || looked >= MAX_LOOKS {
                return Ok(Some(at..end));
            }
            at = end;
        }
        Ok(None)
    }

    /// Goes down the layers to the one that has what is at `offset`.
    fn locate(&self, offset: u64, most: u64) -> Result<Run<'_>> {
        let mut length = most;
        for (number, layer) in self.layers.iter().enumerate() {
            // A layer that is smaller than the one above goes on with zeros,
            // whatever is below it.
            let Some(left) = layer.size().checked_sub(offset).filter(|n| *n > 0) else {
                break;
            };
            length = length.min(left);
            let qcow2 = match layer {
                Layer::Raw(_) | Layer::Served(_) => {
                    let found = Some((layer, number, Place::Data(offset)));
                    return Ok(Run { found, length });
                }
                Layer::Qcow2(qcow2) => qcow2,
            };
            let (place, held) = qcow2.place(&self.tables, offset, length)?;
            length = held;
            match place {
                Place::Below => {}
                place => {
                    let found = Some((layer, number, place));
                    return Ok(Run { found, length });
                }
            }
        }
        Ok(Run {
            found: None,
            length,
        })
    }

    fn read_run(&self, run: &Run<'_>, offset: u64, buf: &mut [u8]) -> Result<()> {
        match run.found {
            None => buf.fill(0),
            Some((Layer::Raw(raw), _, _)) => raw.read(offset, buf)?,
            Some((Layer::Served(served), _, _)) => served.read(offset, buf)?,
            Some((Layer::Qcow2(qcow2), number, place)) => match place {
                Place::Data(at) => qcow2.read(at, buf)?,
                Place::Compressed { at, most } => {
                    self.read_compressed(qcow2, (number, at), most, offset, buf)?;
                }
                Place::Below | Place::Zero => buf.fill(0),
            },
        }
        Ok(())
    }

    /// Reads a part of a compressed cluster, which has to be decompressed as a
    /// whole; but not once for each part.
    fn read_compressed(
        &self,
        qcow2: &Qcow2,
        (layer, at): (usize, u64),
        most: u64,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let size = qcow2.cluster();
        if buf.len() as u64 == size {
            return qcow2.read_compressed(at, most, buf);
        }
        let whole = self.clusters.get((layer, at), || {
            let mut cluster = vec![0; usize::try_from(size).unwrap_or(0)];
            qcow2.read_compressed(at, most, &mut cluster)?;
            Ok(Arc::from(cluster))
        })?;
        let from = usize::try_from(offset % size).unwrap_or(usize::MAX);
        let part = whole.get(from..).and_then(|rest| rest.get(..buf.len()));
        match part {
            Some(part) => buf.copy_from_slice(part),
            None => {
                return Err(Error::new(
                    Kind::Storage,
                    "a cluster is not as large as it was",
                ));
            }
        }
        Ok(())
    }
}
