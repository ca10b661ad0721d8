//! An appliance that changes guests.
//!
//! It gets redo overlays and not the disks, and mounts each file system that is
//! to be changed in a place of its own, by the device that was found before:
//! nothing is inspected there, and no path leads through a mount or a symbolic
//! link of the guest.
//!
//! Disks of one base have the same ids in them, by which a kernel tells volume
//! groups and file systems of btrfs apart. It is made to see those of one guest at
//! a time, and what it has mounted is looked at.

use super::answer;
use super::changes::{Changing, GuestDisks};
use super::key::Key;
use super::machine::{Drive, device_of, in_appliance, opened};
use super::session::{PROGRAM, Session, odd, quoted};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Mountable};
use crate::guest::native::fs::FsKind;
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;
use crate::process::Tool;

/// How many disks one appliance gets at the most: it could have 255, and each takes
/// some time and memory.
pub const MAX_DISKS: usize = 64;

impl Mountable {
    /// Whether a kernel that has disks of other guests too, which may be copies
    /// of these, can be told which file system is meant.
    pub fn can_be_told(&self, drives: &[Drive]) -> bool {
        in_appliance(drives, 0, &self.device).is_some() || is_of_lvm(&self.device)
    }
}

/// Whether a device is a logical volume, by its name: `/dev/GROUP/VOLUME`.
fn is_of_lvm(device: &str) -> bool {
    let mut parts = device.strip_prefix("/dev/").unwrap_or("").split('/');
    let (group, volume) = (parts.next(), parts.next());
    let good = |part: &str| !part.is_empty();
    group.is_some_and(|group| good(group) && !matches!(group, "mapper" | "md" | "disk"))
        && volume.is_some_and(good)
        && parts.next().is_none()
}

/// An appliance that changes the files of guests.
pub struct Writer {
    pub(super) session: Session,
    pub(super) guests: Vec<GuestDisks>,
}

impl Writer {
    /// Refuses to begin anything where libguestfs is not installed.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`], with what to install.
    pub fn must_be_installed() -> Result<()> {
        Tool::find(PROGRAM).map(drop)
    }

    /// Starts the appliance with what is written to of guests, and opens
    /// what the keys open. Nothing is mounted yet. What it needs for itself goes to
    /// `scratch`, which must be there until it has ended.
    ///
    /// # Errors
    ///
    /// Those of [`open`](super::open).
    pub fn start(
        guests: Vec<GuestDisks>,
        keys: &[Key],
        scratch: &Scratch,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let images: Vec<_> = guests
            .iter()
            .flat_map(|guest| guest.images.clone())
            .collect();
        if images.len() > MAX_DISKS {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "there are {} disks, and those of at most {MAX_DISKS} can be changed at once",
                    images.len()
                ),
            ));
        }
        let drives = guests.first().map_or(&[][..], |guest| &guest.drives);
        let (session, _) = opened(drives, &images, keys, scratch.dir(), interrupt)?;
        Ok(Self { session, guests })
    }

    /// Carries the changes of a guest out, in their order; `progress` is told how
    /// many are done. Its file systems are mounted until [`Self::leave`].
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if one cannot be made: its overlays are no good then.
    pub fn carry_out(
        &mut self,
        guest: usize,
        changes: &[Change],
        progress: &mut dyn FnMut(usize),
    ) -> Result<()> {
        self.enter(guest)?;
        let first = self.first_of(guest);
        let Some(disks) = self.guests.get(guest) else {
            return Err(odd("was not given this guest"));
        };
        let mut changing = Changing::new(&mut self.session, disks, first);
        changing.carry_out_all(changes, progress)
    }

    /// Unmounts what was mounted for a guest, whether all of it was done or not.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot: the appliance is no good any more.
    pub fn leave(&mut self, guest: usize) -> Result<()> {
        self.session.must("umount-all")?;
        if self.has_others() {
            if self.has(guest, |mount| is_of_lvm(&mount.device)) {
                self.session.must("vg-activate-all false")?;
            }
            if self.has(guest, |mount| mount.kind == FsKind::Btrfs) {
                self.session.must(FORGET)?;
            }
        }
        Ok(())
    }

    /// Ends the appliance; everything is written to the overlays then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it does not say so: the overlays are no good then.
    pub fn finish(mut self) -> Result<()> {
        self.session.finish()
    }

    /// Has the kernel see the volumes of this guest, and no others.
    fn enter(&mut self, guest: usize) -> Result<()> {
        if !self.has_others() {
            return Ok(());
        }
        if self.has(guest, |mount| mount.kind == FsKind::Btrfs) {
            self.session.must(FORGET)?;
        }
        if self.has(guest, |mount| is_of_lvm(&mount.device)) {
            let own = self.devices_of(guest);
            self.session.must("vg-activate-all false")?;
            self.session.must(&format!(
                "lvm-set-filter {}",
                quoted(own.join(" ").as_bytes())
            ))?;
            self.session.must("vg-activate-all true")?;
            let seen = answer::devices(&self.session.must("pvs")?);
            let is_own = |device: &String| own.iter().any(|disk| is_on(device, disk));
            if !seen.iter().all(is_own) {
                return Err(odd("sees the volumes of another guest"));
            }
        }
        Ok(())
    }

    fn has_others(&self) -> bool {
        self.guests.len() > 1
    }

    fn has(&self, guest: usize, wanted: impl Fn(&Mountable) -> bool) -> bool {
        let guest = self.guests.get(guest);
        guest.is_some_and(|guest| guest.mounts.iter().any(wanted))
    }

    /// How many disks are before those of a guest.
    fn first_of(&self, guest: usize) -> usize {
        let before = self.guests.iter().take(guest);
        before.map(|guest| guest.images.len()).sum()
    }

    fn devices_of(&self, guest: usize) -> Vec<String> {
        let first = self.first_of(guest);
        let disks = self.guests.get(guest).map_or(0, |it| it.images.len());
        (first..first.saturating_add(disks))
            .map(device_of)
            .collect()
    }
}

/// Has the kernel forget the file systems of btrfs that are not mounted: it takes one
/// with the same id for an older state of the first.
const FORGET: &str = "debug sh \"btrfs device scan --forget\"";

/// Whether a device is this disk, or a partition of it.
fn is_on(device: &str, disk: &str) -> bool {
    let rest = device.strip_prefix(disk);
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{is_of_lvm, is_on};

    #[test]
    fn logical_volumes_are_known_by_their_names() {
        for (device, is) in [
            ("/dev/vg/root", true),
            ("/dev/centos_base/lv-home", true),
            ("/dev/vda1", false),
            ("/dev/mapper/luks-1", false),
            ("/dev/md/0", false),
            ("/dev/vg/a/b", false),
            ("/dev//root", false),
            ("vg/root", false),
        ] {
            assert_eq!(is_of_lvm(device), is, "{device}");
        }
    }

    #[test]
    fn a_partition_is_on_its_disk_and_on_no_other() {
        for (device, is) in [
            ("/dev/sda", true),
            ("/dev/sda2", true),
            ("/dev/sdaa", false),
            ("/dev/sdaa1", false),
            ("/dev/sdb1", false),
        ] {
            assert_eq!(is_on(device, "/dev/sda"), is, "{device}");
        }
    }
}
