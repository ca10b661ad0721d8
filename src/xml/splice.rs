//! Changes to a text, as byte ranges and what comes in their place.

use std::cmp::Reverse;
use std::ops::Range;

use super::escape::escaped;
use super::span::{Attribute, Node};

/// Changes that were decided on and not made yet.
///
/// A change within an element that is removed or replaced as a whole is
/// dropped, so nobody needs to know what else happens to an element.
#[derive(Default)]
pub(super) struct Edits {
    edits: Vec<Edit>,
}

struct Edit {
    range: Range<usize>,
    text: String,
}

impl Edits {
    /// Replaces these bytes.
    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.edits.push(Edit {
            range,
            text: text.into(),
        });
    }

    /// Puts text in here. What is put in at one place keeps its order.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Removes an element, together with its line if it has that for itself.
    pub(super) fn remove(&mut self, node: Node<'_, '_>, document: &str) {
        let whole = node.whole();
        let after = document.get(whole.end..).unwrap_or_default();
        let rest = after.trim_start_matches([' ', '\t']);
        let ends_its_line =
            rest.is_empty() || rest.starts_with(['\n', '\r']) || rest.starts_with("</");
        let range = match node.indent() {
            Some(indent) if ends_its_line => {
                // What trails it on its line goes too, but not the white space
                // that leads up to the end tag of the element around it.
                let trail = if rest.starts_with("</") {
                    0
                } else {
                    after.len() - rest.len()
                };
                whole.start - indent.len()..whole.end + trail
            }
            _ => whole,
        };
        self.replace(range, "");
    }

    /// Gives an element this text instead of whatever it holds.
    pub(super) fn set_text(&mut self, node: Node<'_, '_>, text: &str) {
        let text = escaped(text);
        match node.inner() {
            Some(inner) => self.replace(inner, text),
            None => {
                let name = node.name();
                let open = node.open();
                // The tag keeps its attributes and loses the slash.
                let slash = open.end.saturating_sub(2);
                self.replace(slash..open.end, format!(">{text}</{name}>"));
            }
        }
    }

    /// Sets an attribute, in place if the element has it.
    pub(super) fn set(&mut self, node: Node<'_, '_>, name: &str, value: &str) {
        match node.attribute(name) {
            Some(attribute) if attribute.value == value => {}
            Some(attribute) => self.replace(attribute.inner.clone(), escaped(value)),
            None => {
                let at = node.attributes().last().map_or_else(
                    || node.open().start + 1 + node.name().len(),
                    |last| last.whole.end,
                );
                self.insert(at, format!(" {name}='{}'", escaped(value)));
            }
        }
    }

    /// Removes an attribute, if the element has it.
    pub(super) fn unset(&mut self, node: Node<'_, '_>, name: &str) {
        if let Some(Attribute { whole, .. }) = node.attribute(name) {
            self.replace(whole.clone(), "");
        }
    }

    /// Puts an element in front of everything else in `parent`.
    pub(super) fn prepend(&mut self, parent: Node<'_, '_>, element: &str) {
        let indent = parent.children().next().map_or(String::new(), indent_of);
        match parent.inner() {
            Some(inner) => self.insert(inner.start, format!("{indent}{element}")),
            None => {
                let slash = parent.open().end.saturating_sub(2);
                let indent = indent_of(parent);
                let deeper = if indent.is_empty() { "" } else { "  " };
                let name = parent.name();
                self.replace(
                    slash..parent.open().end,
                    format!(">{indent}{deeper}{element}{indent}</{name}>"),
                );
            }
        }
    }

    /// Puts an element behind `sibling`, indented like it.
    pub(super) fn append_after(&mut self, sibling: Node<'_, '_>, element: &str) {
        let indent = indent_of(sibling);
        self.insert(sibling.whole().end, format!("{indent}{element}"));
    }

    /// Makes the changes.
    pub(super) fn apply(mut self, document: &str) -> String {
        // Stable, so insertions at one place keep their order; they go in
        // front of a change of what follows, and wide changes win over those
        // inside of them.
        self.edits.sort_by_key(|edit| {
            (
                edit.range.start,
                !edit.range.is_empty(),
                Reverse(edit.range.end),
            )
        });
        let added: usize = self.edits.iter().map(|edit| edit.text.len()).sum();
        let mut out = String::with_capacity(document.len() + added);
        let mut done = 0;
        for Edit { range, text } in &self.edits {
            if range.start < done {
                continue;
            }
            out.push_str(document.get(done..range.start).unwrap_or_default());
            out.push_str(text);
            done = range.end;
        }
        out.push_str(document.get(done..).unwrap_or_default());
        out
    }
}

/// The line break and white space that an element next to this one needs.
pub(super) fn indent_of(node: Node<'_, '_>) -> String {
    node.indent().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::span::Document;

    fn edited(xml: &str, edit: impl FnOnce(&mut Edits, Node<'_, '_>)) -> String {
        let document = Document::parse(xml, "domain").unwrap();
        let mut edits = Edits::default();
        edit(&mut edits, document.root().unwrap());
        edits.apply(document.text())
    }

    #[test]
    fn removing_an_element_leaves_no_blank_line() {
        let remove = |xml: &str| {
            edited(xml, |edits, root| {
                for node in root.all("x") {
                    edits.remove(node, xml);
                }
            })
        };
        assert_eq!(
            remove("<domain>\n  <a/>\n  <x>\n    <y/>\n  </x>  \n  <b/>\n</domain>"),
            "<domain>\n  <a/>\n  <b/>\n</domain>"
        );
        assert_eq!(
            remove("<domain>\r\n\t<x/>\r\n\t<b/>\r\n</domain>"),
            "<domain>\r\n\t<b/>\r\n</domain>"
        );
        assert_eq!(
            remove("<domain>\n  <x/><b/>\n</domain>"),
            "<domain>\n  <b/>\n</domain>"
        );
        assert_eq!(
            remove("<domain><x/><x/><b/></domain>"),
            "<domain><b/></domain>"
        );
        assert_eq!(
            remove("<domain>\n  <a/>\n  <x/></domain>"),
            "<domain>\n  <a/></domain>"
        );
        assert_eq!(
            remove("<domain>\n  <x/> <!-- why -->\n</domain>"),
            "<domain>\n   <!-- why -->\n</domain>"
        );
    }

    #[test]
    fn an_element_keeps_what_was_not_asked_about() {
        let xml = "<domain><a  k = \"1\" l='2' ><!--c--></a><b/><c z='1' /></domain>";
        let out = edited(xml, |edits, root| {
            let a = root.child("a").unwrap();
            edits.set(a, "k", "<'\">");
            edits.unset(a, "l");
            edits.set(a, "new", "n");
            edits.set_text(root.child("b").unwrap(), "t&t");
            edits.set_text(root.child("c").unwrap(), "u");
        });
        assert_eq!(
            out,
            "<domain><a  k = \"&lt;&apos;&quot;&gt;\" new='n' ><!--c--></a><b>t&amp;t</b><c z='1' >u</c></domain>"
        );
    }

    #[test]
    fn a_change_inside_a_removed_element_is_dropped() {
        let xml = "<domain><a><b k='1'/></a><c/></domain>";
        let out = edited(xml, |edits, root| {
            let a = root.child("a").unwrap();
            edits.set(a.child("b").unwrap(), "k", "2");
            edits.append_after(a, "<d/>");
            edits.remove(a, xml);
            edits.prepend(root.child("c").unwrap(), "<e/>");
        });
        assert_eq!(out, "<domain><d/><c><e/></c></domain>");
    }
}
