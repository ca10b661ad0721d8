//! The images of another host: volumes of its storage pools, read through
//! libvirt.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor, Volume};
use crate::image::remote::{Finder, Ranges, Remote};
use crate::image::{Trust, shell_word, shown};
use crate::model::{Chain, Disk, Pool, VolumeFacts};
use crate::ops::images::chain_by;

/// The chain of a disk there.
///
/// # Errors
///
/// Those of [`chain_of`](crate::ops::images::chain_of);
/// [`Kind::WrongState`] if an image is no volume.
pub(super) fn chain_there(
    hypervisor: &dyn Hypervisor,
    remote: &Remote,
    disk: &Disk,
    path: &Path,
    trust: &Trust,
) -> Result<Chain> {
    let finder = Volumes(hypervisor);
    let resolve = |trust: &Trust| remote.resolve(&finder, path, disk.format, trust);
    // Names are all that is known of files there.
    chain_by(disk, trust, &resolve, &|one, other| one == other)
}

/// The volumes of a host.
struct Volumes<'a>(&'a dyn Hypervisor);

impl Finder for Volumes<'_> {
    fn find(&self, path: &Path) -> Result<Box<dyn Ranges>> {
        match self.0.volume_at(path)? {
            Some(volume) => Ok(Box::new(Pieces(volume))),
            None => Err(no_volume(self.0.uri(), &self.0.pools()?, path)),
        }
    }
}

/// A volume, as images are read.
#[derive(Debug)]
struct Pieces(Arc<dyn Volume>);

impl Ranges for Pieces {
    fn facts(&self) -> Result<VolumeFacts> {
        self.0.facts()
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.0.read(offset, length)
    }
}

/// Says why there is no such volume, and how there can be one.
fn no_volume(uri: &str, pools: &[Pool], path: &Path) -> Error {
    let word = |text: &str| shell_word(text.as_bytes());
    let virsh = format!("virsh -c {}", word(uri));
    let name = shown(path);
    let dir = path.parent().unwrap_or(Path::new("/"));
    let over = |active: bool| {
        let mut pools = pools.iter().filter(move |pool| pool.active == active);
        pools.find(|pool| pool.path.as_deref() == Some(dir))
    };
    let error = |what: String| Error::new(Kind::WrongState, what);
    if let Some(pool) = over(true) {
        let pool = &pool.name;
        return error(format!(
            "{name} is in the directory of storage pool '{pool}' of {uri}, and is no volume of it \
             as far as libvirt has looked"
        ))
        .hint(format!(
            "if it is there, have libvirt look again: `{virsh} pool-refresh {}`",
            word(pool)
        ));
    }
    let what = format!(
        "{name} is in no active storage pool of {uri}, and only volumes of one can be read from \
         here"
    );
    if let Some(pool) = over(false) {
        return error(what).hint(format!(
            "start the pool that it is in: `{virsh} pool-start {}`",
            word(&pool.name)
        ));
    }
    if path.starts_with("/dev") {
        return error(what).hint(format!(
            "for a logical volume, make a pool of its group: `{virsh} pool-create-as NAME logical \
             --source-name GROUP --target {}`",
            shell_word(dir.as_os_str().as_bytes())
        ));
    }
    error(what).hint(format!(
        "make a pool of its directory: `{virsh} pool-create-as {} dir --target {}`",
        word(&new_name(pools, dir)),
        shell_word(dir.as_os_str().as_bytes())
    ))
}

/// A name for a pool that no pool has: that of the directory.
fn new_name(pools: &[Pool], dir: &Path) -> String {
    let name = dir.file_name().map(|name| name.to_string_lossy());
    let name = name.map_or_else(|| "images".to_owned(), |name| name.into_owned());
    if pools.iter().any(|pool| pool.name == name) {
        return format!("{name}-vmkin");
    }
    name
}
