//! The images of another host: volumes of its storage pools, read through
//! libvirt.

use std::path::{Component, Path};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor, Volume};
use crate::image::remote::{Finder, Ranges, Remote};
use crate::image::{Trust, path_word, shell_word, shown};
use crate::model::{Chain, Disk, ImageFormat, Pool, VolumeFacts};
use crate::ops::images::chain_by;

/// The chain of a disk there.
///
/// # Errors
///
/// Those of [`chain_of`](crate::ops::images::chain_of);
/// [`Kind::WrongState`] if an image is no volume.
pub(in crate::ops) fn chain_there(
    hypervisor: &dyn Hypervisor,
    remote: &Remote,
    disk: &Disk,
    path: &Path,
    trust: &Trust,
) -> Result<Chain> {
    let resolve = |trust: &Trust| image_there(hypervisor, remote, path, disk.format, trust);
    // Names are all that is known of files there.
    chain_by(disk, trust, &resolve, &|one, other| one == other)
}

/// The chain of an image there, whatever domains say of it.
///
/// # Errors
///
/// As [`chain_there`].
pub(in crate::ops) fn image_there(
    hypervisor: &dyn Hypervisor,
    remote: &Remote,
    path: &Path,
    format: ImageFormat,
    trust: &Trust,
) -> Result<Chain> {
    remote.resolve(&Volumes(hypervisor), path, format, trust)
}

/// Refuses a path of another host that does not say by itself where it leads.
///
/// # Errors
///
/// [`Kind::Usage`].
pub(in crate::ops) fn must_be_plain(path: &Path) -> Result<()> {
    let why = if !path.is_absolute() {
        "is on another host, and must be an absolute path"
    } else if path.components().any(|part| part == Component::ParentDir) {
        "has `..` in it, and where that leads cannot be seen from here"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Usage, format!("{} {why}", shown(path))))
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
pub(in crate::ops) fn no_volume(uri: &str, pools: &[Pool], path: &Path) -> Error {
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
            path_word(dir)
        ));
    }
    error(what).hint(format!(
        "make a pool of its directory: `{virsh} pool-create-as {} dir --target {}`",
        word(&new_name(pools, dir)),
        path_word(dir)
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::guest::native::fs::FsKind;
    use crate::image::Seed;
    use crate::model::DomainState;
    use crate::ops::guest::{Guest, View};
    use crate::ops::testing::Bench;

    const URI: &str = "qemu+ssh://h/system";

    fn pool(name: &str, path: &str, active: bool) -> Pool {
        Pool {
            name: name.to_owned(),
            active,
            path: Some(PathBuf::from(path)),
        }
    }

    #[test]
    fn the_hint_is_what_makes_an_image_a_volume() {
        let pools = [pool("a b", "/p", true), pool("off", "/off", false)];
        for (path, hint) in [
            ("/p/x", "virsh -c qemu+ssh://h/system pool-refresh 'a b'"),
            ("/off/x", "virsh -c qemu+ssh://h/system pool-start off"),
            (
                "/srv/my disks/x",
                "pool-create-as 'my disks' dir --target '/srv/my disks'`",
            ),
            (
                "/other/off/x",
                "pool-create-as off-vmkin dir --target /other/off`",
            ),
            ("/x", "pool-create-as images dir --target /`"),
            (
                "/dev/vg/lv",
                "logical --source-name GROUP --target /dev/vg`",
            ),
            // Not right in it, and a pool has only what is.
            ("/p/sub/x", "pool-create-as sub dir --target /p/sub`"),
        ] {
            let error = no_volume(URI, &pools, Path::new(path));
            assert_eq!(error.kind(), Kind::WrongState);
            let hints = error.hints();
            assert!(hints.iter().any(|h| h.contains(hint)), "{path}: {hints:?}");
        }
    }

    /// A host elsewhere whose only guest has a small file system. The file that
    /// is really there has another name here.
    fn elsewhere() -> Bench {
        let mut bench = Bench::new();
        let seed = Seed {
            volume_id: 7,
            user_data: "#cloud-config\n".to_owned().into(),
            meta_data: "instance-id: i\n".to_owned().into(),
            network_config: None,
        };
        let file = bench.path("there.raw");
        drop(seed.write(&file).unwrap());
        let named = bench.path("golden.raw");
        bench.fake.has_volume(named, file);
        bench.fake.elsewhere = true;
        bench
    }

    fn open(bench: &Bench, view: &View) -> Result<Guest> {
        Guest::of_domain(bench.host(), &bench.domain("golden"), view)
    }

    #[test]
    fn a_guest_is_read_there_though_a_file_of_that_name_is_here() {
        let bench = elsewhere();
        let consistent = View {
            consistent: true,
            ..View::default()
        };
        let mut guest = open(&bench, &consistent).unwrap();
        let fs = guest.system.parts[0].fs.as_ref().map(|fs| fs.kind());
        assert_eq!(fs, Some(FsKind::Fat));
        guest.finish().unwrap();
        assert!(guest.warnings.is_empty());
        // Somebody writes to it there.
        let mut image = std::fs::read(bench.path("there.raw")).unwrap();
        image.extend([0; 512]);
        std::fs::write(bench.path("there.raw"), image).unwrap();
        assert_eq!(guest.finish().unwrap_err().kind(), Kind::Busy);
    }

    #[test]
    fn a_guest_that_runs_there_is_told_once_or_refused() {
        let bench = elsewhere();
        bench
            .fake
            .change("golden", |domain| domain.state = DomainState::Running);
        let mut guest = open(&bench, &View::default()).unwrap();
        std::fs::write(bench.path("there.raw"), [0; 512]).unwrap();
        guest.finish().unwrap();
        assert_eq!(guest.warnings.len(), 1, "{:?}", guest.warnings);
        let consistent = View {
            consistent: true,
            ..View::default()
        };
        let error = open(&bench, &consistent).err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
    }

    #[test]
    fn what_takes_the_host_itself_says_so() {
        let bench = elsewhere();
        let appliance = View {
            engine: crate::ops::guest::Engine::Appliance,
            ..View::default()
        };
        let error = open(&bench, &appliance).err().unwrap();
        assert_eq!(error.hints(), ["run vmkin on that host"]);
        bench.fake.volumes.lock().unwrap().clear();
        let error = open(&bench, &View::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains("storage pool"), "{error}");
    }
}
