//! The storage pools of a host that disks can be copied to.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::image::shown;
use crate::model::{CloneMode, DiskSource, ImageFormat, PoolFacts};
use crate::ops::Host;
use crate::ops::clone::network::Origin;

/// The active pools of a host.
#[derive(Debug)]
pub(super) struct Pools(Vec<Place>);

/// A pool that volumes can be made in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: String,
    /// What the paths of its volumes begin with.
    pub(super) at: PathBuf,
    pub(super) holds: Holds,
}

/// What the volumes of a pool are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Holds {
    /// Files of a directory.
    Files,
    /// Logical volumes.
    Devices,
    /// Images of Ceph.
    Rbd,
}

impl Holds {
    fn of(facts: &PoolFacts) -> Option<Self> {
        match facts.kind.as_str() {
            "logical" => Some(Self::Devices),
            "rbd" => Some(Self::Rbd),
            _ => None,
        }
    }
}

impl Pools {
    /// Looks which there are. Overlays go to those of files alone.
    pub(super) fn of(host: Host<'_>, mode: CloneMode) -> Result<Self> {
        let mut places = Vec::new();
        for pool in host.hypervisor.pools()? {
            if !pool.active {
                continue;
            }
            let name = pool.name;
            if let Some(at) = pool.path {
                let holds = Holds::Files;
                places.push(Place { name, at, holds });
            } else if mode == CloneMode::Full {
                let facts = host.hypervisor.pool_facts(&name)?;
                if let (Some(holds), Some(at)) = (Holds::of(&facts), facts.place) {
                    places.push(Place { name, at, holds });
                }
            }
        }
        Ok(Self(places))
    }

    /// The names of those of files.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        let files = self.0.iter().filter(|place| place.holds == Holds::Files);
        files.map(|place| place.name.as_str())
    }

    /// The pool of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Place> {
        self.0.iter().find(|place| place.name == name)
    }

    /// The pool that has volumes here. Two clusters of Ceph can have pools of one name,
    /// and it is not guessed which is meant.
    pub(super) fn at(&self, dir: &Path) -> Option<&Place> {
        let mut places = self.0.iter().filter(|place| place.at == dir);
        places.next().filter(|_| places.next().is_none())
    }

    /// The pool that a volume of this path is in, and its name there.
    pub(super) fn over(&self, path: &Path) -> Option<(&Place, String)> {
        let place = self.at(path.parent()?)?;
        Some((place, path.file_name()?.to_str()?.to_owned()))
    }

    /// Where the copy of a disk goes by itself that is no file.
    pub(super) fn beside(&self, origin: &Origin, named: Option<&Path>) -> Option<&Place> {
        match origin {
            Origin::Volume { volume, .. } => self.named(&volume.pool),
            Origin::Image(chain) if chain.top().block => self.over(named?).map(|(place, _)| place),
            Origin::Image(_) | Origin::Export { .. } | Origin::Blank { .. } => None,
        }
    }

    /// Refuses to copy a disk to where libvirt cannot, or would copy something else.
    pub(super) fn may_copy(&self, origin: &Origin, dir: &Path) -> Result<()> {
        let Some(place) = self.at(dir) else {
            // It is said elsewhere that there is no such pool.
            return Ok(());
        };
        let is_device =
            |layer: &crate::model::Layer| layer.block && layer.format == ImageFormat::Raw;
        let why = match (origin, place.holds) {
            // Libvirt looks for the original by its name in the pool of the copy.
            (Origin::Volume { volume, .. }, Holds::Rbd) if volume.pool == place.name => {
                return Ok(());
            }
            (Origin::Volume { .. }, _) => "an image of Ceph is cloned in its own pool alone",
            (Origin::Image(chain), Holds::Devices) if !is_device(chain.top()) => {
                "only a raw device is copied to a logical volume"
            }
            (Origin::Image(_), Holds::Rbd) => "only images of Ceph are cloned there",
            _ => return Ok(()),
        };
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{origin} cannot be copied to storage pool '{}': {why}",
                place.name
            ),
        )
        .hint("leave `--pool` out, or name a pool that is a directory"))
    }

    /// How the XML of a clone names a copy that is no file, as the golden domain names
    /// its original.
    pub(super) fn source_of(&self, old: &DiskSource, path: &Path) -> Option<DiskSource> {
        let (place, volume) = self.over(path)?;
        match (old, place.holds) {
            (_, Holds::Files) => None,
            (DiskSource::Block(_), Holds::Devices) => Some(DiskSource::Block(path.to_owned())),
            (DiskSource::Network(network), Holds::Rbd) => {
                let mut network = network.clone();
                network.name = Some(path.to_str()?.to_owned());
                Some(DiskSource::Network(network))
            }
            _ => Some(DiskSource::Volume {
                pool: place.name.clone(),
                volume,
            }),
        }
    }
}

