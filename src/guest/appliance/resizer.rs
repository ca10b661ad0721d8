//! An appliance that moves the end of a disk: partition table, LVM, file system.

use super::answer;
use super::machine::{device_of, started};
use super::session::{Session, odd, quoted};
use crate::error::{Error, Kind, Result};
use crate::guest::ending::{Files, Outside, Work, smallest};
use crate::guest::native::Content;
use crate::guest::native::partition::Patch;
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;
use crate::model::ImageFormat;

/// What the size of a file system is a multiple of, in bytes.
const BLOCK: u64 = 4096;

/// What the size of a logical volume is told in, in bytes.
const MIB: u64 = 1 << 20;

/// An appliance with one disk, which is a redo overlay.
pub struct Resizer<'s> {
    session: Session,
    scratch: &'s Scratch,
    uploads: usize,
}

impl<'s> Resizer<'s> {
    /// Starts it with what is written to of a disk.
    ///
    /// # Errors
    ///
    /// Those of [`open`](super::open).
    pub fn start(
        overlay: &std::path::Path,
        scratch: &'s Scratch,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let disks = [(overlay.to_owned(), ImageFormat::Qcow2)];
        let session = started(scratch.dir(), &disks, interrupt)?;
        Ok(Self {
            session,
            scratch,
            uploads: 0,
        })
    }

