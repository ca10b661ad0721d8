//! Laying out a new disk in the appliance, and filling it.

use std::path::Path;

use super::machine::started;
use super::session::{Session, quoted};
use crate::error::Result;
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;
use crate::model::ImageFormat;
use crate::model::layout::{FsType, Holds, Layout, Part, PartitionTable, Placed, Span};

/// What libguestfs counts in, in bytes.
const SECTOR: u64 = 512;

/// An appliance that makes a new disk. It is the only one, so that its devices
/// have the names that [`Layout::places`] gives them.
pub struct Maker {
    session: Session,
}

impl Maker {
    /// Starts the appliance with an empty disk.
    ///
    /// # Errors
    ///
    /// Those of [`open`](super::open).
    pub fn start(
        disk: &Path,
        format: ImageFormat,
        scratch: &Scratch,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let disks = [(disk.to_owned(), format)];
        let session = started(scratch.dir(), &disks, interrupt)?;
        Ok(Self { session })
    }

    /// Makes partitions, volumes and file systems.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if the appliance lacks a file system or LVM;
    /// [`Kind::Storage`] if something cannot be made.
    pub fn lay_out(&mut self, layout: &Layout, placed: &Placed) -> Result<()> {
        self.must_be_able(layout)?;
        if let Some(table) = layout.table {
            self.partition(table, layout, placed)?;
        }
        self.make_volumes(layout, placed)?;
        for place in layout.places() {
            let device = quoted(format!("/dev/{}", place.device).as_bytes());
            match place.holds {
                Holds::Files { kind, label, .. } => {
                    self.must(&format!("mkfs {kind} {device}"))
                        .map_err(|error| error.context(format!("cannot make {kind}")))?;
                    if let Some(label) = label {
                        let label = quoted(label.as_bytes());
                        self.must(&format!("set-label {device} {label}"))?;
                    }
                }
                Holds::Swap { label } => {
                    let label = label.as_ref().map(|label| quoted(label.as_bytes()));
                    let label = label.map(|label| format!(" label:{label}"));
                    self.must(&format!("mkswap {device}{}", label.unwrap_or_default()))?;
                }
                Holds::Group(_) | Holds::BiosBoot | Holds::Nothing => {}
            }
        }
        Ok(())
    }

    /// Mounts what has a directory, as the guest would, and unpacks the archive
    /// that comes through a pipe.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot be unpacked.
    pub fn fill(&mut self, layout: &Layout, archive: &Path) -> Result<()> {
        let mut mounts = Vec::new();
        for place in layout.places() {
            if let Holds::Files {
                kind,
                dir: Some(dir),
                ..
            } = place.holds
            {
                mounts.push((dir.clone(), place.device, *kind));
            }
        }
        // An outer directory before those in it.
        mounts.sort();
        let unix = mounts.iter().any(|(_, _, kind)| kind.is_unix());
        for (dir, device, kind) in mounts {
            let device = quoted(format!("/dev/{device}").as_bytes());
            let at = quoted(dir.as_bytes());
            if dir != "/" {
                self.must(&format!("mkdir-p {at}"))?;
            }
            let options = match kind {
                // Owners and modes are not there, and that is no failure.
                FsType::Vfat => "quiet,utf8",
                _ => "",
            };
            let options = quoted(options.as_bytes());
            self.must(&format!("mount-options {options} {device} {at}"))?;
        }
        let archive = quoted(std::os::unix::ffi::OsStrExt::as_bytes(archive.as_os_str()));
        let more = if unix { " xattrs:true" } else { "" };
        self.must(&format!("tar-in {archive} /{more}"))
    }

    /// Ends the appliance; everything is on the disk then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it does not say so.
    pub fn finish(mut self) -> Result<()> {
        for command in ["umount-all", "sync", "shutdown"] {
            self.must(command)?;
        }
        self.session.end()
    }

