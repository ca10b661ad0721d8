//! Which disks can be written to.

use crate::error::{Error, Kind, Result};
use crate::image::{self, refuse_export, shown};
use crate::model::ImageFormat;
use crate::ops::guard::LeasedDisk;
use crate::ops::images::dirty;

/// Refuses what cannot be written to in one step.
pub(in crate::ops) fn fit(disk: &LeasedDisk) -> Result<()> {
    let top = disk.chain().top();
    let why_not = if !matches!(top.format, ImageFormat::Raw | ImageFormat::Qcow2) {
        format!(
            "is in the format {}, and must be raw or qcow2 to be written to",
            top.format
        )
    } else if top.encrypted {
        "is encrypted by QEMU, and cannot be written to without its secret".to_owned()
    } else if top.block {
        "is a block device, and must be a file for its changes to be all or nothing".to_owned()
    } else if top.dirty {
        return Err(dirty(top));
    } else {
        refuse_export(disk.chain())?;
        // For a moment it has another name.
        return image::may_remove(disk.lease().image().real_path());
    };
    Err(Error::new(
        Kind::WrongState,
        format!("{} {why_not}", shown(&top.path)),
    ))
}
