//! A guest that is changed by whoever likes, through a directory of this host.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Writer;
use super::changes::mount_at;
use super::session::{odd, quoted};
use crate::error::{Error, Kind, Result};

impl Writer {
    /// Mounts the file systems of its only guest where the guest does, which is in
    /// `places`, in their order; and then all of it on a directory of this host,
    /// with these options. Nobody answers there before [`Self::serve`].
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if one cannot be mounted for writing;
    /// [`Kind::Environment`] if this host, or this user, cannot mount.
    pub fn mount_on(&mut self, places: &[Vec<u8>], dir: &Path, options: &str) -> Result<()> {
        let Some(guest) = self.guests.first() else {
            return Err(odd("was given no guest"));
        };
        for (fs, place) in places.iter().enumerate() {
            mount_at(&mut self.session, guest, 0, fs, &quoted(place))?;
        }
        let dir = quoted(dir.as_os_str().as_bytes());
        let options = quoted(format!("options:{options}").as_bytes());
        let command = format!("mount-local {dir} {options}");
        self.session
            .ask(&command)?
            .map(drop)
            .map_err(|why| Error::new(Kind::Environment, format!("libguestfs cannot mount: {why}")))
    }

    /// Answers until it is unmounted. What is in the overlays is whole only when
    /// [`Self::finish`] has said so.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if libguestfs ends; those of
    /// [`Interrupt::check`](crate::interrupt::Interrupt::check).
    pub fn serve(&mut self) -> Result<()> {
        self.session.wait_for("mount-local-run")
    }
}
