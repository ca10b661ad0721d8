//! The images of another host, as its libvirt tells of the volumes of its pools.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Found, MAX_DEPTH, Tree, User, grow, users_of};
use crate::error::Result;
use crate::image::shown;
use crate::model::{Disk, DiskSource, ImageFormat, PoolVolume};
use crate::ops::{Host, Usage};

/// The volumes of a host, by path, and the paths by pool and name.
struct There {
    volumes: HashMap<PathBuf, PoolVolume>,
    named: HashMap<(String, String), PathBuf>,
}

impl There {
    fn look(host: Host<'_>) -> Result<Self> {
        let mut there = Self {
            volumes: HashMap::new(),
            named: HashMap::new(),
        };
        for pool in host.hypervisor.pools()? {
            if !pool.active || pool.path.is_none() {
                continue;
            }
            host.interrupt.check()?;
            for volume in host.hypervisor.volumes_of(&pool.name)? {
                let name = (pool.name.clone(), volume.name.clone());
                there.named.insert(name, volume.path.clone());
                there.volumes.insert(volume.path.clone(), volume);
            }
        }
        Ok(there)
    }

    /// The path of a disk, if it has one.
    fn path_of(&self, disk: &Disk) -> Option<PathBuf> {
        match &disk.source {
            DiskSource::File(path) | DiskSource::Block(path) => Some(path.clone()),
            DiskSource::Volume { pool, volume } => {
                let known = self.named.get(&(pool.clone(), volume.clone()));
                known.cloned()
            }
            DiskSource::Empty | DiskSource::Network(_) | DiskSource::Other(_) => None,
        }
    }

    fn found(&self, path: &Path, format: Option<ImageFormat>) -> Option<Found<PathBuf>> {
        let PoolVolume { path, facts, .. } = self.volumes.get(path)?;
        let known = facts.format.as_deref();
        let looks = known.and_then(|format| format.parse().ok());
        Some(Found {
            // As libvirt spells it: headers and definitions say the same in several ways.
            path: path.clone(),
            format: format.or(looks).unwrap_or(ImageFormat::Raw),
            virtual_size: facts.capacity,
            allocated: (!facts.block).then_some(facts.allocated),
            // Who may write to it there is not to be seen from here.
            sealed: false,
            below: facts.backing.clone(),
            users: BTreeSet::new(),
        })
    }
}

/// Puts the tree of another host together.
pub(super) fn tree(host: Host<'_>) -> Result<Tree> {
    let usage = Usage::read(host.hypervisor)?;
    let there = There::look(host)?;
    let mut problems: Vec<String> = usage.problems.iter().map(|p| p.text.clone()).collect();
    let mut found: HashMap<PathBuf, Found<PathBuf>> = HashMap::new();
    for (known, state) in users_of(host, &usage)? {
        for disk in &known.facts.disks {
            let Some(path) = there.path_of(disk) else {
                continue;
            };
            if known.facts.is_seed(disk) {
                continue;
            }
            let below = add(&mut found, &there, &path, Some(disk.format));
            if let Some(missing) = below {
                problems.push(format!(
                    "Disk {} of domain '{}': {} is no volume of an active storage pool of {}.",
                    disk.target,
                    known.domain.name,
                    shown(&missing),
                    host.hypervisor.uri()
                ));
            }
            if let Some(image) = found.get_mut(&path) {
                image.users.insert(User {
                    domain: known.domain.name.clone(),
                    target: disk.target.clone(),
                    state: state.to_string(),
                });
            }
        }
    }
    add_orphans(&mut found, &there);
    Ok(Tree {
        roots: grow(found),
        problems,
    })
}

/// Adds an image and what is below it; which of them is no volume, if one is not.
fn add(
    found: &mut HashMap<PathBuf, Found<PathBuf>>,
    there: &There,
    path: &Path,
    format: Option<ImageFormat>,
) -> Option<PathBuf> {
    let mut next = Some((path.to_owned(), format));
    for _ in 0..MAX_DEPTH {
        let (path, format) = next.take()?;
        if found.contains_key(&path) {
            return None;
        }
        let Some(image) = there.found(&path, format) else {
            return Some(path);
        };
        next = image.below.clone().map(|below| (below, None));
        found.insert(path, image);
    }
    None
}

/// Adds the overlays on those images that no domain uses.
fn add_orphans(found: &mut HashMap<PathBuf, Found<PathBuf>>, there: &There) {
    let mut above: HashMap<&Path, Vec<&Path>> = HashMap::new();
    for (path, volume) in &there.volumes {
        if let Some(below) = &volume.facts.backing {
            above.entry(below).or_default().push(path);
        }
    }
    let mut open: Vec<PathBuf> = found.keys().cloned().collect();
    let mut seen: HashSet<PathBuf> = open.iter().cloned().collect();
    while let Some(base) = open.pop() {
        for path in above.get(base.as_path()).into_iter().flatten() {
            if !seen.insert((*path).to_owned()) {
                continue;
            }
            if let Some(mut image) = there.found(path, None) {
                image.allocated = None;
                found.insert((*path).to_owned(), image);
                open.push((*path).to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Overlay;
    use crate::model::DomainState;
    use crate::ops::testing::Bench;

    fn overlay(bench: &mut Bench, name: &str, below: &str, format: ImageFormat) {
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing: &bench.path(below),
            backing_format: format,
        };
        let real = bench.path(&format!("real-{name}"));
        drop(crate::image::write(&real, &spec).unwrap());
        let path = bench.path(name);
        bench.fake.has_volume(path, real);
    }

    #[test]
    fn the_images_of_another_host_are_told_by_its_volumes() {
        let mut bench = Bench::elsewhere();
        overlay(&mut bench, "a.qcow2", "golden.raw", ImageFormat::Raw);
        overlay(&mut bench, "b.qcow2", "a.qcow2", ImageFormat::Qcow2);
        overlay(&mut bench, "lost.qcow2", "a.qcow2", ImageFormat::Qcow2);
        overlay(&mut bench, "more.qcow2", "lost.qcow2", ImageFormat::Qcow2);
        let xml = bench.xml("b", 2, "b.qcow2", "qcow2");
        bench.fake.add(&xml, DomainState::Running);
        let tree = super::super::tree(bench.host()).unwrap();
        assert_eq!(tree.problems, Vec::<String>::new());
        let [root] = tree.roots.as_slice() else {
            panic!("{:?}", tree.roots);
        };
        assert_eq!(root.path, bench.path("golden.raw"));
        assert_eq!(root.users[0].domain, "golden");
        assert_eq!(root.virtual_size.bytes(), 1 << 20);
        assert_eq!(root.count(), 5);
        let middle = &root.overlays[0];
        assert_eq!(middle.format, ImageFormat::Qcow2);
        assert_eq!(middle.virtual_size.bytes(), 1 << 20);
        let [used, lost] = middle.overlays.as_slice() else {
            panic!("{:?}", middle.overlays);
        };
        assert_eq!(used.users[0].state, "running");
        assert!(lost.is_orphan() && !middle.is_orphan());
        assert_eq!(lost.overlays.len(), 1);

        // What is in no pool is told.
        let xml = bench.xml("c", 3, "elsewhere.qcow2", "qcow2");
        bench.fake.add(&xml, DomainState::ShutOff);
        let tree = super::super::tree(bench.host()).unwrap();
        assert_eq!(tree.roots.len(), 1);
        assert!(
            tree.problems[0].contains("elsewhere.qcow2"),
            "{:?}",
            tree.problems
        );
        assert!(
            tree.problems[0].contains("no volume"),
            "{:?}",
            tree.problems
        );
    }
}
