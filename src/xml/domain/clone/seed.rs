//! The disk that tells the guest who it is.

use std::path::Path;

use super::metadata::deeper;
use super::rewriter::Work;
use super::spec::NoteKind;
use crate::error::{Error, Kind, Result};
use crate::xml::domain::facts::DomainFacts;
use crate::xml::escape::{escaped, path_text};
use crate::xml::span::Node;
use crate::xml::splice::indent_of;

pub(super) fn rewrite(work: &mut Work<'_>, devices: Node<'_, '_>) -> Result<()> {
    let facts = work.facts;
    let mut new = work.spec.seed;
    let mut last = None;
    for (node, disk) in devices.all("disk").zip(&facts.disks) {
        last = Some(node);
        if !facts.is_seed(disk) {
            continue;
        }
        if let Some(path) = new.take() {
            let element = element(path, disk.target.as_str(), &indent_of(node))?;
            work.edits.replace(node.whole(), element);
            continue;
        }
        work.remove(node);
        if work.spec.seed.is_none() {
            work.note(
                NoteKind::Dropped,
                format!(
                    "disk {}, which tells the golden domain who it is, was dropped",
                    disk.target
                ),
            );
        }
    }
    let Some(path) = new else {
        return Ok(());
    };
    let target = free_target(facts)?;
    match last.or_else(|| devices.child("emulator")) {
        Some(before) => {
            let element = element(path, &target, &indent_of(before))?;
            work.edits.append_after(before, &element);
        }
        None => {
            let indent = match devices.children().next() {
                Some(child) => indent_of(child),
                None => deeper(&indent_of(devices)),
            };
            work.edits
                .prepend(devices, &element(path, &target, &indent)?);
        }
    }
    Ok(())
}

/// On the virtio bus: guests exist that look for it before they find a disk on
/// SATA.
fn element(path: &Path, target: &str, indent: &str) -> Result<String> {
    let one = deeper(indent);
    Ok(format!(
        "<disk type='file' device='disk'>\
         {one}<driver name='qemu' type='raw'/>\
         {one}<source file='{}'/>\
         {one}<target dev='{target}' bus='virtio'/>\
         {one}<readonly/>\
         {indent}</disk>",
        escaped(path_text(path)?)
    ))
}

fn free_target(facts: &DomainFacts) -> Result<String> {
    let letters = || 'a'..='z';
    let one = letters().map(|a| format!("vd{a}"));
    let two = letters().flat_map(|a| letters().map(move |b| format!("vd{a}{b}")));
    let taken = |name: &String| facts.disks.iter().any(|disk| disk.target.as_str() == name);
    one.chain(two).find(|name| !taken(name)).ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            "the domain has no place left for a disk that tells it who it is",
        )
    })
}
