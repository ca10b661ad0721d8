//! New images in the place of an overlay that is leased: one that stands alone,
//! and one on another base. Both read as the old one did, and that is compared.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::chain::resolve;
use super::copy::{all_of_it, convert, duplicate, most_of, must_have_room_for};
use super::file::shown;
use super::lock::Lease;
use super::overlay::NewFile;
use super::qemu_img::{QemuImg, image_options, telling, writable};
use super::read;
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer};

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
    must_have_room_for(to, most_of(chain))?;
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
            .run_lines(&mut telling(progress, size))?;
        drop(own);
        all_of_it(&chain_of_new(to, ImageFormat::Qcow2, Some(base))?, cancel)
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
    let Some(at) = differs_at(old, new, progress, cancel)? else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Storage,
        format_args!(
            "{} was to read as {} does, and differs at byte {at}",
            shown(&new.top().path),
            shown(&old.top().path)
        ),
    ))
}

/// From which byte on two images read something else, or have another size.
///
/// # Errors
///
/// Those of reading; [`Kind::Interrupted`] soon after `cancel` becomes true.
pub fn differs_at(
    one: &Chain,
    other: &Chain,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<Option<u64>> {
    let (one, other) = (read::open(one, None)?, read::open(other, None)?);
    if one.len() != other.len() {
        return Ok(Some(one.len().min(other.len())));
    }
    Ok(read::compare(&one, &other, progress, cancel)?.differs_at)
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
