//! Reading a logical volume.

use std::sync::Arc;

use super::super::Blocks;
use super::super::slice::check_range;
use super::group::Segment;
use crate::error::{Error, Kind, Result};

/// A logical volume whose members are all there.
pub(super) struct Mapped {
    parts: Vec<Part>,
    len: u64,
}

/// A segment, and the volumes that it is on.
struct Part {
    /// Where it begins in the logical volume, in bytes.
    start: u64,
    segment: Segment,
    members: Vec<Arc<dyn Blocks>>,
}

impl Mapped {
    /// Puts segments together; the members of each are in the order of its
    /// stripes.
    pub(super) fn new(segments: Vec<(Segment, Vec<Arc<dyn Blocks>>)>) -> Self {
        let mut len = 0_u64;
        let parts = segments
            .into_iter()
            .map(|(segment, members)| {
                let start = len;
                len = len.saturating_add(segment.len);
                Part {
                    start,
                    segment,
                    members,
                }
            })
            .collect();
        Self { parts, len }
    }

    fn part(&self, offset: u64) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.start <= offset);
        self.parts.get(after.checked_sub(1)?)
    }
}

impl Part {
    /// Finds a byte of the segment: the member and the place on it, and for
    /// how many bytes that holds.
    fn place(&self, within: u64) -> Option<(&Arc<dyn Blocks>, u64, u64)> {
        let count = self.segment.stripes.len() as u64;
        let chunk = within.checked_div(self.segment.chunk)?;
        let in_chunk = within % self.segment.chunk;
        let turn = usize::try_from(chunk.checked_rem(count)?).ok()?;
        let stripe = self.segment.stripes.get(turn)?;
        let before = (chunk / count).checked_mul(self.segment.chunk)?;
        let at = stripe.offset.checked_add(before)?.checked_add(in_chunk)?;
        Some((self.members.get(turn)?, at, self.segment.chunk - in_chunk))
    }
}

impl Blocks for Mapped {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let nowhere = || Error::new(Kind::Unsafe, "a part of a logical volume is nowhere");
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let part = self.part(at).ok_or_else(nowhere)?;
            let within = at.saturating_sub(part.start);
            let left = part.segment.len.saturating_sub(within);
            let place = if part.segment.stripes.is_empty() {
                None
            } else {
                Some(part.place(within).ok_or_else(nowhere)?)
            };
            let run = place.as_ref().map_or(left, |(.., run)| left.min(*run));
            let length = usize::try_from(run).unwrap_or(rest.len()).min(rest.len());
            if length == 0 {
                return Err(nowhere());
            }
            let (now, later) = rest.split_at_mut_checked(length).ok_or_else(nowhere)?;
            match place {
                Some((member, place, _)) => member.read_at(place, now)?,
                None => now.fill(0),
            }
            at = at.saturating_add(length as u64);
            rest = later;
        }
        Ok(())
    }
}