    fn must_be_able(&mut self, layout: &Layout) -> Result<()> {
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        if !layout.groups().is_empty() {
            wanted.push(("lvm2", "lvm2"));
        }
        for place in layout.places() {
            if let Holds::Files { kind, .. } = place.holds {
                match kind {
                    FsType::Xfs => wanted.push(("xfs", "libguestfs-xfs")),
                    FsType::Btrfs => wanted.push(("btrfs", "btrfs-progs")),
                    FsType::Ntfs => wanted.push(("ntfs3g ntfsprogs", "ntfs-3g")),
                    FsType::Ext2 | FsType::Ext3 | FsType::Ext4 | FsType::Vfat => {}
                }
            }
        }
        for (feature, package) in wanted {
            self.session.must_be_able(feature, package)?;
        }
        Ok(())
    }

    fn partition(&mut self, table: PartitionTable, layout: &Layout, placed: &Placed) -> Result<()> {
        self.must(&format!("part-init /dev/sda {}", table.as_str()))?;
        for (number, (part, span)) in (1_u32..).zip(layout.parts.iter().zip(&placed.parts)) {
            let Span { offset, len } = *span;
            let first = offset / SECTOR;
            let last = offset.saturating_add(len) / SECTOR;
            let last = last.saturating_sub(1);
            self.must(&format!("part-add /dev/sda primary {first} {last}"))?;
            match table {
                PartitionTable::Gpt => {
                    let kind = gpt_type(part);
                    self.must(&format!("part-set-gpt-type /dev/sda {number} {kind}"))?;
                }
                PartitionTable::Mbr => {
                    let kind = mbr_type(part);
                    self.must(&format!("part-set-mbr-id /dev/sda {number} {kind}"))?;
                }
            }
        }
        Ok(())
    }

    fn make_volumes(&mut self, layout: &Layout, placed: &Placed) -> Result<()> {
        for group in layout.groups() {
            let mut devices = Vec::new();
            for place in layout.places() {
                if matches!(place.holds, Holds::Group(own) if own == group) {
                    let device = format!("/dev/{}", place.device);
                    self.must(&format!("pvcreate {device}"))?;
                    devices.push(device);
                }
            }
            let devices = quoted_list(&devices);
            self.must(&format!("vgcreate {} {devices}", quoted(group.as_bytes())))?;
        }
        let volumes = || layout.volumes.iter().zip(&placed.volumes);
        for (volume, bytes) in volumes() {
            if let Some(bytes) = bytes {
                let (name, group) = (
                    quoted(volume.name.as_bytes()),
                    quoted(volume.group.as_bytes()),
                );
                self.must(&format!("lvcreate {name} {group} {}", bytes >> 20))?;
            }
        }
        for (volume, bytes) in volumes() {
            if bytes.is_none() {
                let (name, group) = (
                    quoted(volume.name.as_bytes()),
                    quoted(volume.group.as_bytes()),
                );
                self.must(&format!("lvcreate-free {name} {group} 100"))?;
            }
        }
        Ok(())
    }

    fn must(&mut self, command: &str) -> Result<()> {
        self.session.must(command).map(drop)
    }
}

/// Several words that are one argument.
fn quoted_list(words: &[String]) -> String {
    format!("\"{}\"", words.join(" "))
}

fn gpt_type(part: &Part) -> &'static str {
    match &part.holds {
        _ if part.esp => "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
        Holds::BiosBoot => "21686148-6449-6E6F-744E-656564454649",
        Holds::Group(_) => "E6D6D379-F507-44C2-A23C-238F2A3DF928",
        Holds::Swap { .. } => "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
        Holds::Files { kind, .. } if !kind.is_unix() => "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
        Holds::Files { .. } | Holds::Nothing => "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    }
}

fn mbr_type(part: &Part) -> &'static str {
    match &part.holds {
        _ if part.esp => "0xef",
        Holds::Group(_) => "0x8e",
        Holds::Swap { .. } => "0x82",
        Holds::Files {
            kind: FsType::Vfat, ..
        } => "0x0c",
        Holds::Files {
            kind: FsType::Ntfs, ..
        } => "0x07",
        Holds::Files { .. } | Holds::BiosBoot | Holds::Nothing => "0x83",
    }
}
