//! Chains that do not end, or end late, and images that end early.

use std::path::{Path, PathBuf};

use super::qcow2::{Qcow2, at};
use super::{DISK, Place, cases};

/// So many qcow2 images on one raw one. Returns the path of the top.
pub(crate) fn layers(place: &Place, overlays: usize) -> PathBuf {
    let mut below = "layer-0".to_owned();
    let base = vec![0; usize::try_from(DISK).unwrap()];
    let mut path = place.write(&below, &base);
    let mut format = "raw";
    for n in 1..=overlays {
        let name = format!("layer-{n}");
        path = place.write(&name, &small(&below, format));
        (below, format) = (name, "qcow2");
    }
    path
}

/// An overlay of 2 KiB, for there may be a thousand: with clusters of 512 bytes,
/// of which the first four are the header, the refcount table, a refcount block
/// and the L1 table.
fn small(below: &str, format: &str) -> Vec<u8> {
    let mut bytes = Qcow2::on(below.as_bytes(), format)
        .be32(at::CLUSTER_BITS, 9)
        .be64(at::REFCOUNTS, 512)
        .be64(at::L1_OFFSET, 3 * 512)
        .be32(at::L1_SIZE, 32)
        .be64(512, 1024)
        .put(1024, [0, 1].repeat(4))
        .bytes();
    bytes.truncate(4 * 512);
    bytes
}

/// An overlay on an image beside it. Libvirt knows no disks of some formats, but
/// does not mind them below one.
pub(crate) fn overlay(place: &Place, image: &Path, format: &str) -> PathBuf {
    let name = image.file_name().unwrap().as_encoded_bytes();
    place.write("overlay", &Qcow2::on(name, format).bytes())
}

/// Good images of every format, to be cut off at every place.
pub(crate) fn truncations(place: &Place) -> Vec<(&'static str, Vec<u8>)> {
    cases()
        .into_iter()
        .filter(|case| case.name.starts_with("good-"))
        .map(|case| (case.format, std::fs::read(case.make(place)).unwrap()))
        .collect()
}
