//! Chains that do not end, or end late, and images that end early.

use std::path::PathBuf;

use super::qcow2::Qcow2;
use super::{DISK, Place, cases};

/// So many qcow2 images on one raw one. Returns the path of the top.
pub(crate) fn layers(place: &Place, overlays: usize) -> PathBuf {
    let mut below = "layer-0".to_owned();
    let base = vec![0; usize::try_from(DISK).unwrap()];
    let mut path = place.write(&below, &base);
    let mut format = "raw";
    for n in 1..=overlays {
        let name = format!("layer-{n}");
        let image = Qcow2::on(below.as_bytes(), format);
        path = place.write(&name, &image.bytes());
        (below, format) = (name, "qcow2");
    }
    path
}

/// Good images of every format, to be cut off at every place.
pub(crate) fn truncations(place: &Place) -> Vec<(&'static str, Vec<u8>)> {
    cases()
        .into_iter()
        .filter(|case| case.name.starts_with("good-"))
        .map(|case| (case.format, std::fs::read(case.make(place)).unwrap()))
        .collect()
}
