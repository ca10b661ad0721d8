//! One image of another host: which pieces of it are there, and which to ask
//! for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Ranges;
use super::ahead::Ahead;
use crate::error::{Error, Kind, Result};
use crate::image::file::shown;
use crate::image::read::Cache;
use crate::image::source::Image;
use crate::model::{FileId, VolumeFacts};

/// How much is kept and asked for as one, in bytes.
pub(super) const BLOCK: u64 = 64 << 10;

/// An image of another host that is open for reading.
#[derive(Debug)]
pub(super) struct RemoteImage {
    path: PathBuf,
    /// Which of the images it is that were opened there.
    number: usize,
    ranges: Box<dyn Ranges>,
    /// What it was when it was opened.
    facts: VolumeFacts,
    /// How large it is as far as is known by now, in bytes.
    size: AtomicU64,
    /// Its blocks, and those of the other images.
    cache: Arc<Cache>,
    ahead: Mutex<Ahead>,
}

impl RemoteImage {
    pub(super) fn new(
        path: PathBuf,
        number: usize,
        ranges: Box<dyn Ranges>,
        cache: Arc<Cache>,
    ) -> Result<Self> {
        let facts = ranges.facts()?;
        Ok(Self {
            path,
            number,
            ranges,
            size: AtomicU64::new(facts.size),
            facts,
            cache,
            ahead: Mutex::default(),
        })
    }

    /// Whether it was written to since it was opened; `None` if nobody can tell.
    pub(super) fn was_written(&self) -> Result<Option<bool>> {
        let now = self.ranges.facts()?;
        let told = now.modified.is_some() && self.facts.modified.is_some();
        Ok((told || now.size != self.facts.size)
            .then(|| now.modified != self.facts.modified || now.size != self.facts.size))
    }

    /// Where what can be read ends, up to `end`. It may have grown.
    fn end(&self, end: u64) -> Result<u64> {
        let mut size = self.size.load(Ordering::Relaxed);
        if end > size {
            size = self.grown()?;
        }
        Ok(end.min(size))
    }

    /// The size it has now.
    fn grown(&self) -> Result<u64> {
        let size = self.ranges.facts()?.size;
        self.size.store(size, Ordering::Relaxed);
        Ok(size)
    }

    /// Gets the block that begins at `block`, and what else is to be read along
    /// with it: what is wanted up to `end`, at least.
    fn fetch(&self, block: u64, end: u64) -> Result<Arc<[u8]>> {
        let wanted = end
            .saturating_sub(block)
            .checked_next_multiple_of(BLOCK)
            .unwrap_or(BLOCK);
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let length = ahead.length(block, wanted);
        drop(ahead);
        let size = self.size.load(Ordering::Relaxed);
        let length = length.min(size.saturating_sub(block));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.ranges.read(block, length)?;
        if bytes.len() > length {
            return Err(Error::new(
                Kind::Storage,
                format_args!(
                    "more of {} was sent than asked for: {} bytes, and not {length}",
                    shown(&self.path),
                    bytes.len()
                ),
            ));
        }
        let mut first = None;
        let mut at = block;
        let step = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        for piece in bytes.chunks(step) {
            let piece: Arc<[u8]> = piece.into();
            self.cache.keep((self.number, at), &piece, true);
            first.get_or_insert(piece);
            at = at.saturating_add(BLOCK);
        }
        Ok(first.unwrap_or_else(|| Arc::from([])))
    }
}

impl Image for Arc<RemoteImage> {
    fn path(&self) -> &Path {
        &self.path
    }

    /// A number of its own, which no file of this host has: what the inode is
    /// there, nobody says.
    fn id(&self) -> FileId {
        FileId {
            device: u64::MAX,
            inode: self.number as u64,
        }
    }

    fn is_block(&self) -> bool {
        self.facts.block
    }

    fn size(&self) -> u64 {
        self.facts.size
    }

    fn size_now(&self) -> Result<u64> {
        self.grown()
    }

    fn allocated(&self) -> u64 {
        self.facts.allocated
    }

    fn read_into(&self, offset: u64, bytes: &mut [u8]) -> Result<usize> {
        // A header may name any place.
        let Some(end) = offset.checked_add(bytes.len() as u64) else {
            return Ok(0);
        };
        let end = self.end(end)?;
        let mut done = 0_usize;
        let mut at = offset;
        while at < end {
            let within = at % BLOCK;
            let block = at - within;
            // The last block may have been shorter when it was read.
            let needed = end.saturating_sub(block).min(BLOCK);
            let kept = self.cache.find((self.number, block));
            let piece = match kept.filter(|kept| kept.len() as u64 >= needed) {
                Some(kept) => kept,
                None => self.fetch(block, end)?,
            };
            let from = usize::try_from(within).unwrap_or(usize::MAX);
            let part = piece.get(from..).unwrap_or_default();
            let rest = bytes.get_mut(done..).unwrap_or_default();
            let count = part.len().min(rest.len());
            if count == 0 {
                // It is shorter than it was.
                break;
            }
            if let (Some(to), Some(part)) = (rest.get_mut(..count), part.get(..count)) {
                to.copy_from_slice(part);
            }
            done = done.saturating_add(count);
            at = at.saturating_add(count as u64);
        }
        Ok(done)
    }
}
