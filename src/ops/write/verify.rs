//! Reading back what was written, before it counts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::transaction::Written;
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Mountable, Spot};
use crate::guest::native::{Blocks, Volumes};
use crate::guest::system::System;
use crate::guest::tree::Tree;
use crate::image;
use crate::interrupt::Interrupt;
use crate::model::Chain;

/// How much is compared at once.
const PIECE: usize = 1 << 20;

/// Makes sure that the files that changes gave contents have them, as the native
/// engine reads them off these disks. Where that cannot read a file system, there
/// is nothing to compare with.
///
/// # Errors
///
/// [`Kind::Storage`] if one has not.
pub(in crate::ops) fn contents(
    disks: &[(String, Chain)],
    Written { mounts, changes }: Written<'_>,
    interrupt: &Interrupt,
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut volumes = Vec::new();
    for (name, chain) in disks {
        let disk: Arc<dyn Blocks> = Arc::new(image::read::open(chain, None)?);
        volumes.push((name.clone(), disk));
    }
    let system = System::open(&Volumes::find(&volumes));
    let trees: Vec<Option<Tree>> = mounts.iter().map(|one| tree_of(&system, one)).collect();
    for (number, change) in changes.iter().enumerate() {
        interrupt.check()?;
        let (Change::Contents { at, from, .. }
        | Change::File {
            at,
            from: Some(from),
            ..
        }) = change
        else {
            continue;
        };
        let later = changes.get(number + 1..).unwrap_or_default();
        if let Some(tree) = trees.get(at.fs).and_then(Option::as_ref) {
            if !is_changed_by(later, at) {
                must_be(tree, at, from)?;
            }
        }
    }
    Ok(())
}

fn tree_of(system: &System, mount: &Mountable) -> Option<Tree> {
    let part = system.by_device(&mount.device)?;
    let fs = std::rc::Rc::clone(part.readable().ok()?);
    let root = fs.root_for(&mount.options).ok()??;
    Some(Tree::new(mount.device.clone(), fs, root))
}

/// Whether a file is moved away, removed or written again afterwards.
fn is_changed_by(later: &[Change], at: &Spot) -> bool {
    let above = |spot: &&Spot| at.path == spot.path || at.path.starts_with(&dir(&spot.path));
    later.iter().any(|change| match change {
        Change::Mode { .. } | Change::Owner { .. } | Change::Touched { .. } => false,
        other => other.spots().iter().any(above),
    })
}

fn dir(path: &[u8]) -> Vec<u8> {
    [path, b"/"].concat()
}

fn must_be(tree: &Tree, at: &Spot, from: &Path) -> Result<()> {
    let wrong = |why: &str| {
        Error::new(
            Kind::Storage,
            format!("what was written to {at} cannot be read back: {why}"),
        )
    };
    let place = tree
        .find_itself(&at.inner)
        .map_err(|error| wrong(&error.to_string()))?;
    let cannot = |error| Error::io(format!("cannot read {}", from.display()), error);
    let mut file = File::open(from).map_err(cannot)?;
    let size = tree.stat(&place)?.size;
    if size != file.metadata().map_err(cannot)?.len() {
        return Err(wrong("its length is another"));
    }
    let (mut there, mut wanted) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0_u64;
    while offset < size {
        let count = tree.read(&place, offset, &mut there)?;
        let wanted = wanted.get_mut(..count).unwrap_or_default();
        file.read_exact(wanted).map_err(cannot)?;
        if count == 0 || there.get(..count) != Some(&*wanted) {
            return Err(wrong("its contents are others"));
        }
        offset = offset.saturating_add(count as u64);
    }
    Ok(())
}
