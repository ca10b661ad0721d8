//! New images in the place of an overlay that is leased: one that stands alone,
//! and one on another base. Both read as the old one did, and that is compared.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::chain::resolve;
use super::copy::{all_of_it, convert, duplicate, must_have_room_for};
use super::file::shown;
use super::lock::Lease;
use super::overlay::NewFile;
use super::qemu_img::{QemuImg, image_options, progress_of, writable};
use super::read;
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer};

/// How much of two disks is compared at a time, in bytes.
const PIECE: usize = 1 << 20;

/// Makes an image that stands alone of a chain whose top image is leased. It is
/// not on the disk before [`NewFile::sync`].
///
/// # Errors
///
/// [`Kind::Storage`] if there is no room for it, or it cannot be written;
/// [`Kind::Environment`] without `qemu-img`; [`Kind::Interrupted`] soon after
/// `cancel` becomes true. Nothing is left behind.
pub fn flattened(
    chain: &Chain,
    lease: &Lease,
    to: &Path,
    format: ImageFormat,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<NewFile> {
    let tool = QemuImg::find()?;
    let size = chain.top().virtual_size;
    let taken = chain.layers().iter().map(|layer| layer.allocated);
    let needed = taken.fold(0, u64::saturating_add).min(size);
    must_have_room_for(to, needed)?;
    let from = image_options(chain, Some(lease))?;
    let new = NewFile::create(to)?;
    match convert(&tool, from, size, &new, format, progress, cancel) {
        Ok(()) => Ok(new),
        Err(error) => {
            new.discard();
            Err(error)
        }
    }
}

/// Makes an overlay on another base that reads as a leased one does: what differs
/// is copied into it.
///
/// # Errors
///
/// Those of [`flattened`].
pub fn rebased(
    chain: &Chain,
    lease: &Lease,
    to: &Path,
    base: &Chain,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<NewFile> {
    let tool = QemuImg::find()?;
    let new = duplicate(lease.image(), to, &|_, _| {}, cancel)?;
    let work = || -> Result<()> {
        // Its name is nobody's, and so it is leased as the disk of a guest is.
        let top = Layer {
            path: to.to_owned(),
            file: new.id(),
            ..chain.top().clone()
        };
        let copy = Chain::new(top, chain.backing().to_vec());
        let own = Lease::of_new(&new)?;
        let size = chain.top().virtual_size;
        tool.rebase(writable(&copy, &own)?, base.top(), size)
            .cancel(cancel)
            .run_lines(&mut |line| {
                if let Some(hundredths) = progress_of(line) {
                    progress(size / 10_000 * hundredths, size);
                }
            })?;
        drop(own);
        all_of_it(to, ImageFormat::Qcow2, cancel)
    };
    match work() {
        Ok(()) => Ok(new),
        Err(error) => {
            new.discard();
            Err(error)
        }
    }
}

/// Reads a new image and what it takes the place of, and makes sure that a guest
/// sees no difference.
///
/// # Errors
///
/// [`Kind::Storage`] if there is one; those of reading; [`Kind::Interrupted`] soon
/// after `cancel` becomes true.
pub fn must_read_the_same(
    old: &Chain,
    new: &Chain,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<()> {
    let (one, other) = (read::open(old, None)?, read::open(new, None)?);
    let size = one.len();
    let differs = |at: u64| {
        Error::new(
            Kind::Storage,
            format_args!(
                "{} was to read as {} does, and differs at byte {at}",
                shown(&new.top().path),
                shown(&old.top().path)
            ),
        )
    };
    if other.len() != size {
        return Err(differs(size.min(other.len())));
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < size {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "comparing was interrupted"));
        }
        // What is zeros in both is not read.
        let (a, b) = (one.extent(at)?, other.extent(at)?);
        if !a.data && !b.data {
            at = at.saturating_add(a.len.min(b.len).max(1));
            continue;
        }
        let length = size.saturating_sub(at).min(PIECE as u64);
        let length = usize::try_from(length).unwrap_or(PIECE);
        let (Some(left), Some(right)) = (left.get_mut(..length), right.get_mut(..length)) else {
            return Err(differs(at));
        };
        one.read_at(at, left)?;
        other.read_at(at, right)?;
        if let Some(offset) = left.iter().zip(right.iter()).position(|(a, b)| a != b) {
            return Err(differs(at.saturating_add(offset as u64)));
        }
        at = at.saturating_add(length as u64);
        progress(at, size);
    }
    Ok(())
}

/// The chain of a new image that has these layers below it, as its header says.
///
/// # Errors
///
/// [`Kind::Unsafe`] if its header says something else.
pub fn chain_of_new(path: &Path, format: ImageFormat, below: Option<&Chain>) -> Result<Chain> {
    let named: Vec<_> = below.iter().flat_map(|chain| chain.layers()).collect();
    let named = named.into_iter().map(|layer| layer.path.clone());
    let chain = resolve(
        path,
        format,
        &Trust::new(std::iter::empty::<&Path>(), named),
    )?;
    let files = |layers: &[Layer]| -> Vec<_> { layers.iter().map(|layer| layer.file).collect() };
    if files(chain.backing()) == below.map(|chain| files(chain.layers())).unwrap_or_default() {
        return Ok(chain);
    }
    Err(Error::new(
        Kind::Unsafe,
        format_args!(
            "{} has other layers below it than it was given",
            shown(path)
        ),
    ))
}
