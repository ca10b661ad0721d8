//! Changing what a qcow2 image is, and none of its data.

use std::sync::atomic::AtomicBool;

use super::check::check_leased;
use super::file::shown;
use super::lock::Lease;
use super::qemu_img::{QemuImg, writable};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageOptions};

/// Changes the options of the top image of a chain, by `qemu-img amend`. One that is
/// killed can be repeated.
///
/// # Errors
///
/// [`Kind::Interrupted`] soon after `cancel` becomes true; [`Kind::Environment`]
/// without `qemu-img`; [`Kind::Storage`] if it fails.
pub fn amend(
    chain: &Chain,
    lease: &Lease,
    options: &ImageOptions,
    cancel: &AtomicBool,
) -> Result<()> {
    let tool = QemuImg::find()?;
    let size = chain.top().virtual_size;
    let run = tool.amend(writable(chain, lease)?, options, size);
    run.cancel(cancel).run()?;
    let found = check_leased(chain, lease, cancel)?;
    if found.is_sound() {
        return Ok(());
    }
    let path = shown(&chain.top().path);
    Err(Error::new(
        Kind::Storage,
        format_args!("{path} was changed, and its tables are not right now"),
    )
    .hint(format!("see what is wrong: `vmkin disk check -a {path}`")))
}
