//! The images that guests are made of, on the host that these are to run on.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::Volume;
use crate::image::{self, shell_word};
use crate::model::ImageFormat;
use crate::ops::Host;
use crate::ops::guest::{must_be_plain, no_volume};

/// What can be known of the images of a host.
pub(super) trait Images {
    /// Makes a path absolute.
    fn absolute(&self, path: &Path) -> Result<PathBuf>;

    /// Whether there is something at a path.
    fn is_taken(&self, path: &Path) -> Result<bool>;

    /// Whether an image is a block device. Refuses what cannot hold a disk.
    fn is_block(&self, path: &Path) -> Result<bool>;

    /// The format that an image says it has, by its header; raw if it says nothing.
    fn format_of(&self, path: &Path) -> Result<ImageFormat>;

    /// Refuses a kernel that is not there: libvirt finds out when the guest starts.
    fn must_have_kernel(&self, path: &Path) -> Result<()>;
}

/// The images of the host.
pub(super) fn of<'a>(host: Host<'a>) -> Box<dyn Images + 'a> {
    match host.hypervisor.is_local() {
        true => Box::new(Here),
        false => Box::new(There(host)),
    }
}

/// Files of this host.
struct Here;

impl Images for Here {
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        std::path::absolute(path)
            .map_err(|e| Error::io(format!("cannot use {}", path.display()), e))
    }

    fn is_taken(&self, path: &Path) -> Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io(format!("cannot look at {}", path.display()), e)),
        }
    }

    fn is_block(&self, path: &Path) -> Result<bool> {
        let meta = fs::metadata(path).map_err(|e| {
            let missing = e.kind() == ErrorKind::NotFound;
            let error = Error::io(format!("there is no image {}", path.display()), e);
            if missing {
                error.hint(format!(
                    "to make a new one say how large: `--disk path={},size=10`",
                    path.display()
                ))
            } else {
                error
            }
        })?;
        let kind = meta.file_type();
        if kind.is_block_device() || kind.is_file() {
            return Ok(kind.is_block_device());
        }
        let what = if kind.is_dir() {
            "a directory"
        } else {
            "no file"
        };
        Err(Error::new(
            Kind::WrongState,
            format!("{} is {what}, and must be an image", path.display()),
        ))
    }

    fn format_of(&self, path: &Path) -> Result<ImageFormat> {
        image::format_of(path)
    }

    fn must_have_kernel(&self, path: &Path) -> Result<()> {
        if path.is_file() {
            return Ok(());
        }
        Err(Error::new(
            Kind::NotFound,
            format!("there is no file {} to boot", path.display()),
        ))
    }
}

/// Volumes of the storage pools of another host.
struct There<'a>(Host<'a>);

impl There<'_> {
    fn volume(&self, path: &Path) -> Result<Arc<dyn Volume>> {
        let hypervisor = self.0.hypervisor;
        if let Some(volume) = hypervisor.volume_at(path)? {
            return Ok(volume);
        }
        let uri = hypervisor.uri();
        let [image, to] = [path.as_os_str().as_bytes(), uri.as_bytes()].map(shell_word);
        Err(no_volume(uri, &hypervisor.pools()?, path).hint(format!(
            "if it is on this host, bring it there as a base: `vmkin base push {image} --to {to}`"
        )))
    }
}

impl Images for There<'_> {
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        must_be_plain(path)?;
        Ok(path.to_owned())
    }

    fn is_taken(&self, path: &Path) -> Result<bool> {
        Ok(self.0.hypervisor.volume_at(path)?.is_some())
    }

    fn is_block(&self, path: &Path) -> Result<bool> {
        Ok(self.volume(path)?.facts()?.block)
    }

    fn format_of(&self, path: &Path) -> Result<ImageFormat> {
        let head = self.volume(path)?.read(0, image::HEAD)?;
        Ok(image::format_by_head(&head))
    }

    fn must_have_kernel(&self, path: &Path) -> Result<()> {
        must_be_plain(path)?;
        match self.0.hypervisor.volume_at(path)? {
            Some(_) => Ok(()),
            None => {
                let pools = self.0.hypervisor.pools()?;
                Err(no_volume(self.0.hypervisor.uri(), &pools, path))
            }
        }
    }
}
