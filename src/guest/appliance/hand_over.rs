//! Handing the disks over to the user, who talks to `guestfish` themselves.
//!
//! It gets overlays of ours and never the disks: see [`shield`](super::shield).
//! What is mounted where was found out before, so that it need not look.

use std::ffi::OsString;
use std::path::PathBuf;

use super::machine::{Drive, in_appliance, is_emulated};
use super::session::{PROGRAM, surrounded};
use super::shield::Shield;
use crate::error::Result;
use crate::guest::change::Mountable;
use crate::guest::native::fs::FsKind;
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;
use crate::process::Tool;

/// What is handed over.
pub struct HandOver<'h> {
    /// The disks.
    pub drives: Vec<Drive>,
    /// What is mounted, and where, the root first.
    pub mounts: Vec<(Mountable, Vec<u8>)>,
    /// Where it may leave what it needs for itself.
    pub scratch: &'h Scratch,
    /// Whether the user wants to stop before it has begun.
    pub interrupt: &'h Interrupt,
}

impl HandOver<'_> {
    /// Runs `guestfish` on overlays that go when it has ended: nothing that it
    /// writes stays.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`](crate::error::Kind::Environment) if it is missing or
    /// does not end well.
    pub fn to_read(&self) -> Result<()> {
        let shield = Shield::over(&self.drives)?;
        let overlays = shield.overlays().iter();
        self.run(overlays.map(|(path, _)| path), "ro")
    }

    /// The same on overlays of the caller's, in the order of the disks, which may be
    /// written to.
    ///
    /// # Errors
    ///
    /// Those of [`HandOver::to_read`].
    pub fn to_change(&self, overlays: &[PathBuf]) -> Result<()> {
        self.run(overlays.iter(), "rw")
    }

    fn run<'p>(&self, overlays: impl Iterator<Item = &'p PathBuf>, how: &str) -> Result<()> {
        let tool = Tool::find(PROGRAM)?;
        // Not `--ro`, which would put one more overlay over ours.
        let mut args: Vec<OsString> = vec!["--rw".into(), "--format=qcow2".into()];
        for overlay in overlays {
            args.extend(["-a".into(), overlay.into()]);
        }
        for (mount, at) in &self.mounts {
            args.extend(["-m".into(), self.mounted(mount, at, how).into()]);
        }
        // It is its own user's to tell why it does not start.
        let probe = self.scratch.file("probe", &[0; 512])?;
        let emulated = is_emulated(self.scratch.dir(), &probe, self.interrupt)?;
        surrounded(tool.command(args), self.scratch.dir(), emulated).attended()
    }

    /// `DEVICE:DIR:OPTIONS`.
    fn mounted(&self, mount: &Mountable, at: &[u8], how: &str) -> String {
        let mut options = how.to_owned();
        if mount.kind == FsKind::Xfs {
            // A copy of a disk has the UUID of the disk.
            options.push_str(",nouuid");
        }
        if !mount.options.is_empty() {
            options.push_str(&format!(",{}", mount.options));
        }
        let device = in_appliance(&self.drives, 0, &mount.device);
        let device = device.unwrap_or_else(|| mount.device.clone());
        format!("{device}:{}:{options}", String::from_utf8_lossy(at))
    }

    /// Whether `guestfish` can be told to mount something there.
    pub fn can_mount(mount: &Mountable, at: &[u8]) -> bool {
        let plain = |bytes: &[u8]| {
            let mut chars = bytes.iter();
            chars.all(|byte| byte.is_ascii_graphic() && *byte != b':')
        };
        plain(at) && plain(mount.options.as_bytes()) && plain(mount.device.as_bytes())
    }
}
