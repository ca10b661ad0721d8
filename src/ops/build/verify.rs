//! Reading back what was made, by the engine that reads guests.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::guest::build::Wanted;
use crate::guest::native::fs::Health;
use crate::guest::native::{Blocks, Content, Volumes};
use crate::guest::system::System;
use crate::image::{self, Trust};
use crate::model::ImageFormat;
use crate::model::layout::{FsType, Holds, Layout};
use crate::ops::build::Workshop;

/// Makes sure that everything that was to be in an image is there, and nothing
/// else. `layout` is that of a disk; CDs and floppies have one file system.
///
/// # Errors
///
/// [`Kind::Storage`] if it is not.
pub(super) fn verify(
    workshop: Workshop<'_>,
    image: &Path,
    format: ImageFormat,
    layout: Option<&Layout>,
    wanted: Option<(&Wanted, u64)>,
) -> Result<()> {
    let chain = image::resolve(image, format, &Trust::default())?;
    let disk: Arc<dyn Blocks> = Arc::new(image::read::open(&chain, None)?);
    let volumes = Volumes::find(&[("sda".to_owned(), disk)]);
    if let Some(problem) = volumes.problems.first() {
        return Err(wrong(&format!("{}: {}", problem.name, problem.error)));
    }
    let system = System::open(&volumes);
    let mut mounts = Vec::new();
    match layout {
        None => mounts.push(("/dev/sda".to_owned(), "/".to_owned())),
        Some(layout) => {
            for place in layout.places() {
                let device = format!("/dev/{}", place.device);
                let part = system.by_device(&device);
                let part = part.ok_or_else(|| wrong(&format!("there is no {device}")))?;
                if let Some(content) = content_of(place.holds) {
                    if part.content != content {
                        return Err(wrong(&format!("{device} holds {}", part.content)));
                    }
                }
                let Holds::Files { dir, label, .. } = place.holds else {
                    continue;
                };
                let fs = part.readable()?;
                if fs.health() != Health::Clean {
                    return Err(wrong(&format!("{device} was not closed well")));
                }
                let there = fs.label().unwrap_or_default();
                if let Some(label) = label {
                    // That of FAT is in large letters.
                    if !there.eq_ignore_ascii_case(label.as_bytes()) {
                        return Err(wrong(&format!("{device} has another label")));
                    }
                }
                if let Some(dir) = dir {
                    mounts.push((device, dir.clone()));
                }
            }
        }
    }
    let Some((wanted, total)) = wanted else {
        return Ok(());
    };
    let tree = system.tree_of(&mounts)?;
    wanted.compare(&tree, workshop.interrupt, &mut |done| {
        workshop.observer.progress("checking", done, total);
    })
}

fn content_of(holds: &Holds) -> Option<Content> {
    Some(match holds {
        Holds::Files { kind, .. } => match kind {
            FsType::Ext2 | FsType::Ext3 | FsType::Ext4 => Content::Ext,
            FsType::Xfs => Content::Xfs,
            FsType::Btrfs => Content::Btrfs,
            FsType::Vfat => Content::Fat,
            FsType::Ntfs => Content::Ntfs,
        },
        Holds::Swap { .. } => Content::Swap,
        Holds::Group(_) => Content::LvmPv,
        Holds::BiosBoot | Holds::Nothing => return None,
    })
}

fn wrong(what: &str) -> Error {
    Error::new(
        Kind::Storage,
        format!("the new disk is not as it must be: {what}"),
    )
}
