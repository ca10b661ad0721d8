//! Whether the installed `qemu-img` and this program heed each other's locks,
//! found out by trying it on images that are made for it.

use std::path::Path;

use uuid::Uuid;

use super::chain::resolve;
use super::lock::{Guard, Lease};
use super::overlay::{NewFile, Overlay, temporary, write};
use super::qemu_img::{QemuImg, image_options, writable};
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::model::ImageFormat;
use crate::process::Run;

/// The size of the images, in bytes.
const SIZE: u64 = 1 << 20;

/// Tries with real images what every operation that writes relies on. Returns
/// what is not as it must be, as what `qemu-img` does.
///
/// # Errors
///
/// If images cannot be made in `dir`, or the program cannot be run.
pub fn fault_of_locks(tool: &QemuImg, dir: &Path) -> Result<Option<&'static str>> {
    let dir = dir
        .canonicalize()
        .map_err(|e| Error::io("cannot use the directory for temporary files", e))?;
    let batch = Uuid::new_v4();
    let name = |what: &str| temporary(&dir.join(what), batch, what);
    let base = NewFile::create(&name("base"))?;
    let fault = base
        .file()
        .set_len(SIZE)
        .map_err(|e| Error::io("cannot write a temporary image", e))
        .and_then(|()| {
            let overlay = Overlay {
                virtual_size: SIZE,
                backing: base.path(),
                backing_format: ImageFormat::Raw,
            };
            let top = write(&name("top"), &overlay)?;
            let fault = try_locks(tool, base.path(), top.path());
            top.discard();
            fault
        });
    base.discard();
    fault
}

fn try_locks(tool: &QemuImg, base: &Path, top: &Path) -> Result<Option<&'static str>> {
    let trust = Trust::new([] as [&Path; 0], [base]);
    let chain = resolve(top, ImageFormat::Qcow2, &trust)?;
    let lease = Lease::exclusive(top)?;
    if passes(tool.map(image_options(&chain, None)?))? {
        return Ok(Some("reads an image that is locked"));
    }
    if !passes(tool.map(image_options(&chain, Some(&lease))?))? {
        return Ok(Some("cannot be let through vmkin's own lock"));
    }
    let guard = Guard::base(base)?;
    if passes(tool.commit(writable(&chain, &lease)?))? {
        return Ok(Some("writes to a base that is guarded"));
    }
    drop((lease, guard));
    if !passes(tool.map(image_options(&chain, None)?))? {
        return Ok(Some("finds a lock that was given back"));
    }
    Ok(None)
}

fn passes(run: Run<'_>) -> Result<bool> {
    match run.run() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == Kind::Storage => Ok(false),
        Err(e) => Err(e),
    }
}
