//! What is in the files of clones: overlays, UEFI variables, disks for cloud-init.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::there::{There, locked};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Overlay, OverlayContents, shown};
use crate::model::VolumeFacts;
use crate::ops::Host;
use crate::ops::clone::network::Origin;
use crate::ops::clone::plan::PlannedClone;

/// The most that UEFI variables take: as much as a flash chip of AArch64.
const MOST: usize = 64 << 20;

/// How much of them is asked for at once.
const PIECE: usize = 1 << 20;

/// The bytes of a file.
#[derive(Debug)]
pub(in crate::ops) struct Contents {
    /// All up to the last that is not zero.
    pub(in crate::ops) bytes: Vec<u8>,
    /// How long the file is, in bytes.
    pub(in crate::ops) length: u64,
}

impl Contents {
    fn new(mut bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        let used = bytes.iter().rposition(|byte| *byte != 0);
        bytes.truncate(used.map_or(0, |last| last.saturating_add(1)));
        Self { bytes, length }
    }

    /// A new disk in one piece: each piece of its own would be three more ways there
    /// and back, and another look of libvirt at the whole pool.
    pub(in crate::ops) fn of(laid_out: &OverlayContents) -> Self {
        let mut bytes = Vec::new();
        for (offset, piece) in &laid_out.pieces {
            // They are in ascending order.
            let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
            bytes.resize(offset.max(bytes.len()), 0);
            bytes.extend(piece);
        }
        Self {
            bytes,
            length: laid_out.length,
        }
    }

    /// The SHA-256 of how the file begins, as [`image::head_sha256`] tells it.
    pub(in crate::ops) fn head_sha256(&self) -> String {
        let whole = usize::try_from(self.length).unwrap_or(usize::MAX);
        let mut head = vec![0; image::HEAD.min(whole)];
        let known = head.iter_mut().zip(&self.bytes);
        known.for_each(|(to, from)| *to = *from);
        image::head_sha256(&head)
    }
}

/// Whether nothing was written to a volume that begins like this. How a raw disk
/// begins does not tell that alone.
pub(in crate::ops) fn is_empty(facts: &VolumeFacts, head: &[u8]) -> bool {
    begins_empty(head) && facts.allocated <= image::HEAD as u64
}

/// Whether a volume begins with nothing.
pub(in crate::ops) fn begins_empty(head: &[u8]) -> bool {
    head.iter().all(|byte| *byte == 0)
}

/// The files that are made for a clone, in this order.
pub(super) fn paths(clone: &PlannedClone) -> impl Iterator<Item = &Path> {
    let disks = clone.disks.iter().map(|disk| disk.path.as_path());
    let nvram = clone.nvram.iter().map(|nvram| nvram.path.as_path());
    let seed = clone.guest.seed.iter().map(|seed| seed.path.as_path());
    disks.chain(nvram).chain(seed)
}

impl There {
    /// What is in the files of a clone that are filled from here.
    pub(super) fn contents(
        &self,
        host: Host<'_>,
        clone: &PlannedClone,
    ) -> Result<Vec<(PathBuf, Arc<Contents>)>> {
        let mut all = Vec::new();
        for disk in &clone.disks {
            let laid_out = match &disk.source {
                // Libvirt copies it.
                Origin::Image(_) if self.full => continue,
                Origin::Image(chain) => {
                    let base = chain.top();
                    let overlay = Overlay {
                        virtual_size: disk.grown.unwrap_or(base.virtual_size),
                        backing: &base.path,
                        backing_format: base.format,
                    };
                    overlay.contents()?
                }
                Origin::Blank { size, format } => image::blank(*size, *format)?,
                // What is no image is refused before.
                Origin::Export { .. } | Origin::Volume { .. } => continue,
            };
            all.push((disk.path.clone(), Arc::new(Contents::of(&laid_out))));
        }
        if let Some(nvram) = &clone.nvram {
            if let Some(from) = &nvram.from {
                all.push((nvram.path.clone(), self.copied(host, from)?));
            }
        }
        if let Some(seed) = &clone.guest.seed {
            let contents = Contents::new(seed.contents.image()?);
            all.push((seed.path.clone(), Arc::new(contents)));
        }
        Ok(all)
    }

    /// What is in a file that is copied. It is read once.
    fn copied(&self, host: Host<'_>, from: &Path) -> Result<Arc<Contents>> {
        let mut copied = locked(&self.copied);
        if let Some(known) = copied.get(from) {
            return Ok(Arc::clone(known));
        }
        let contents = Arc::new(Contents::new(read(host, from)?));
        copied.insert(from.to_owned(), Arc::clone(&contents));
        Ok(contents)
    }
}

fn read(host: Host<'_>, from: &Path) -> Result<Vec<u8>> {
    let what = |why: &str| {
        Error::new(
            Kind::WrongState,
            format!("cannot copy {}: {why}", shown(from)),
        )
    };
    let volume = host.hypervisor.volume_at(from)?;
    let volume = volume.ok_or_else(|| what("it is no volume any more"))?;
    let mut bytes = Vec::new();
    loop {
        host.interrupt.check()?;
        let piece = volume.read(bytes.len() as u64, PIECE)?;
        let last = piece.len() < PIECE;
        bytes.extend(piece);
        if bytes.len() > MOST {
            return Err(what("it is larger than UEFI variables can be"));
        }
        if last {
            return Ok(bytes);
        }
    }
}
