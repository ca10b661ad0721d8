//! Which part of a disk is in which image.

use std::path::PathBuf;

use serde::Serialize;

use super::Subject;
use super::looked::look;
use crate::error::Result;
use crate::image::read::{self, Part};
use crate::model::DiskTarget;
use crate::ops::guard::Allowed;
use crate::ops::{Host, Usage};

/// Which disks are to be mapped.
#[derive(Clone, Debug)]
pub struct MapRequest {
    /// The disks.
    pub subject: Subject,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A disk, from its first byte to its last.
#[derive(Clone, Debug, Serialize)]
pub struct DiskMap {
    /// Its name in the domain; `None` for an image by its path.
    pub target: Option<DiskTarget>,
    /// The image that the guest writes to.
    pub path: PathBuf,
    /// The size of the disk, in bytes.
    pub virtual_size: u64,
    /// Whether somebody may be writing to it, so that some of this was true a
    /// moment ago and is no longer.
    pub moving: bool,
    /// What it is made of, without a gap.
    pub parts: Vec<MappedPart>,
}

/// A part of a disk that is kept in one way. The words are those of
/// `qemu-img map --output=json`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MappedPart {
    /// Where it begins, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// How far below the top the image is that says what is there.
    pub depth: usize,
    /// Whether there is such an image; if not, there are zeros.
    pub present: bool,
    /// Whether it is known to be zeros.
    pub zero: bool,
    /// Whether it takes room in the image.
    pub data: bool,
    /// Whether it is compressed there.
    pub compressed: bool,
    /// Where in the file of the image it is, if it is there as it is.
    pub offset: Option<u64>,
    /// That image.
    pub file: Option<PathBuf>,
}

/// Finds out which part of a disk is in which image. The domain may be running.
///
/// # Errors
///
/// Those of [`info`](super::info::info), and those of
/// [`resolve`](crate::image::resolve) and of [`read::open`].
pub fn map(host: Host<'_>, request: &MapRequest) -> Result<Vec<DiskMap>> {
    host.must_be_here()?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let mut all = Vec::new();
    for disk in look(host, &usage, &request.subject, allow)? {
        let (target, path, moving) = (disk.target.clone(), disk.path.clone(), disk.moving);
        let chain = disk.chain()?;
        let opened = read::open(&chain, None)?;
        let files: Vec<PathBuf> = chain.layers().iter().map(|one| one.path.clone()).collect();
        let mut parts: Vec<MappedPart> = Vec::new();
        let mut at = 0;
        while at < opened.len() {
            host.interrupt.check()?;
            let part = opened.part(at)?;
            // A part without a length would never end.
            let length = part.len.max(1);
            add(&mut parts, mapped(at, length, part, &files));
            at = at.saturating_add(length);
        }
        all.push(DiskMap {
            target,
            path,
            virtual_size: opened.len(),
            moving,
            parts,
        });
    }
    Ok(all)
}

fn mapped(start: u64, length: u64, part: Part, files: &[PathBuf]) -> MappedPart {
    MappedPart {
        start,
        length,
        depth: part.layer.unwrap_or(files.len().saturating_sub(1)),
        present: part.layer.is_some(),
        zero: !part.data,
        data: part.data,
        compressed: part.compressed,
        offset: part.offset,
        // An NBD export has no file.
        file: part.layer.and_then(|layer| files.get(layer).cloned()),
    }
}

/// Adds a part, to the one before if it goes on in the same way.
fn add(parts: &mut Vec<MappedPart>, next: MappedPart) {
    if let Some(last) = parts.last_mut() {
        let goes_on = MappedPart {
            start: next.start,
            length: next.length,
            offset: last.offset.and_then(|at| at.checked_add(last.length)),
            ..last.clone()
        };
        if goes_on == next {
            last.length = last.length.saturating_add(next.length);
            return;
        }
    }
    parts.push(next);
}
