//! What is read piece by piece is kept in pages: structures that lie beside
//! each other are read one after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use super::checked::damaged;
use crate::error::Result;
use crate::guest::native::Blocks;

const PAGE: usize = 64 << 10;
const PAGES: usize = 8;

/// A volume, and the pages of it that were read last.
pub(super) struct Pages {
    blocks: Arc<dyn Blocks>,
    pages: VecDeque<(u64, Vec<u8>)>,
}

impl Pages {
    pub(super) fn of(blocks: Arc<dyn Blocks>) -> Self {
        Self {
            blocks,
            pages: VecDeque::new(),
        }
    }

    /// The length of the volume, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.blocks.len()
    }

    /// Fills `buf` from `offset`; through the pages, if it is less than one.
    pub(super) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if buf.len() < PAGE {
            return self.small(offset, buf);
        }
        self.blocks.read_at(offset, buf)
    }

    fn small(&mut self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            let start = offset - offset % PAGE as u64;
            if let Some(found) = self.pages.iter().position(|(at, _)| *at == start) {
                self.pages.swap(0, found);
            } else {
                let length = self.blocks.len().saturating_sub(start).min(PAGE as u64);
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
                self.blocks.read_at(start, &mut bytes)?;
                self.pages.truncate(PAGES - 1);
                self.pages.push_front((start, bytes));
            }
            let page = self.pages.front().map_or(&[][..], |(_, bytes)| bytes);
            let within = usize::try_from(offset - start).unwrap_or(usize::MAX);
            let rest = page.get(within..).unwrap_or_default();
            let count = rest.len().min(buf.len());
            if count == 0 {
                return Err(damaged("it goes on beyond the end of the disk"));
            }
            let (now, later) = buf.split_at_mut(count);
            for (to, from) in now.iter_mut().zip(rest) {
                *to = *from;
            }
            buf = later;
            offset = offset.saturating_add(count as u64);
        }
        Ok(())
    }
}
