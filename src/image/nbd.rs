//! Overlays on an NBD export, and full copies of one.
//!
//! Speaking NBD is left to `qemu-img`, which is told the driver, the server and
//! the export one by one: it reads no name and probes no format.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::copy::convert;
use super::overlay::{NewFile, OverlayContents, lay_out, write_contents};
use super::qemu_img::{QemuImg, export_options};
use crate::error::{Error, Kind, Result};
use crate::model::{ImageFormat, NbdExport};

/// Asks its server how large an export is, in bytes.
///
/// # Errors
///
/// [`Kind::Environment`] if the server cannot be reached or does not have it,
/// or there is no `qemu-img`; [`Kind::Interrupted`] soon after `cancel`
/// becomes true; [`Kind::Storage`] if what `qemu-img` says makes no sense.
pub fn export_size(export: &NbdExport, cancel: &AtomicBool) -> Result<u64> {
    let output = QemuImg::find()?
        .info(export_options(export))
        .cancel(cancel)
        .run()
        .map_err(|error| match error.kind() {
            Kind::Storage => error
                .context(format!("cannot open the NBD export {export}"))
                .with_kind(Kind::Environment)
                .hint("see that its server runs, and offers it to this host"),
            _ => error,
        })?;
    size_in(&output.stdout).ok_or_else(|| {
        Error::new(
            Kind::Storage,
            format_args!("`qemu-img info` does not say how large {export} is"),
        )
    })
}

fn size_in(info: &[u8]) -> Option<u64> {
    let info: serde_json::Value = serde_json::from_slice(info).ok()?;
    info.get("virtual-size")?.as_u64().filter(|size| *size > 0)
}

/// A new overlay on an NBD export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExportOverlay<'a> {
    /// The size of the disk in bytes, rounded up to whole sectors of 512.
    pub virtual_size: u64,
    /// The export, which is raw.
    pub export: &'a NbdExport,
}

impl ExportOverlay<'_> {
    /// Tells what the overlay consists of.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if the URI of the export is longer than 1023 bytes, or
    /// the disk has no size or more than 2 PiB.
    pub fn contents(&self) -> Result<OverlayContents> {
        let uri = self.export.uri();
        lay_out(self.virtual_size, uri.as_bytes(), ImageFormat::Raw)
    }

    /// Writes it. It is not on the disk before [`NewFile::sync`].
    ///
    /// # Errors
    ///
    /// Those of [`ExportOverlay::contents`], and of [`write()`](super::write()).
    pub fn write(&self, path: &Path) -> Result<NewFile> {
        write_contents(path, &self.contents()?)
    }
}

/// A full copy of an NBD export that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct ExportCopy<'a> {
    /// What to copy. Nothing keeps others from writing to it meanwhile.
    pub export: &'a NbdExport,
    /// Its size, as [`export_size`] has found it.
    pub virtual_size: u64,
    /// The file to make.
    pub to: &'a Path,
    /// Its format, raw or qcow2.
    pub format: ImageFormat,
}

impl ExportCopy<'_> {
    /// Makes the copy. It is not on the disk before [`NewFile::sync`].
    ///
    /// `progress` is called with the bytes done and the bytes in all.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if there is something at the new path;
    /// [`Kind::Interrupted`] soon after `cancel` becomes true;
    /// [`Kind::Environment`] if there is no `qemu-img`; else
    /// [`Kind::Storage`]. Nothing is left behind.
    pub fn run(&self, progress: &dyn Fn(u64, u64), cancel: &AtomicBool) -> Result<NewFile> {
        let tool = QemuImg::find()?;
        let new = NewFile::create(self.to)?;
        let from = export_options(self.export);
        let (size, format) = (self.virtual_size, self.format);
        match convert(&tool, from, size, &new, format, progress, cancel) {
            Ok(()) => Ok(new),
            Err(error) => {
                new.discard();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Trust, resolve, survey};
    use crate::model::NbdServer;

    fn export(name: &str) -> NbdExport {
        NbdExport::new(NbdServer::Unix("/run/no one".to_owned()), name).unwrap()
    }

    fn overlay(dir: &Path, export: &NbdExport) -> std::path::PathBuf {
        let path = dir.join("top");
        let spec = ExportOverlay {
            virtual_size: 1 << 30,
            export,
        };
        drop(spec.write(&path).unwrap());
        path
    }

    #[test]
    fn a_chain_ends_on_an_export_that_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let a = export("a");
        let top = overlay(dir.path(), &a);
        let mut trust = Trust::default();
        trust.allow_export(a.clone());
        let chain = resolve(&top, ImageFormat::Qcow2, &trust).unwrap();
        assert_eq!(chain.export(), Some(&a));
        assert_eq!(chain.layers().len(), 1);
        assert!(!chain.is_single());
        assert_eq!(chain.top().virtual_size, 1 << 30);
        let survey = survey(&top, ImageFormat::Qcow2, &trust);
        assert_eq!(survey.export, Some(a));
    }

    #[test]
    fn any_other_export_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let top = overlay(dir.path(), &export("a"));
        let mut trust = Trust::new([dir.path()], [] as [&str; 0]);
        for allowed in [None, Some(export("b")), Some(export(""))] {
            allowed.into_iter().for_each(|one| trust.allow_export(one));
            let error = resolve(&top, ImageFormat::Qcow2, &trust).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsafe);
            assert!(error.to_string().contains("`nbd+unix`"), "{error}");
            let survey = survey(&top, ImageFormat::Qcow2, &trust);
            assert!(survey.export.is_none() && survey.hidden);
        }
    }

    #[test]
    fn an_export_that_is_not_said_to_be_raw_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let a = export("a");
        let path = dir.path().join("top");
        let contents = lay_out(1 << 20, a.uri().as_bytes(), ImageFormat::Qcow2).unwrap();
        drop(write_contents(&path, &contents).unwrap());
        let mut trust = Trust::default();
        trust.allow_export(a);
        let error = resolve(&path, ImageFormat::Qcow2, &trust).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        assert!(error.to_string().contains("raw"), "{error}");
    }

    #[test]
    fn impossible_overlays_are_refused() {
        let long = export(&"x".repeat(1100));
        for (export, virtual_size) in [(&long, 512), (&export("a"), 0)] {
            let spec = ExportOverlay {
                virtual_size,
                export,
            };
            assert_eq!(spec.contents().unwrap_err().kind(), Kind::Usage);
        }
    }

    #[test]
    fn the_size_is_read_and_an_empty_disk_has_none() {
        assert_eq!(size_in(br#"{"virtual-size": 5, "x": []}"#), Some(5));
        for bad in [
            "",
            "{}",
            r#"{"virtual-size": 0}"#,
            r#"{"virtual-size": -1}"#,
        ] {
            assert_eq!(size_in(bad.as_bytes()), None, "{bad}");
        }
    }
}
