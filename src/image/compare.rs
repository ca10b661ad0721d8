//! Whether two disks are the same to a guest, whoever has to read them.

use std::sync::atomic::AtomicBool;

use super::file::shown;
use super::qemu_img::{QemuImg, image_options, mismatch, telling};
use super::read::{self, Comparison};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat};

/// Compares two disks, of the first an internal snapshot if one is named, by its
/// name or id.
///
/// They are read here, unless one is in a format that QEMU reads for this program:
/// asked piece by piece, it does not tell what is zeros.
///
/// # Errors
///
/// Those of [`read::open`] and [`read::compare`]; [`Kind::Environment`] without
/// `qemu-img` where that is needed.
pub fn compare_disks(
    one: &Chain,
    snapshot: Option<&str>,
    other: &Chain,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<Comparison> {
    let mut layers = one.layers().iter().chain(other.layers());
    let ours = layers.all(|layer| {
        matches!(
            layer.format,
            ImageFormat::Raw | ImageFormat::Iso | ImageFormat::Qcow2
        )
    });
    if ours || snapshot.is_some() {
        let (one, other) = (read::open(one, snapshot)?, read::open(other, None)?);
        return read::compare(&one, &other, progress, cancel);
    }
    let (size, other_size) = (one.top().virtual_size, other.top().virtual_size);
    let all = size.max(other_size);
    let tool = QemuImg::find()?;
    let run = tool.compare(image_options(one, None)?, image_options(other, None)?, all);
    let said = run.cancel(cancel).run_lines(&mut telling(progress, all))?;
    let differs_at = mismatch(&said).map_err(|said| {
        Error::new(
            Kind::Storage,
            format_args!(
                "`qemu-img compare` of {} and {} said what cannot be understood: {said}",
                shown(&one.top().path),
                shown(&other.top().path)
            ),
        )
    })?;
    Ok(Comparison {
        differs_at,
        size,
        other_size,
    })
}
