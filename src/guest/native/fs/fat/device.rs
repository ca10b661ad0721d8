//! What the library reads from, and what is learnt from where it reads.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::guest::native::Blocks;

/// Directories are read a few bytes at a time, in turns with the table.
const PAGE: u64 = 16 << 10;
const PAGES: usize = 8;

/// What is shared with those who use the library.
#[derive(Default)]
pub(super) struct Probe {
    /// How many more bytes may be read.
    left: Cell<u64>,
    /// Where the clusters begin.
    data_at: Cell<u64>,
    /// Whether what is read of clusters is only noted, and the first that was.
    noting: Cell<bool>,
    noted: Cell<Option<u64>>,
    /// Why the disk could not be read.
    error: RefCell<Option<Error>>,
}

impl Probe {
    /// Lets the library read so many bytes more. A chain in a circle has no end.
    pub(super) fn allow(&self, bytes: u64) {
        self.left.set(bytes);
    }

    pub(super) fn data_from(&self, offset: u64) {
        self.data_at.set(offset);
    }

    /// Where in the clusters a call of the library would read first; nothing of
    /// them is read.
    pub(super) fn first_read(&self, call: impl FnOnce() -> io::Result<usize>) -> Option<u64> {
        self.noted.set(None);
        self.noting.set(true);
        // It reads nothing but zeros, which is no mistake of the image.
        drop(call());
        self.noting.set(false);
        self.noted.take()
    }

    /// Why the disk could not be read, if that is why the library failed.
    ///
    /// # Errors
    ///
    /// That.
    pub(super) fn failed(&self) -> Result<()> {
        self.error.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// A volume that refuses to be written to.
pub(super) struct Device {
    blocks: Arc<dyn Blocks>,
    probe: Rc<Probe>,
    position: u64,
    pages: VecDeque<(u64, Vec<u8>)>,
}

impl Device {
    pub(super) fn new(blocks: Arc<dyn Blocks>, probe: Rc<Probe>) -> Self {
        Self {
            blocks,
            probe,
            position: 0,
            pages: VecDeque::new(),
        }
    }

    /// The page that an offset is in is the first then.
    fn load(&mut self, page: u64) -> Result<()> {
        if let Some(found) = self.pages.iter().position(|(at, _)| *at == page) {
            self.pages.swap(0, found);
            return Ok(());
        }
        let length = self.blocks.len().saturating_sub(page).min(PAGE);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.blocks.read_at(page, &mut bytes)?;
        self.pages.truncate(PAGES - 1);
        self.pages.push_front((page, bytes));
        Ok(())
    }
}

impl Read for Device {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let probe = &self.probe;
        if probe.noting.get() && self.position >= probe.data_at.get() {
            if probe.noted.get().is_none() {
                probe.noted.set(Some(self.position));
            }
            buf.fill(0);
            self.position = self.position.saturating_add(buf.len() as u64);
            return Ok(buf.len());
        }
        let within = self.position % PAGE;
        let page = self.position - within;
        if self.position >= self.blocks.len() || buf.is_empty() {
            return Ok(0);
        }
        if let Err(error) = self.load(page) {
            *self.probe.error.borrow_mut() = Some(error);
            return Err(io::Error::other("the disk cannot be read"));
        }
        let bytes = self.pages.front().map_or(&[][..], |(_, bytes)| bytes);
        let rest = usize::try_from(within)
            .ok()
            .and_then(|within| bytes.get(within..))
            .unwrap_or_default();
        let count = rest.len().min(buf.len());
        let left = self.probe.left.get().checked_sub(count as u64);
        let left = left.ok_or_else(|| io::Error::other("a directory has no end"))?;
        self.probe.left.set(left);
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Device {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.blocks.len().checked_add_signed(by),
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        self.position = position;
        Ok(position)
    }
}

impl Write for Device {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
