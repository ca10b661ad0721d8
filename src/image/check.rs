//! Checking the tables of an image, and repairing them: the work of
//! `qemu-img check`, on what has been resolved and locked here.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::file::shown;
use super::giving_back::giving_back;
use super::lock::Lease;
use super::qemu_img::{QemuImg, Repair, image_options, writable};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat};
use crate::process::Output;

/// What a check has found in one image; the layers below are not checked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all(deserialize = "kebab-case"))]
pub struct Checked {
    /// Wrong entries that are there now.
    pub corruptions: u64,
    /// Clusters that are there now, are taken, and belong to nothing.
    pub leaks: u64,
    /// Wrong entries that were repaired.
    pub corruptions_fixed: u64,
    /// Leaked clusters that were given back.
    pub leaks_fixed: u64,
    /// How often the check itself failed, so that there may be more.
    pub check_errors: u64,
}

impl Checked {
    /// Whether the image is as it must be. Leaks cost space and no data.
    pub fn is_sound(&self) -> bool {
        self.corruptions == 0 && self.check_errors == 0
    }
}

/// Whether there is anything to check in images of this format.
pub fn can_be_checked(format: ImageFormat) -> bool {
    matches!(
        format,
        ImageFormat::Qcow2
            | ImageFormat::Qed
            | ImageFormat::Vdi
            | ImageFormat::Vhdx
            | ImageFormat::Parallels
    )
}

/// Checks the top image of a chain, which nobody may write to meanwhile.
///
/// # Errors
///
/// [`Kind::Interrupted`] soon after `cancel` becomes true, [`Kind::Environment`] without `qemu-img`, [`Kind::Storage`] if it cannot
/// check the image, and those of [`image_options`].
pub fn check(chain: &Chain, cancel: &AtomicBool) -> Result<Checked> {
    let tool = QemuImg::find()?;
    let image = image_options(chain, None)?;
    let run = tool.check(image, chain.top().virtual_size);
    let output = run.cancel(cancel).run()?;
    read(chain, &output)
}

/// The same of an image that is leased, in the middle of something.
pub(super) fn check_leased(chain: &Chain, lease: &Lease, cancel: &AtomicBool) -> Result<Checked> {
    let tool = QemuImg::find()?;
    let image = image_options(chain, Some(lease))?;
    let run = tool.check(image, chain.top().virtual_size);
    read(chain, &run.cancel(cancel).run()?)
}

/// Repairs the top image of a chain, and checks it again: `qemu-img` counts as
/// repaired what it then could not write, and ends well. A repair that is
/// killed can be repeated.
///
/// # Errors
///
/// Those of [`check`]; [`Kind::Storage`] if the repair did not reach the disk.
pub fn repair(chain: &Chain, lease: &Lease, what: Repair, cancel: &AtomicBool) -> Result<Checked> {
    let tool = QemuImg::find()?;
    let size = chain.top().virtual_size;
    let run = tool.repair(writable(chain, lease)?, what, size);
    let output = giving_back(chain, lease, || run.cancel(cancel).run())?;
    let repaired = read(chain, &output)?;
    let run = tool.check(image_options(chain, Some(lease))?, size);
    let now = read(chain, &run.cancel(cancel).run()?)?;
    if now.corruptions > repaired.corruptions || now.leaks > repaired.leaks {
        return Err(Error::new(
            Kind::Storage,
            format_args!(
                "what was repaired in {} could not be written",
                shown(&chain.top().path)
            ),
        )
        .hint("see the kernel's messages about the disk, and repeat the command"));
    }
    Ok(Checked {
        corruptions_fixed: repaired.corruptions_fixed,
        leaks_fixed: repaired.leaks_fixed,
        ..now
    })
}

fn read(chain: &Chain, output: &Output) -> Result<Checked> {
    read_checked(&chain.top().path, output)
}

/// What `qemu-img check` has said of an image.
pub(super) fn read_checked(image: &Path, output: &Output) -> Result<Checked> {
    serde_json::from_slice(&output.stdout).map_err(|error| {
        Error::wrap(
            Kind::Storage,
            format_args!(
                "`qemu-img check` of {} said nothing that can be understood",
                shown(image)
            ),
            error,
        )
    })
}
