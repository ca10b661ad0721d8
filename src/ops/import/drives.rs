//! Which disks guests have, and what is on them.

use std::path::{Path, PathBuf};

use super::Wishes;
use super::images::Images;
use super::profile::Profile;
use crate::error::{Error, Kind, Result};
use crate::model::import::DiskOption;
use crate::model::{DiskDevice, DiskSource, DiskTarget, DomainName, ImageFormat, Pool};
use crate::ops::Host;
use crate::ops::blueprint::{Contents, Drive};
use crate::ops::images::pool_dir;

/// Works out the disks of `count` guests.
pub(super) fn drives(
    host: Host<'_>,
    images: &dyn Images,
    wishes: &Wishes,
    profile: &Profile,
    count: u64,
    chosen: &mut Vec<String>,
) -> Result<Vec<Drive>> {
    let pools = host.hypervisor.pools()?;
    let looking = Looking {
        host,
        images,
        pools: &pools,
        wishes,
    };
    let old_machine = wishes
        .machine
        .as_deref()
        .or(profile.machine)
        .is_some_and(|machine| machine == "pc" || machine.starts_with("pc-i440fx"));
    let mut drives: Vec<Drive> = Vec::new();
    for disk in &wishes.disks {
        let contents = looking.contents(disk, chosen)?;
        if count > 1 {
            one_for_each(disk, &contents, count)?;
        }
        let bus = match (&disk.bus, disk.device) {
            (Some(bus), _) => bus.clone(),
            (None, DiskDevice::Disk) => profile.disk_bus.to_owned(),
            (None, DiskDevice::Lun) => "scsi".to_owned(),
            (None, DiskDevice::Floppy) => "fdc".to_owned(),
            (None, DiskDevice::Cdrom) if old_machine => "ide".to_owned(),
            (None, DiskDevice::Cdrom) => "sata".to_owned(),
        };
        let taken = |name: &DiskTarget| drives.iter().any(|drive| drive.target == *name);
        let target = match &disk.target {
            Some(target) if taken(target) => {
                return Err(usage(format!("two disks have the target {target}")));
            }
            Some(target) => target.clone(),
            None => free_target(&bus, &wishes.disks, &taken)?,
        };
        drives.push(Drive {
            target,
            device: disk.device,
            bus,
            contents,
            readonly: disk.readonly,
            shareable: disk.shareable,
            cache: disk.cache.clone(),
            io: disk.io.clone(),
            discard: disk.discard.clone(),
            detect_zeroes: disk.detect_zeroes.clone(),
            serial: disk.serial.clone(),
            boot_order: disk.boot_order,
        });
    }
    Ok(drives)
}

/// The disk of a guest that is made up.
pub(super) fn sample(name: &DomainName) -> Result<Drive> {
    let source = DiskSource::File(format!("/var/lib/libvirt/images/{name}.qcow2").into());
    Ok(Drive {
        target: free_target("virtio", &[], &|_| false)?,
        device: DiskDevice::Disk,
        bus: "virtio".to_owned(),
        contents: Contents::There {
            source,
            format: ImageFormat::Qcow2,
        },
        readonly: false,
        shareable: false,
        cache: None,
        io: None,
        discard: None,
        detect_zeroes: None,
        serial: None,
        boot_order: None,
    })
}

struct Looking<'a> {
    host: Host<'a>,
    images: &'a dyn Images,
    pools: &'a [Pool],
    wishes: &'a Wishes,
}

