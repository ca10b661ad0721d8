//! What operations need of libvirt's storage pools and volumes.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{NewVolume, PoolFacts, PoolVolume, VolumeFacts, VolumeName};

/// The storage pools of a host, and the volumes in them.
pub trait Volumes {
    /// The volume with this path, as libvirt spells it; `None` if no active pool
    /// has one, as far as libvirt has looked.
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>>;

    /// The volume of this name; `None` if the pool has none, as far as libvirt
    /// has looked.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if there is no such pool.
    fn volume_in(&self, pool: &str, name: &str) -> Result<Option<Arc<dyn Volume>>>;

    /// The names of all volumes of a pool, in one question.
    fn volume_names(&self, pool: &str) -> Result<Vec<String>>;

    /// All files and block devices of a pool, with what they are: a question
    /// for each.
    fn volumes_of(&self, pool: &str) -> Result<Vec<PoolVolume>>;

    /// What the pool is and has room for.
    fn pool_facts(&self, pool: &str) -> Result<PoolFacts>;

    /// Makes a volume. It is not made again should the connection be lost
    /// meanwhile: nobody could tell whose the one is that is there then.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`](crate::error::Kind::Exists) if the pool has one of this
    /// name, or its directory a file that libvirt has not seen yet.
    fn create_volume(&self, pool: &str, new: &NewVolume) -> Result<Arc<dyn Volume>>;

    /// Makes a volume that holds what this one does, which libvirt copies there by
    /// itself. Returns when it has; there is no way to stop it. If nobody answers any
    /// more, it may go on.
    ///
    /// # Errors
    ///
    /// As [`create_volume`](Self::create_volume). If libvirt says that it failed, it
    /// has removed what it had made.
    fn copy_volume(
        &self,
        from: &VolumeName,
        pool: &str,
        new: &NewVolume,
    ) -> Result<Arc<dyn Volume>>;
}

/// A piece of a volume that is read through.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Bytes of it.
    Data(&'a mut [u8]),
    /// So many zeros that take no place.
    Hole(u64),
}

/// A storage volume that is read and written through libvirt, wherever that is.
/// Threads may share it.
pub trait Volume: fmt::Debug + Send + Sync {
    /// The pool that it is in, and its name there.
    fn name(&self) -> Result<VolumeName>;

    /// What it is now.
    fn facts(&self) -> Result<VolumeFacts>;

    /// Reads up to `length` bytes from `offset`, both in bytes; fewer only if
    /// the volume ends.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>>;

    /// Reads all of it, from its beginning to its end, and hands it over piece by
    /// piece. Holes cost nothing on the way, where the host knows of them.
    ///
    /// # Errors
    ///
    /// Also those of `take`.
    fn read_through(&self, take: &mut dyn FnMut(Piece<'_>) -> Result<()>) -> Result<()>;

    /// Writes `length` bytes of what `from` has to `offset`, both in bytes. When
    /// this returns, the host has taken all of them. The volume does not grow:
    /// it must be that large.
    ///
    /// # Errors
    ///
    /// Also if `from` ends before that.
    fn upload(&self, offset: u64, length: u64, from: &mut dyn Read) -> Result<()>;

    /// Writes these bytes to `offset`.
    ///
    /// # Errors
    ///
    /// As [`upload`](Self::upload).
    fn write(&self, offset: u64, mut bytes: &[u8]) -> Result<()> {
        self.upload(offset, bytes.len() as u64, &mut bytes)
    }

    /// Deletes it, with what is in it.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`](crate::error::Kind::Busy) if libvirt still copies to or from it.
    fn delete(&self) -> Result<()>;
}
