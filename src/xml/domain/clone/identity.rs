//! Who the domain is: name, UUID, generation id.

use super::rewriter::Work;
use super::spec::NoteKind;
use crate::error::Result;
use crate::xml::escape::shown;
use crate::xml::span::Node;

pub(super) fn rewrite(work: &mut Work<'_>, domain: Node<'_, '_>) -> Result<()> {
    let spec = work.spec;
    work.edits.unset(domain, "id");
    // There is one of each at most, or reading the facts had failed.
    let uuid = spec.uuid.to_string();
    if let Some(name) = domain.child("name") {
        work.edits.set_text(name, spec.name.as_str());
        if domain.child("uuid").is_none() {
            work.edits
                .append_after(name, &format!("<uuid>{uuid}</uuid>"));
        }
    }
    if let Some(node) = domain.child("uuid") {
        work.edits.set_text(node, &uuid);
    }
    // An empty one asks libvirt to draw one at each start.
    for genid in domain.all("genid") {
        if !genid.text().trim().is_empty() {
            work.edits.set_text(genid, &spec.genid.to_string());
        }
    }
    for title in domain.all("title") {
        work.remove(title);
        work.note(
            NoteKind::Dropped,
            format!("the title '{}' was dropped", shown(title.text().trim())),
        );
    }
    Ok(())
}
