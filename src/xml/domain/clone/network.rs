//! The network base of an overlay: the golden domain's own element for it.

use super::rewriter::Work;
use crate::error::{Error, Kind, Result};
use crate::model::{DiskSource, NetworkSource};
use crate::xml::domain::read::source;
use crate::xml::span::Node;

/// The `<source>` of a disk or of a layer below it that leads to this export,
/// byte for byte as the golden domain has it.
///
/// It says how to connect in words that no header of an image has, such as how
/// long to try again, and some that only a later libvirt knows.
pub(super) fn source_element(
    work: &Work<'_>,
    disk: Node<'_, '_>,
    network: &NetworkSource,
) -> Result<String> {
    let mut level = Some(disk);
    while let Some(node) = level {
        let found = node.child("source").filter(|element| {
            match source(node.get("type").unwrap_or_default(), Some(*element)) {
                DiskSource::Network(other) => {
                    other.export.is_ok() && other.export == network.export
                }
                _ => false,
            }
        });
        if let Some(element) = found {
            return Ok(without_index(work, element));
        }
        level = node.child("backingStore");
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "a disk of the golden domain has no <source> for {}",
            DiskSource::Network(network.clone())
        ),
    ))
}

/// Leaves out the number that libvirt gives to a layer of a running domain.
fn without_index(work: &Work<'_>, element: Node<'_, '_>) -> String {
    let text = |range| work.text.get(range).unwrap_or_default();
    let whole = element.whole();
    match element.attribute("index") {
        None => text(whole).to_owned(),
        Some(index) => {
            let before = text(whole.start..index.whole.start);
            format!("{before}{}", text(index.whole.end..whole.end))
        }
    }
}
