//! Who depends on which image: bases → overlays → domains.

mod there;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Host, KnownDomain, Usage};
use crate::error::Result;
use crate::image;
use crate::model::{DiskTarget, DomainState, FileId, ImageFormat, Layer, Size, Stored};

/// How deep the tree goes. Libvirt starts no more than 25 layers; whoever made
/// more meant to exhaust somebody's stack.
const MAX_DEPTH: usize = 100;

/// All images of the host that a domain uses, and what depends on them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tree {
    /// The images that have nothing below them, by path.
    pub roots: Vec<Node>,
    /// What is wrong with domains or their images, as sentences. While there is
    /// anything, a branch may be missing.
    pub problems: Vec<String>,
}

/// An image.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its path.
    pub path: PathBuf,
    /// Its format; for an overlay that no domain uses, always qcow2.
    pub format: ImageFormat,
    /// The size of the disk in it, in bytes.
    pub virtual_size: Size,
    /// What it takes on the host, in bytes; `None` for an overlay that no
    /// domain uses.
    pub allocated: Option<Size>,
    /// Whether nobody but root may write to it.
    pub sealed: bool,
    /// The domains that have it as a disk of their own.
    pub users: Vec<User>,
    /// The overlays on it, by path.
    pub overlays: Vec<Node>,
}

impl Node {
    /// Whether it is an overlay that no domain uses, by itself or below another.
    pub fn is_orphan(&self) -> bool {
        self.users.is_empty() && self.overlays.iter().all(Self::is_orphan)
    }

    /// How many nodes there are here and above.
    pub fn count(&self) -> usize {
        self.overlays.iter().map(Self::count).sum::<usize>() + 1
    }
}

/// A domain that has an image as a disk of its own.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct User {
    /// The name of the domain.
    pub domain: String,
    /// The disk of the domain.
    pub target: DiskTarget,
    /// What the domain is doing, in virsh's words.
    pub state: String,
}

/// What is known of an image before the tree is put together. `K` tells images apart.
struct Found<K> {
    path: PathBuf,
    format: ImageFormat,
    virtual_size: u64,
    allocated: Option<u64>,
    sealed: bool,
    below: Option<K>,
    users: BTreeSet<User>,
}

/// Puts the tree of the whole host together.
///
/// # Errors
///
/// If libvirt does not answer.
pub fn tree(host: Host<'_>) -> Result<Tree> {
    if !host.hypervisor.is_local() {
        return there::tree(host);
    }
    let usage = Usage::read(host.hypervisor)?;
    let mut found = HashMap::new();
    for (known, state) in users_of(host, &usage)? {
        for (disk, layers) in known.facts.disks.iter().zip(&known.layers) {
            // Nothing is based on it, and it would stand beside each clone.
            if known.facts.is_seed(disk) {
                continue;
            }
            add_layers(&mut found, layers);
            if let Some(image) = layers.first().and_then(|top| found.get_mut(&top.file)) {
                image.users.insert(User {
                    domain: known.domain.name.clone(),
                    target: disk.target.clone(),
                    state: state.to_string(),
                });
            }
        }
    }
    let mut problems: Vec<String> = usage.problems.iter().map(|p| p.text.clone()).collect();
    problems.extend(add_orphans(&mut found));
    for image in found.values_mut() {
        image.sealed = image::seal_state(&image.path).is_ok_and(|state| state.sealed);
    }
    Ok(Tree {
        roots: grow(found),
        problems,
    })
}

/// The domains, and what each is doing; those that are gone by now are left out.
fn users_of<'u>(host: Host<'_>, usage: &'u Usage) -> Result<Vec<(&'u KnownDomain, DomainState)>> {
    let stored: Vec<Stored> = usage.domains.iter().map(KnownDomain::stored).collect();
    let statuses = host.hypervisor.status_of(&stored)?;
    let all = usage.domains.iter().zip(statuses);
    Ok(all
        .filter_map(|(known, status)| Some((known, status?.state)))
        .collect())
}

fn add_layers(found: &mut HashMap<FileId, Found<FileId>>, layers: &[Layer]) {
    for (index, layer) in layers.iter().enumerate() {
        found.entry(layer.file).or_insert_with(|| Found {
            path: layer.path.clone(),
            format: layer.format,
            virtual_size: layer.virtual_size,
            allocated: (!layer.block).then_some(layer.allocated),
            sealed: false,
            below: layers.get(index + 1).map(|below| below.file),
            users: BTreeSet::new(),
        });
    }
}