impl Place {
    /// Refuses what is a file for libvirt to start a guest with.
    pub(super) fn must_be_files(&self, path: &Path) -> Result<()> {
        if self.holds == Holds::Files {
            return Ok(());
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "{} would be a volume of storage pool '{}', and must be a file",
                shown(path),
                self.name
            ),
        )
        .hint(
            "make a storage pool 'default' that is a directory; or tell guests who they are \
             without a disk: `--identity smbios`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::Ordering;

    use crate::error::{Kind, Result};
    use crate::model::{
        CloneMode, DomainState, GuestIdentity, IdentityChannel, ImageFormat, PoolFacts,
    };
    use crate::ops::clone::request::{CloneRequest, Placement};
    use crate::ops::clone::{Outcome, apply, plan, steps};
    use crate::ops::delete;
    use crate::ops::testing::{Bench, DELETE_OWN};
    use crate::xml::domain;

    const BY_NAME: &str = "<disk type='network' device='disk'><driver name='qemu' type='raw'/>\
        <auth username='u'><secret type='ceph' uuid='2a5b08e4-3dca-4ff9-9a1d-40389758d081'/></auth>\
        <source protocol='rbd' name='ceph/golden' index='1'><host name='mon' port='6789'/></source>";

    const BY_POOL: &str = "<disk type='volume' device='disk'><driver name='qemu' type='raw'/>\
        <source pool='rack' volume='golden'/>";

    const DEVICE: &str = "<disk type='block' device='disk'><driver name='qemu' type='raw'/>\
        <source dev='/dev/vg/golden'/>";

    const LEFT: [&str; 2] = ["ceph-or-device", "really.raw"];

    /// A host with a pool that is no directory, in which a golden domain has its disk.
    fn with_pool(kind: &str, place: &str, disk: &str) -> Bench {
        let mut bench = Bench::elsewhere();
        let name = if kind == "rbd" { "rack" } else { "vg" };
        bench.fake.pools.push(crate::model::Pool {
            name: name.to_owned(),
            active: true,
            path: None,
        });
        let facts = PoolFacts {
            kind: kind.to_owned(),
            directory: None,
            place: Some(place.into()),
            capacity: 2 << 30,
            available: 1 << 30,
        };
        bench.fake.special.push((name.to_owned(), facts));
        let image = bench.path("ceph-or-device");
        fs::write(&image, vec![6; 1 << 20]).unwrap();
        bench.fake.has_volume(format!("{place}/golden"), image);
        let xml = on(&bench, "special", 2, disk);
        bench.fake.add(&xml, DomainState::ShutOff);
        bench
    }

    /// A domain whose first disk is this one.
    fn on(bench: &Bench, name: &str, id: u128, disk: &str) -> String {
        let xml = bench.xml(name, id, "x", "raw");
        let (before, rest) = xml.split_once("<disk").unwrap();
        let (_, after) = rest.split_once("<target").unwrap();
        format!("{before}{disk}<target{after}")
    }

    fn copy(bench: &Bench, change: impl Fn(&mut CloneRequest)) -> Result<Outcome> {
        let mut request = bench.request("special", &["a"]);
        request.mode = CloneMode::Full;
        change(&mut request);
        let planned = plan(bench.host(), &request)?;
        assert!(steps(&planned)[0].starts_with("copy "));
        apply(bench.host(), planned)
    }

    /// Deletes the clone with what was made for it.
    fn delete(bench: &Bench, left: &[&str]) {
        let planned = delete::plan(bench.host(), &bench.domain("a"), &DELETE_OWN).unwrap();
        assert_eq!(planned.remove.len(), 1);
        let results = delete::apply(bench.host(), &[planned]);
        assert!(results[0].is_ok(), "{results:?}");
        assert_eq!(bench.files(), left);
    }

    #[test]
    fn an_image_of_ceph_is_cloned_in_its_pool_and_named_as_its_original_is() {
        for (disk, named) in [(BY_NAME, "name='ceph/a-"), (BY_POOL, "volume='a-")] {
            let bench = with_pool("rbd", "ceph", disk);
            let done = copy(&bench, |_| {}).unwrap().done;
            let path = done[0].disks[0].display().to_string();
            assert!(path.starts_with("ceph/a-"), "{path}");
            assert_eq!(path.len(), "ceph/a-0123456789ab".len());
            let xml = bench.domain_xml("a");
            assert!(xml.contains(named), "{xml}");
            assert!(!xml.contains("index="), "{xml}");
            assert_eq!(xml.contains("<auth "), disk == BY_NAME);
            assert_eq!(xml.contains("<host name='mon'"), disk == BY_NAME);
            delete(&bench, &LEFT);
        }
    }

    #[test]
    fn what_cannot_be_cloned_in_its_pool_is_refused_with_the_reason() {
        let bench = with_pool("rbd", "ceph", BY_NAME);
        let refused = |change: &dyn Fn(&mut CloneRequest)| copy(&bench, change).unwrap_err();
        let linked = refused(&|request| request.mode = CloneMode::Linked);
        assert_eq!(linked.kind(), Kind::WrongState, "{linked}");
        assert!(linked.hints()[0].contains("--full"), "{linked}");
        let away = refused(&|request| request.placement = Placement::Pool("far".to_owned()));
        assert!(away.to_string().contains("its own pool"), "{away}");
        // Somebody writes to it.
        let other = on(&bench, "other", 3, BY_POOL);
        bench.fake.add(&other, DomainState::Running);
        let written = refused(&|_| {});
        assert!(written.to_string().contains("'other'"), "{written}");

        for (disk, says) in [
            (BY_NAME.replace("ceph/golden", "ceph/none"), "no volume"),
            (
                BY_NAME.replace("<host", "<snapshot name='s'/><host"),
                "a part",
            ),
            (BY_NAME.replace("'raw'", "'qcow2'"), "qcow2 image"),
        ] {
            let bench = with_pool("rbd", "ceph", &disk);
            let error = copy(&bench, |_| {}).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongState, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        let bench = with_pool("logical", "/dev/vg", &DEVICE.replace("'raw'", "'qcow2'"));
        copy(&bench, |_| {}).unwrap_err();
        assert_eq!(bench.files(), ["ceph-or-device", "really.raw"]);
        let bench = with_pool("logical", "/dev/vg", DEVICE);
        let seed = copy(&bench, |request| {
            request.identity = GuestIdentity {
                channel: Some(IdentityChannel::CloudInit),
                ..GuestIdentity::default()
            };
        });
        let seed = seed.unwrap_err();
        assert!(seed.to_string().contains("must be a file"), "{seed}");
        assert!(seed.hints()[0].contains("'default'"), "{seed}");
        let mut file = bench.request("golden", &["a"]);
        file.mode = CloneMode::Full;
        file.placement = Placement::Pool("vg".to_owned());
        let file = plan(bench.host(), &file).unwrap_err();
        assert!(file.to_string().contains("raw device"), "{file}");
    }

    #[test]
    fn on_its_own_host_it_goes_by_libvirt_and_is_cloned_as_if_that_were_another() {
        for (kind, place, disk) in [
            ("rbd", "ceph", BY_POOL),
            ("rbd", "ceph", BY_NAME),
            ("logical", "/dev/vg", DEVICE),
        ] {
            let mut bench = with_pool(kind, place, disk);
            copy(&bench, |_| {}).unwrap();
            fs::copy(bench.path("really.raw"), bench.path("golden.raw")).unwrap();
            bench.fake.elsewhere = false;
            let left = ["ceph-or-device", "golden.raw", "really.raw"];
            delete(&bench, &left);
            let error = copy(&bench, |_| {}).unwrap_err();
            if kind == "rbd" {
                assert_eq!(error.kind(), Kind::WrongState, "{error}");
                assert!(error.hints()[0].contains("ssh://localhost"), "{error}");
            }
            assert_eq!(bench.files(), left);
        }
    }

    #[test]
    fn a_logical_volume_is_copied_to_another_or_to_a_file() {
        let bench = with_pool("logical", "/dev/vg", DEVICE);
        let done = copy(&bench, |_| {}).unwrap().done;
        let path = done[0].disks[0].display().to_string();
        assert!(path.starts_with("/dev/vg/a-"), "{path}");
        assert_eq!(path.len(), "/dev/vg/a-0123456789ab".len());
        let facts = domain::read(&bench.domain_xml("a")).unwrap();
        assert_eq!(facts.disks[0].source.to_string(), path);
        assert_eq!(facts.disks[0].format, ImageFormat::Raw);
        delete(&bench, &LEFT);
        let pool = |request: &mut CloneRequest| request.placement = Placement::Pool("far".into());
        let done = copy(&bench, pool).unwrap().done;
        assert_eq!(fs::read(&done[0].disks[0]).unwrap(), [6; 1 << 20]);
        delete(&bench, &LEFT);
    }

    #[test]
    fn a_clone_in_ceph_that_was_broken_off_goes() {
        let bench = with_pool("rbd", "ceph", BY_NAME);
        bench.fake.die_at_copy.store(true, Ordering::SeqCst);
        let error = copy(&bench, |_| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::NotUndone, "{error}");
        assert_eq!(bench.files().len(), 3);
        bench.fake.dead.store(false, Ordering::SeqCst);
        bench.recovered().unwrap();
        assert_eq!(bench.files(), ["ceph-or-device", "really.raw"]);
    }
}