impl Looking<'_> {
    fn contents(&self, disk: &DiskOption, chosen: &mut Vec<String>) -> Result<Contents> {
        let path = disk.path.as_deref();
        let path = path.map(|path| self.absolute(path)).transpose()?;
        let pool = disk.pool.as_ref();
        let dir = pool.map(|pool| pool_dir(self.pools, pool, "a path: `path=`"));
        let dir = dir.transpose()?;
        if let Some(base) = &disk.backing {
            let base = self.absolute(base)?;
            self.must_be_image(&base)?;
            let base_format = match disk.backing_format {
                Some(format) => format,
                None => self.format_of(&base, chosen)?,
            };
            return Ok(Contents::Overlay {
                base,
                base_format,
                size: disk.size.map(sectors),
                path,
                dir,
            });
        }
        if let Some((pool, volume)) = &disk.volume {
            let source = DiskSource::Volume {
                pool: pool.clone(),
                volume: volume.clone(),
            };
            let path = self.host.hypervisor.volume_path(pool, volume)?;
            self.must_be_image(&path)?;
            return Ok(Contents::There {
                source,
                format: self.format(disk, &path, chosen)?,
            });
        }
        let Some(path) = path else {
            return Ok(match disk.size {
                Some(size) => Contents::Blank {
                    size: sectors(size),
                    format: disk.format.unwrap_or(ImageFormat::Qcow2),
                    path: None,
                    dir,
                },
                None => Contents::Empty,
            });
        };
        let Some(size) = disk.size else {
            let is_block = self.must_be_image(&path)?;
            let format = self.format(disk, &path, chosen)?;
            let source = if is_block {
                DiskSource::Block(path)
            } else {
                DiskSource::File(path)
            };
            return Ok(Contents::There { source, format });
        };
        if self.images.is_taken(&path)? {
            return Err(Error::new(
                Kind::Exists,
                format!(
                    "{} exists already, and size= is for a new image",
                    path.display()
                ),
            )
            .hint("leave size= out to use it as it is, or name another path"));
        }
        Ok(Contents::Blank {
            size: sectors(size),
            format: disk.format.unwrap_or(ImageFormat::Qcow2),
            path: Some(path),
            dir: None,
        })
    }

    fn format(
        &self,
        disk: &DiskOption,
        path: &Path,
        chosen: &mut Vec<String>,
    ) -> Result<ImageFormat> {
        match (disk.format, disk.device) {
            (Some(format), _) => Ok(format),
            (None, DiskDevice::Cdrom | DiskDevice::Floppy | DiskDevice::Lun) => {
                Ok(ImageFormat::Raw)
            }
            (None, DiskDevice::Disk) => self.format_of(path, chosen),
        }
    }

    /// The format that an image says it has. What says nothing is raw, and the user
    /// is told.
    fn format_of(&self, path: &Path, chosen: &mut Vec<String>) -> Result<ImageFormat> {
        let format = self.images.format_of(path)?;
        if format == ImageFormat::Raw {
            chosen.push(format!(
                "{} has no header that vmkin knows, and is taken as raw.",
                path.display()
            ));
        }
        Ok(format)
    }

    /// Refuses what cannot hold a disk; says whether it is a block device.
    fn must_be_image(&self, path: &Path) -> Result<bool> {
        let is_block = self.images.is_block(path)?;
        if !is_block || self.wishes.block {
            return Ok(is_block);
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is a block device of the host, which a guest would write to",
                path.display()
            ),
        )
        .hint("if that is what you want, say so: `--block`"))
    }

    /// Makes a path absolute, and refuses what XML cannot carry.
    fn absolute(&self, path: &Path) -> Result<PathBuf> {
        let text = path
            .to_str()
            .ok_or_else(|| usage(format!("{path:?} is not UTF-8, which domain XML must be")))?;
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(usage(format!("a path cannot contain {bad:?}")));
        }
        self.images.absolute(path)
    }
}

/// Whole sectors, as a guest reads a disk.
fn sectors(size: crate::model::Size) -> u64 {
    let bytes = size.bytes();
    bytes.checked_next_multiple_of(512).unwrap_or(bytes)
}

/// Refuses to give one image to several guests that would all write to it.
fn one_for_each(disk: &DiskOption, contents: &Contents, count: u64) -> Result<()> {
    let named = match contents {
        Contents::Empty => None,
        Contents::There { source, .. } if !disk.readonly && !disk.shareable => {
            Some(source.to_string())
        }
        Contents::There { .. } => None,
        Contents::Overlay { path, .. } | Contents::Blank { path, .. } => {
            path.as_ref().map(|path| path.display().to_string())
        }
    };
    let Some(name) = named else { return Ok(()) };
    let error = usage(format!(
        "{name} is one image, and {count} guests would write to it"
    ));
    Err(match contents {
        Contents::There { .. } => error.hint(format!(
            "give each an overlay on it: `--disk backing={name}`"
        )),
        _ => error.hint("leave path= out, and each gets one that is named after it"),
    })
}

/// The first name in the guest that no disk has, nor is going to have.
fn free_target(
    bus: &str,
    all: &[DiskOption],
    taken: &dyn Fn(&DiskTarget) -> bool,
) -> Result<DiskTarget> {
    let prefix = match bus {
        "virtio" => "vd",
        "ide" => "hd",
        "fdc" => "fd",
        _ => "sd",
    };
    let asked = |name: &DiskTarget| all.iter().any(|disk| disk.target.as_ref() == Some(name));
    ('a'..='z')
        .filter_map(|letter| format!("{prefix}{letter}").parse::<DiskTarget>().ok())
        .find(|name| !taken(name) && !asked(name))
        .ok_or_else(|| usage("a guest cannot have so many disks on one bus".to_owned()))
}

fn usage(message: String) -> Error {
    Error::new(Kind::Usage, message)
}
