//! `--disk path=/x.qcow2,bus=virtio`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::model::options::{InvalidOption, Options};
use crate::model::{DiskDevice, DiskTarget, ImageFormat, Size};

/// The unit of a size without one, as virt-install has it.
const GIB: u64 = 1 << 30;

const WORDS: &[&str] = &[
    "path",
    "vol",
    "pool",
    "size",
    "format",
    "backing",
    "backing_store",
    "backing_format",
    "device",
    "bus",
    "target",
    "readonly",
    "shareable",
    "cache",
    "io",
    "discard",
    "detect_zeroes",
    "serial",
    "boot_order",
    "sparse",
];

/// A disk that a guest is to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskOption {
    /// What the guest takes it for.
    pub device: DiskDevice,
    /// The image: one that is there, or that is to be made.
    pub path: Option<PathBuf>,
    /// The same as a volume of a storage pool: its pool and its name.
    pub volume: Option<(String, String)>,
    /// The storage pool in which a new image is made.
    pub pool: Option<String>,
    /// How large a new image is; an overlay is never smaller than its base.
    pub size: Option<Size>,
    /// The format of the image.
    pub format: Option<ImageFormat>,
    /// The image that a new overlay is made on.
    pub backing: Option<PathBuf>,
    /// The format of that.
    pub backing_format: Option<ImageFormat>,
    /// The bus, such as `virtio`.
    pub bus: Option<String>,
    /// Its name in the guest.
    pub target: Option<DiskTarget>,
    /// The guest cannot write to it.
    pub readonly: bool,
    /// Several guests may write to it at once.
    pub shareable: bool,
    /// QEMU's cache mode.
    pub cache: Option<String>,
    /// How QEMU reads and writes.
    pub io: Option<String>,
    /// Whether the guest can give blocks back.
    pub discard: Option<String>,
    /// Whether zeros take no room.
    pub detect_zeroes: Option<String>,
    /// The serial number that the guest reads.
    pub serial: Option<String>,
    /// Its turn when the firmware looks for something to boot.
    pub boot_order: Option<u32>,
}

impl DiskOption {
    /// A disk of which nothing but this image is known.
    pub fn of(device: DiskDevice, path: PathBuf) -> Self {
        Self {
            device,
            path: Some(path),
            volume: None,
            pool: None,
            size: None,
            format: None,
            backing: None,
            backing_format: None,
            bus: None,
            target: None,
            readonly: device == DiskDevice::Cdrom,
            shareable: false,
            cache: None,
            io: None,
            discard: None,
            detect_zeroes: None,
            serial: None,
            boot_order: None,
        }
    }

    /// An overlay that is made on this image.
    pub fn on(base: PathBuf, format: Option<ImageFormat>) -> Self {
        Self {
            path: None,
            backing: Some(base),
            backing_format: format,
            ..Self::of(DiskDevice::Disk, PathBuf::new())
        }
    }
}