/// Adds the overlays beside the images that no domain uses; what could not be
/// looked at, as sentences.
fn add_orphans(found: &mut HashMap<FileId, Found<FileId>>) -> Vec<String> {
    let dirs: BTreeSet<PathBuf> = found
        .values()
        .filter_map(|image| image.path.parent().map(Path::to_owned))
        .collect();
    let mut problems = Vec::new();
    for dir in dirs {
        match image::overlays_in(&dir) {
            Ok(scan) => {
                for (path, why) in scan.unread {
                    problems.push(format!("{} cannot be read: {why}.", path.display()));
                }
                for overlay in scan.overlays {
                    let Some(below) = overlay.backing_file else {
                        continue;
                    };
                    found.entry(overlay.file).or_insert(Found {
                        path: overlay.path,
                        format: ImageFormat::Qcow2,
                        virtual_size: overlay.virtual_size,
                        allocated: None,
                        sealed: false,
                        below: Some(below),
                        users: BTreeSet::new(),
                    });
                }
            }
            Err(e) => problems.push(format!("{e}.")),
        }
    }
    problems
}

/// Makes trees of what was found. An image whose base is not known is a root.
fn grow<K: Clone + Hash + Ord>(mut found: HashMap<K, Found<K>>) -> Vec<Node> {
    let mut above: BTreeMap<K, Vec<K>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (file, image) in &found {
        let below = image.below.as_ref();
        match below.filter(|below| found.contains_key(below)) {
            Some(below) => above.entry(below.clone()).or_default().push(file.clone()),
            None => roots.push(file.clone()),
        }
    }
    let mut nodes: Vec<Node> = roots
        .into_iter()
        .filter_map(|root| node(&root, &mut found, &above, 0))
        .collect();
    nodes.sort_by(|a, b| a.path.cmp(&b.path));
    nodes
}

/// The tree above one image. Taking it out of `found` ends a loop of headers,
/// should somebody have made one.
fn node<K: Clone + Hash + Ord>(
    file: &K,
    found: &mut HashMap<K, Found<K>>,
    above: &BTreeMap<K, Vec<K>>,
    depth: usize,
) -> Option<Node> {
    let image = found.remove(file)?;
    let mut overlays: Vec<Node> = above
        .get(file)
        .into_iter()
        .flatten()
        .filter(|_| depth < MAX_DEPTH)
        .filter_map(|overlay| node(overlay, found, above, depth + 1))
        .collect();
    overlays.sort_by(|a, b| a.path.cmp(&b.path));
    Some(Node {
        sealed: image.sealed,
        path: image.path,
        format: image.format,
        virtual_size: Size(image.virtual_size),
        allocated: image.allocated.map(Size),
        users: image.users.into_iter().collect(),
        overlays,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Overlay;
    use crate::ops::testing::Bench;

    fn overlay(bench: &Bench, name: &str, below: &str, format: ImageFormat) {
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing: &bench.path(below),
            backing_format: format,
        };
        drop(image::write(&bench.path(name), &spec).unwrap());
    }

    #[test]
    fn overlays_stand_above_their_bases_and_orphans_are_told() {
        let bench = Bench::new();
        overlay(&bench, "a.qcow2", "golden.raw", ImageFormat::Raw);
        overlay(&bench, "b.qcow2", "a.qcow2", ImageFormat::Qcow2);
        overlay(&bench, "lost.qcow2", "a.qcow2", ImageFormat::Qcow2);
        bench
            .fake
            .add(&bench.xml("b", 2, "b.qcow2", "qcow2"), DomainState::Running);
        let tree = tree(bench.host()).unwrap();
        assert_eq!(tree.problems, Vec::<String>::new());
        let [root] = tree.roots.as_slice() else {
            panic!("{:?}", tree.roots);
        };
        assert_eq!(root.path, bench.path("golden.raw"));
        assert_eq!(root.users[0].domain, "golden");
        assert_eq!(root.count(), 4);
        let middle = &root.overlays[0];
        assert_eq!(middle.overlays.len(), 2);
        assert_eq!(middle.overlays[0].users[0].state, "running");
        assert!(middle.overlays[1].is_orphan() && !middle.is_orphan());
    }
}
