//! The UEFI variables.

use super::rewriter::Work;
use super::spec::NoteKind;
use crate::error::{Error, Kind, Result};
use crate::xml::escape::{escaped, path_text, shown};
use crate::xml::span::Node;

pub(super) fn rewrite(work: &mut Work<'_>, domain: Node<'_, '_>) -> Result<()> {
    let Some(os) = domain.child("os") else {
        return Ok(());
    };
    for nvram in os.all("nvram") {
        rewrite_nvram(work, nvram)?;
    }
    if let Some(cmdline) = os.child("cmdline") {
        let text = cmdline.text();
        if let Some(what) = work.names.left_over(&text) {
            work.note(
                NoteKind::Warning,
                format!(
                    "the kernel command line still holds the {what} of the golden domain: '{}'",
                    shown(work.names.part_left_over(&text))
                ),
            );
        }
    }
    Ok(())
}

fn rewrite_nvram(work: &mut Work<'_>, nvram: Node<'_, '_>) -> Result<()> {
    let source = nvram.child("source");
    let kind = nvram.get("type");
    // Empty: libvirt makes the file when the domain first starts, under a name
    // that it makes of the domain's.
    if kind.is_none() && nvram.text().trim().is_empty() {
        return Ok(());
    }
    if kind == Some("file") && source.and_then(|source| source.get("file")).is_none() {
        return Ok(());
    }
    let path = work.spec.nvram.ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            "the domain has UEFI variables of its own, and there is no copy of them for the clone",
        )
    })?;
    let path = path_text(path)?;
    if kind.is_none() {
        work.edits.set_text(nvram, path);
        return Ok(());
    }
    work.edits.set(nvram, "type", "file");
    let element = format!("<source file='{}'/>", escaped(path));
    match source {
        Some(source) => work.edits.replace(source.whole(), element),
        None => work.edits.prepend(nvram, &element),
    }
    Ok(())
}