impl FromStr for DiskOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let options = Options::parse(text, "path", WORDS)?;
        let wrong = |why: &str| Err(InvalidOption(why.to_owned()));
        let device = match options
            .one_of("device", &["disk", "cdrom", "floppy", "lun"])?
            .as_deref()
        {
            Some("cdrom") => DiskDevice::Cdrom,
            Some("floppy") => DiskDevice::Floppy,
            Some("lun") => DiskDevice::Lun,
            _ => DiskDevice::Disk,
        };
        let path = options.text("path")?.map(PathBuf::from);
        let volume = options.text("vol")?.map(volume).transpose()?;
        let backing = match (options.text("backing")?, options.text("backing_store")?) {
            (Some(_), Some(_)) => return wrong("backing and backing_store are the same"),
            (one, other) => one.or(other).map(PathBuf::from),
        };
        let size = options
            .text("size")?
            .map(|size| {
                Size::parse(size, GIB).map_err(|e| InvalidOption(format!("size={size}: {e}")))
            })
            .transpose()?;
        let disk = Self {
            size,
            volume,
            backing,
            pool: options.text("pool")?.map(str::to_owned),
            format: options.parsed("format")?,
            backing_format: options.parsed("backing_format")?,
            bus: options.one_of("bus", &["virtio", "sata", "scsi", "ide", "usb", "fdc"])?,
            target: options.parsed("target")?,
            readonly: options
                .switch("readonly")?
                .unwrap_or(device == DiskDevice::Cdrom),
            shareable: options.switch("shareable")?.unwrap_or_default(),
            cache: options.one_of(
                "cache",
                &[
                    "none",
                    "writethrough",
                    "writeback",
                    "directsync",
                    "unsafe",
                    "default",
                ],
            )?,
            io: options.one_of("io", &["native", "threads", "io_uring"])?,
            discard: options.one_of("discard", &["ignore", "unmap"])?,
            detect_zeroes: options.one_of("detect_zeroes", &["off", "on", "unmap"])?,
            serial: options.text("serial")?.map(str::to_owned),
            boot_order: options.parsed("boot_order")?.filter(|order| *order > 0),
            ..Self::of(device, path.clone().unwrap_or_default())
        };
        let disk = Self { path, ..disk };
        if options.switch("sparse")? == Some(false) {
            return wrong(
                "sparse=off is not known; `qemu-img create -o preallocation=full` makes such an image",
            );
        }
        let is_named = disk.path.is_some()
            || disk.volume.is_some()
            || disk.backing.is_some()
            || disk.size.is_some();
        if !is_named && matches!(device, DiskDevice::Disk | DiskDevice::Lun) {
            return wrong("say which image: `path=`, `backing=` or `size=`");
        }
        if disk.volume.is_some()
            && (disk.path.is_some() || disk.backing.is_some() || disk.size.is_some())
        {
            return wrong(
                "vol= names an image that is there, and goes with neither path=, backing= nor size=",
            );
        }
        if disk.path.is_some() && disk.pool.is_some() {
            return wrong("path= and pool= both say where the image is");
        }
        if disk.backing.is_none() && disk.backing_format.is_some() {
            return wrong("backing_format= is given, and no backing=");
        }
        let is_new = disk.backing.is_some() || disk.size.is_some();
        if is_new && (device != DiskDevice::Disk || disk.readonly) {
            return wrong("a new image is for a disk that can be written to");
        }
        if disk.backing.is_some()
            && disk
                .format
                .is_some_and(|format| format != ImageFormat::Qcow2)
        {
            return wrong("an overlay is qcow2; the format of its base is backing_format=");
        }
        Ok(disk)
    }
}

fn volume(text: &str) -> Result<(String, String), InvalidOption> {
    match text.split_once('/') {
        Some((pool, volume)) if !pool.is_empty() && !volume.is_empty() && !volume.contains('/') => {
            Ok((pool.to_owned(), volume.to_owned()))
        }
        _ => Err(InvalidOption(format!("vol={text} is not POOL/VOLUME"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_together_is_taken() {
        let disk: DiskOption = "oa-disk0.qcow2,bus=scsi,cache=none,ro"
            .replace(",ro", ",readonly=on")
            .parse()
            .unwrap();
        assert_eq!(disk.path, Some("oa-disk0.qcow2".into()));
        assert!(disk.readonly);
        let disk: DiskOption = "backing=/b.qcow2,size=30".parse().unwrap();
        assert_eq!(disk.size, Some(Size(30 << 30)));
        assert_eq!(disk.backing, Some("/b.qcow2".into()));
        assert_eq!(disk.path, None);
        let disk: DiskOption = "size=1.5".parse().unwrap();
        assert_eq!(disk.size, Some(Size(3 << 29)));
        let disk: DiskOption = "device=cdrom".parse().unwrap();
        assert!(disk.readonly && disk.path.is_none());
        let disk: DiskOption = "vol=default/x.qcow2".parse().unwrap();
        assert_eq!(
            disk.volume,
            Some(("default".to_owned(), "x.qcow2".to_owned()))
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for text in [
            "",
            "bus=virtio",
            "path=/x,bus=vritio",
            "path=/x,format=qcow3",
            "path=/x,backing_format=raw",
            "backing=/b,format=raw",
            "backing=/b,backing_store=/b",
            "backing=/b,readonly=on",
            "size=10,device=cdrom",
            "vol=default",
            "vol=default/a/b",
            "vol=default/a,path=/x",
            "path=/x,pool=default",
            "size=1e3",
            "size=-1",
            "size=1GG",
            "size=16777216T",
            "path=/x,target=v/da",
        ] {
            assert!(text.parse::<DiskOption>().is_err(), "{text}");
        }
    }
}
