//! Checking the tables of an image, and repairing them: the work of
//! `qemu-img check`, on what has been resolved and locked here.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::file::shown;
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
        ImageFormat::Qcow2 | ImageFormat::Qed | ImageFormat::Vdi | ImageFormat::Vhdx
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

/// Repairs the top image of a chain. A repair that is killed can be repeated.
///
/// # Errors
///
/// Those of [`check`].
pub fn repair(chain: &Chain, lease: &Lease, what: Repair, cancel: &AtomicBool) -> Result<Checked> {
    let tool = QemuImg::find()?;
    let image = writable(chain, lease)?;
    let run = tool.repair(image, what, chain.top().virtual_size);
    let output = run.cancel(cancel).run()?;
    read(chain, &output)
}

fn read(chain: &Chain, output: &Output) -> Result<Checked> {
    serde_json::from_slice(&output.stdout).map_err(|error| {
        Error::wrap(
            Kind::Storage,
            format_args!(
                "`qemu-img check` of {} said nothing that can be understood",
                shown(&chain.top().path)
            ),
            error,
        )
    })
}
