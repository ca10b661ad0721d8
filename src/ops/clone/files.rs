//! The files of clones: made under names of their own, renamed when they are
//! whole.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::network::{Origin, no_file};
use super::parent;
use super::plan::{Plan, PlannedClone, PlannedDisk};
use crate::error::Result;
use crate::image::{self, Copy, ExportCopy, ExportOverlay, Overlay};
use crate::model::FileId;
use crate::ops::Host;
use crate::store::FilePair;

/// The files that are made for a clone, in the order in which they are made.
pub(super) fn pairs(clone: &PlannedClone) -> Vec<FilePair> {
    let disks = clone.disks.iter().map(|disk| (&disk.temp, &disk.path));
    let others = [&clone.nvram, &clone.tpm]
        .into_iter()
        .flatten()
        .filter(|file| file.from.is_some())
        .map(|file| (&file.temp, &file.path));
    let seed = clone.guest.seed.iter().map(|seed| (&seed.temp, &seed.path));
    disks
        .chain(others)
        .chain(seed)
        .map(|(temp, path)| FilePair {
            temp: temp.clone(),
            path: path.clone(),
        })
        .collect()
}

/// Makes the files of a clone under their temporary names, on the disk when
/// this returns.
pub(super) fn make(host: Host<'_>, plan: &Plan, clone: &PlannedClone) -> Result<Vec<FileId>> {
    let mut made = Vec::new();
    for disk in &clone.disks {
        host.interrupt.check()?;
        made.push(image_of(host, plan, clone, disk)?);
        crate::failpoint::hit("clone.file")?;
    }
    if let Some(nvram) = &clone.nvram {
        if let Some(from) = &nvram.from {
            let new = image::copy_small(from, &nvram.temp)?;
            new.sync()?;
            made.push(new.id());
            crate::failpoint::hit("clone.nvram")?;
        }
    }
    if let Some(tpm) = &clone.tpm {
        if let Some(from) = &tpm.from {
            made.push(image::copy_tree(from, &tpm.temp)?);
        }
    }
    if let Some(seed) = &clone.guest.seed {
        let new = seed.contents.write(&seed.temp)?;
        new.sync()?;
        made.push(new.id());
        crate::failpoint::hit("clone.seed")?;
    }
    Ok(made)
}

/// Makes the image of one disk: an overlay, a copy, or an empty one.
fn image_of(
    host: Host<'_>,
    plan: &Plan,
    clone: &PlannedClone,
    disk: &PlannedDisk,
) -> Result<FileId> {
    let what = format!("{} ({})", clone.name, disk.target);
    let progress = |done, total| host.observer.progress(&what, done, total);
    let stop = host.interrupt.flag();
    let new = match (&disk.source, plan.linked()) {
        (Origin::Blank { size, format, .. }, _) => image::write_blank(&disk.temp, *size, *format),
        (Origin::Volume { .. }, _) => Err(no_file(&disk.source)),
        (Origin::Image(chain), true) => {
            let base = chain.top();
            let overlay = Overlay {
                virtual_size: disk.grown.unwrap_or(base.virtual_size),
                backing: &base.path,
                backing_format: base.format,
            };
            image::write(&disk.temp, &overlay)
        }
        (
            Origin::Export {
                export,
                virtual_size,
            },
            true,
        ) => ExportOverlay {
            virtual_size: *virtual_size,
            export,
        }
        .write(&disk.temp),
        (Origin::Image(chain), false) => Copy {
            chain,
            to: &disk.temp,
            format: disk.format,
            reflink: plan.reflink,
        }
        .run(&progress, stop),
        (
            Origin::Export {
                export,
                virtual_size,
            },
            false,
        ) => ExportCopy {
            export,
            virtual_size: *virtual_size,
            to: &disk.temp,
            format: disk.format,
        }
        .run(&progress, stop),
    };
    let new = new.map_err(|error| host.stopped_by(error))?;
    new.sync()?;
    Ok(new.id())
}

/// Gives the files of these clones their names, on the disk when this returns.
///
/// # Errors
///
/// [`Kind::Exists`](crate::error::Kind::Exists) if somebody was faster with one.
pub(super) fn publish(clones: &[&PlannedClone]) -> Result<()> {
    let mut dirs: BTreeSet<PathBuf> = BTreeSet::new();
    for clone in clones {
        for pair in pairs(clone) {
            image::publish(&pair.temp, &pair.path)?;
            dirs.insert(parent(&pair.path));
            crate::failpoint::hit("clone.renamed")?;
        }
    }
    for dir in &dirs {
        image::sync_dir(dir)?;
    }
    Ok(())
}