    /// Does it, step by step.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if a file system cannot be made so small;
    /// [`Kind::Environment`] if the appliance lacks what it takes;
    /// [`Kind::Unsafe`] if a file system is damaged; [`Kind::Storage`] if a step
    /// fails. The overlay is no good then.
    pub fn carry_out(&mut self, work: &[Work]) -> Result<()> {
        for one in work {
            match one {
                Work::Table(patches) => self.write_table(patches)?,
                Work::Volume { physical, logical } => {
                    self.must_be_able("lvm2", "lvm2")?;
                    self.must(&format!("pvresize {}", quoted(physical.as_bytes())))?;
                    self.must("vg-activate-all true")?;
                    // There may be too little for one more extent.
                    let more = format!("lvresize-free {} 100", quoted(logical.as_bytes()));
                    if let Err(why) = self.session.ask(&more)? {
                        if !why.contains("matches existing size") {
                            return Err(super::session::failed(&why));
                        }
                    }
                }
                Work::Grow(files) => self.resize(files, None)?,
                Work::Shrink {
                    files,
                    len,
                    outside,
                } => {
                    // In what its blocks are multiples of at the most, as a rule.
                    let len = len / BLOCK * BLOCK;
                    if files.content != Content::Btrfs {
                        self.must_be_enough(files, len, *outside)?;
                    }
                    self.resize(files, Some(len))?;
                }
                Work::Less {
                    physical,
                    room,
                    extents,
                    files,
                    len,
                } => {
                    if let Some(len) = len {
                        let volume = quoted(files.device.as_bytes());
                        self.must(&format!("lvresize {volume} {}", len / MIB))?;
                    }
                    self.shrink_physical(physical, *room, *extents)?;
                    self.check(files)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the appliance; everything is written to the overlay then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it does not say so: the overlay is no good then.
    pub fn finish(mut self) -> Result<()> {
        self.session.finish()
    }

    fn write_table(&mut self, patches: &[Patch]) -> Result<()> {
        let disk = device_of(0);
        for patch in patches {
            let name = format!("table-{}", self.uploads);
            self.uploads += 1;
            let file = self.scratch.file(&name, &patch.bytes)?;
            let from = std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str());
            let from = quoted(from);
            self.must(&format!("upload-offset {from} {disk} {}", patch.offset))?;
        }
        // A disk of which something is in use is not read anew, and udev brings volume
        // groups back as soon as somebody has written to it.
        drop(self.session.ask("vg-activate-all false")?);
        let read = self.session.ask(&format!("blockdev-rereadpt {disk}"))?;
        if read.is_ok() {
            return Ok(());
        }
        // Where the kernel found the disk of the appliance first, the names are the other
        // way round, which `debug` is not told. That one has no partitions.
        let other = device_of(1);
        self.must(&format!("debug sh \"partx -u {disk} || partx -u {other}\""))
    }

    /// Makes a physical volume smaller, whose group has nothing but that. What is
    /// behind its new end is moved to where there is room.
    fn shrink_physical(
        &mut self,
        physical: &str,
        room: u64,
        [extents, before]: [u64; 2],
    ) -> Result<()> {
        self.must_be_able("lvm2", "lvm2")?;
        let smaller = format!("pvresize-size {} {room}", quoted(physical.as_bytes()));
        if self.session.ask(&smaller)?.is_ok() {
            return Ok(());
        }
        let (end, last) = (extents.saturating_sub(1), before.saturating_sub(1));
        let moved = |name: &str| {
            format!("pvmove --alloc anywhere -i 1 {name}:{extents}-{last} {name}:0-{end}")
        };
        self.must("vg-activate-all true")?;
        // As with the partition table: `debug` is not told of names.
        let other = format!(
            "{}{}",
            device_of(1),
            physical.trim_start_matches(&device_of(0))
        );
        let command = format!(
            "if pvs {physical} 2>/dev/null; then {}; else {}; fi",
            moved(physical),
            moved(&other)
        );
        self.must(&format!("debug sh {}", quoted(command.as_bytes())))?;
        self.must(&smaller)
    }

    fn resize(&mut self, files: &Files, len: Option<u64>) -> Result<()> {
        let device = quoted(files.device.as_bytes());
        match files.content {
            Content::Ext => {
                self.check(files)?;
                match len {
                    None => self.must(&format!("resize2fs {device}"))?,
                    Some(len) => self.must(&format!("resize2fs-size {device} {len}"))?,
                }
                self.check(files)
            }
            Content::Xfs => {
                self.must_be_able("xfs", "libguestfs-xfs")?;
                self.mounted(&device, "xfs-growfs PLACE")?;
                self.check(files)
            }
            Content::Btrfs => {
                self.must_be_able("btrfs", "btrfs-progs")?;
                let size = len.map(|len| format!(" size:{len}")).unwrap_or_default();
                self.mounted(&device, &format!("btrfs-filesystem-resize PLACE{size}"))?;
                self.check(files)
            }
            Content::Ntfs => {
                self.must_be_able("ntfsprogs", "ntfs-3g")?;
                let size = len.map(|len| format!(" size:{len}")).unwrap_or_default();
                self.must(&format!("ntfsresize {device}{size}"))
            }
            other => Err(Error::new(
                Kind::WrongState,
                format!("{other} cannot be given another size"),
            )),
        }
    }

    /// Checks it, where there is a program for that, and mends what a journal or a
    /// start of the guest would.
    fn check(&mut self, files: &Files) -> Result<()> {
        let device = quoted(files.device.as_bytes());
        let check = match files.content {
            Content::Ext => format!("e2fsck {device} correct:true"),
            Content::Xfs => format!("xfs-repair {device} nomodify:true"),
            Content::Btrfs => format!("btrfs-fsck {device}"),
            _ => return Ok(()),
        };
        let said = self.session.ask(&check)?.map_err(|_| damaged(files))?;
        match files.content {
            Content::Xfs if answer::line(&said).as_deref() != Some("0") => Err(damaged(files)),
            _ => Ok(()),
        }
    }

    /// How small a file system could be, in bytes. It is checked first.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if it is damaged; [`Kind::Storage`] if nobody can tell.
    pub fn least(&mut self, files: &Files) -> Result<u64> {
        let device = quoted(files.device.as_bytes());
        if files.content == Content::Ext {
            self.check(files)?;
        }
        let said = self.session.must(&format!("vfs-minimum-size {device}"))?;
        let least = answer::line(&said).and_then(|line| line.parse().ok());
        least.ok_or_else(|| odd("does not say how small a file system could be"))
    }

    /// Refuses to make a file system smaller than it can be.
    fn must_be_enough(&mut self, files: &Files, len: u64, outside: Outside) -> Result<()> {
        let least = self.least(files)?;
        if least <= len {
            return Ok(());
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{} needs {} bytes at the least, and would have {len}",
                files.content, least
            ),
        )
        .hint(smallest(outside.disk_for(least))))
    }

    /// Does something to a file system that is mounted, whose place stands in the
    /// command as `PLACE`.
    fn mounted(&mut self, device: &str, command: &str) -> Result<()> {
        let place = self.session.mount_point()?;
        self.must(&format!("mount-options \"\" {device} {place}"))?;
        self.must(&command.replace("PLACE", &place))?;
        self.must(&format!("umount {place}"))
    }

    fn must_be_able(&mut self, feature: &str, package: &str) -> Result<()> {
        self.session.must_be_able(feature, package)
    }

    fn must(&mut self, command: &str) -> Result<()> {
        self.session.must(command).map(drop)
    }
}

fn damaged(files: &Files) -> Error {
    Error::new(
        Kind::Unsafe,
        format!("{} on {} is damaged", files.content, files.device),
    )
    .hint("have it checked first, in the guest or in `vmkin shell --guestfish`")
}
