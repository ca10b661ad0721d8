//! Where the clone came from, beside what other tools keep in `<metadata>`.

use super::rewriter::Work;
use crate::error::Result;
use crate::xml::domain::lineage;
use crate::xml::span::Node;
use crate::xml::splice::indent_of;

pub(super) fn rewrite(work: &mut Work<'_>, domain: Node<'_, '_>) -> Result<()> {
    let element = |indent: &str| lineage::write(work.spec.lineage, indent);

    let mut own = lineage::all(domain);
    if let Some(first) = own.next() {
        // A golden domain that is itself a clone.
        let text = element(&indent_of(first))?;
        work.edits.replace(first.whole(), text);
        for further in own {
            work.remove(further);
        }
        return Ok(());
    }
    if let Some(metadata) = domain.child("metadata") {
        if let Some(last) = metadata.children().last() {
            let text = element(&indent_of(last))?;
            work.edits.append_after(last, &text);
        } else {
            // Without an element to stand beside, the indent is one step further.
            let outer = indent_of(metadata);
            let indent = deeper(&outer);
            let text = element(&indent)?;
            match metadata.inner() {
                Some(inner) => {
                    work.edits.insert(inner.start, format!("{indent}{text}"));
                    if inner.is_empty() {
                        work.edits.insert(inner.end, outer);
                    }
                }
                None => work.edits.prepend(metadata, &text),
            }
        }
        return Ok(());
    }
    // Where libvirt itself writes it, as far as the XML has these.
    let last = domain
        .children()
        .filter(|node| {
            ["name", "uuid", "genid", "description"]
                .iter()
                .any(|name| node.is(name))
        })
        .last();
    if let Some(last) = last {
        let outer = indent_of(last);
        let indent = deeper(&outer);
        let text = element(&indent)?;
        work.edits
            .append_after(last, &format!("<metadata>{indent}{text}{outer}</metadata>"));
    }
    Ok(())
}

/// One step further in; nothing where the document is all on one line.
pub(super) fn deeper(indent: &str) -> String {
    if indent.is_empty() {
        String::new()
    } else {
        format!("{indent}  ")
    }
}
