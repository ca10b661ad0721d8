//! XML as a tree of elements that know which bytes they occupy.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::escape::is_xml_char;
use crate::error::{self, Error, Kind};

/// The longest text that is looked at.
const MAX_LEN: usize = 8 << 20;
/// The deepest nesting, the root included.
const MAX_DEPTH: usize = 256;
/// The most elements. A domain with a thousand disks has about ten thousand.
const MAX_ELEMENTS: usize = 200_000;
/// The most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// A document that is well-formed, within the limits, and without a DTD.
///
/// A DTD could declare entities, and with them this program and libvirt could
/// read two different documents out of one text.
pub(super) struct Document<'a> {
    text: &'a str,
    elements: Vec<Element<'a>>,
    attributes: Vec<Attribute<'a>>,
}

#[derive(Debug)]
struct Element<'a> {
    /// As it is written, with its prefix.
    name: &'a str,
    /// Whether a default namespace applies to it. Libvirt looks for elements
    /// in no namespace and does not see this one.
    foreign: bool,
    parent: Option<usize>,
    first_child: Option<usize>,
    next_sibling: Option<usize>,
    /// From `<` of the start tag to after `>` of the end tag.
    whole: Range<usize>,
    /// The start tag, or all of it if it is `<empty/>`.
    open: Range<usize>,
    /// What is between the tags; `None` if it is `<empty/>`.
    inner: Option<Range<usize>>,
    /// Which of the attributes of the document are its own.
    attributes: Range<usize>,
}

/// Without the text, which may have passwords in it.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Document");
        all.field("length", &self.text.len())
            .field("elements", &self.elements.len())
            .finish_non_exhaustive()
    }
}

/// An attribute of an element.
pub(super) struct Attribute<'a> {
    /// Its name as it is written, with its prefix.
    pub(super) name: &'a str,
    /// Its value, with entities resolved.
    pub(super) value: Cow<'a, str>,
    /// The bytes from the white space before it to after its closing quote.
    pub(super) whole: Range<usize>,
    /// The bytes between the quotes.
    pub(super) inner: Range<usize>,
}

/// Without the value, which may be a password.
impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Attribute");
        all.field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Document<'a> {
    /// Reads a document whose root must be `<root>`.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it is malformed, too big or too deep, or has a DTD.
    pub(super) fn parse(text: &'a str, root: &str) -> error::Result<Self> {
        // Not part of the document, and quick-xml does not count it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() > MAX_LEN {
            return Err(malformed(format!("has more than {} MiB", MAX_LEN >> 20)));
        }
        if let Some(bad) = text.chars().find(|c| !is_xml_char(*c)) {
            return Err(malformed(format!("has the character {bad:?}")));
        }
        let mut parser = Parser {
            document: Self {
                text,
                elements: Vec::with_capacity(text.len() / 64),
                attributes: Vec::with_capacity(text.len() / 32),
            },
            open: Vec::new(),
        };
        parser.run().map_err(|Bad { at, what }| {
            let line = 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
            malformed(format!("{what} (line {line})"))
        })?;
        let document = parser.document;
        match document.elements.first() {
            Some(first) if first.name == root && !first.foreign => Ok(document),
            Some(first) => Err(malformed(format!(
                "is not a <{root}>, it begins with <{}>",
                first.name
            ))),
            None => Err(malformed("has no elements".to_owned())),
        }
    }

    /// The text it was read from, without a byte order mark.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The outermost element. There is one, or it would not have been parsed.
    pub(super) fn root(&self) -> Option<Node<'_, 'a>> {
        self.node(0)
    }

    fn node(&self, id: usize) -> Option<Node<'_, 'a>> {
        let element = self.elements.get(id)?;
        Some(Node {
            document: self,
            id,
            element,
        })
    }
}

fn malformed(what: String) -> Error {
    Error::new(Kind::Usage, format!("the XML {what}"))
}

/// What is wrong, and where; a line number is made of it when it is needed.
struct Bad {
    at: usize,
    what: String,
}

struct Parser<'a> {
    document: Document<'a>,
    /// The elements around the current position, each with its last child.
    open: Vec<(usize, Option<usize>)>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), Bad> {
        let mut reader = Reader::from_str(self.document.text);
        reader.config_mut().check_comments = true;
        loop {
            let at = position(&reader);
            let bad = |what| Bad { at, what };
            let event = reader
                .read_event()
                .map_err(|error| bad(format!("is malformed: {error}")))?;
            if matches!(event, Event::Eof) {
                return self.finish().map_err(bad);
            }
            self.take(&event, at..position(&reader)).map_err(bad)?;
        }
    }

    /// Takes in one event, which has these bytes.
    fn take(&mut self, event: &Event<'a>, span: Range<usize>) -> Result<(), String> {
        match event {
            Event::Start(tag) => {
                let id = self.enter(tag, span)?;
                self.open.push((id, None));
            }
            Event::Empty(tag) => {
                self.enter(tag, span)?;
            }
            Event::End(_) => {
                let (id, _) = self.open.pop().ok_or("closes what was not opened")?;
                if let Some(element) = self.document.elements.get_mut(id) {
                    element.inner = Some(element.open.end..span.start);
                    element.whole.end = span.end;
                }
            }
            Event::GeneralRef(entity) if !self.open.is_empty() => {
                resolve(entity)?;
            }
            Event::Text(text)
                if self.open.is_empty() && text.iter().all(u8::is_ascii_whitespace) => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if self.open.is_empty() => {
                return Err("has text outside of its root element".to_owned());
            }
            Event::DocType(_) => return Err("has a DTD, which is refused".to_owned()),
            Event::Decl(_) if span.start != 0 => {
                return Err("has an XML declaration that is not at its beginning".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds an element for a start tag, and returns its number.
    fn enter(&mut self, tag: &BytesStart<'a>, span: Range<usize>) -> Result<usize, String> {
        let document = &mut self.document;
        let id = document.elements.len();
        let parent = self.open.last().map(|(id, _)| *id);
        if parent.is_none() && id > 0 {
            return Err("has more than one root element".to_owned());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("is nested more than {MAX_DEPTH} deep"));
        }
        if id >= MAX_ELEMENTS {
            return Err(format!("has more than {MAX_ELEMENTS} elements"));
        }
        let name_start = span.start + 1;
        let name = document
            .text
            .get(name_start..name_start + tag.name().as_ref().len())
            .filter(|name| is_name(name))
            .ok_or("has an element whose name is malformed")?;

        let first = document.attributes.len();
        read_attributes(tag, document.text, &mut document.attributes)?;
        let own = document.attributes.get(first..).unwrap_or_default();
        let inherited = parent
            .and_then(|id| document.elements.get(id))
            .is_some_and(|parent| parent.foreign);
        let foreign = own
            .iter()
            .find(|attribute| attribute.name == "xmlns")
            .map_or(inherited, |xmlns| !xmlns.value.is_empty());

        document.elements.push(Element {
            name,
            foreign,
            parent,
            first_child: None,
            next_sibling: None,
            whole: span.clone(),
            open: span,
            inner: None,
            attributes: first..document.attributes.len(),
        });
        if let Some((parent, last_child)) = self.open.last_mut() {
            let link = match last_child.replace(id) {
                Some(before) => document
                    .elements
                    .get_mut(before)
                    .map(|element| &mut element.next_sibling),
                None => document
                    .elements
                    .get_mut(*parent)
                    .map(|element| &mut element.first_child),
            };
            if let Some(link) = link {
                *link = Some(id);
            }
        }
        Ok(id)
    }

    fn finish(&self) -> Result<(), String> {
        let inside = self
            .open
            .last()
            .and_then(|(id, _)| self.document.elements.get(*id));
        match inside {
            Some(element) => Err(format!("ends inside <{}>", element.name)),
            None => Ok(()),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the text is in memory, so its positions fit"
)]
fn position(reader: &Reader<&[u8]>) -> usize {
    reader.buffer_position() as usize
}

/// Whether this is the name of an element or attribute. More than XML allows,
/// but nothing that could be read as the beginning of something else, and no
/// name that readers make two of (Namespaces in XML 1.0, "QName").
fn is_name(name: &str) -> bool {
    let mut parts = name.split(':');
    parts.clone().count() <= 2
        && parts.all(|part| !part.is_empty())
        && !name.contains(|c: char| {
            c.is_whitespace() || matches!(c, '<' | '>' | '&' | '\'' | '"' | '=' | '/')
        })
}

fn read_attributes<'a>(
    tag: &BytesStart<'a>,
    text: &'a str,
    into: &mut Vec<Attribute<'a>>,
) -> Result<(), String> {
    let first = into.len();
    let mut attributes = tag.attributes();
    // Its own check looks at all pairs before the limit can stop it.
    attributes.with_checks(false);
    for attribute in attributes {
        let attribute = attribute.map_err(|error| format!("is malformed: {error}"))?;
        let span_of = |part: &[u8]| span_in(text, part).ok_or("is malformed: an attribute");
        let key = span_of(attribute.key.as_ref())?;
        let inner = span_of(&attribute.value)?;
        let name = text.get(key.clone()).unwrap_or_default();
        let raw = text.get(inner.clone()).unwrap_or_default();
        if !is_name(name) || raw.contains('<') {
            return Err("has a malformed attribute".to_owned());
        }
        let own = into.get(first..).unwrap_or_default();
        if own.iter().any(|other| other.name == name) {
            return Err(format!("has the attribute '{name}' twice in one element"));
        }
        if own.len() >= MAX_ATTRIBUTES {
            return Err(format!(
                "has more than {MAX_ATTRIBUTES} attributes in one element"
            ));
        }
        let value = if raw.contains(['&', '\t', '\n', '\r']) {
            let value = attribute
                .normalized_value(Implicit1_0)
                // Not in the words of the reader: they would quote a part of
                // the value, and that may be a password.
                .map_err(
                    |_| "is malformed: an attribute refers to an unknown entity or character",
                )?;
            if !value.chars().all(is_xml_char) {
                return Err("refers to a character that XML does not have".to_owned());
            }
            Cow::Owned(value.into_owned())
        } else {
            Cow::Borrowed(raw)
        };
        let before = text.get(..key.start).unwrap_or_default();
        let whole = before.trim_ascii_end().len()..inner.end + 1;
        into.push(Attribute {
            name,
            value,
            whole,
            inner,
        });
    }
    Ok(())
}

/// Where a piece of a text is in it.
fn span_in(text: &str, part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    text.as_bytes().get(start..end).map(|_| start..end)
}

/// What `&entity;` stands for.
fn resolve(entity: &BytesRef<'_>) -> Result<String, String> {
    let malformed = |error: quick_xml::Error| format!("is malformed: {error}");
    if let Some(c) = entity.resolve_char_ref().map_err(malformed)? {
        if is_xml_char(c) {
            return Ok(c.to_string());
        }
        return Err("refers to a character that XML does not have".to_owned());
    }
    let name = entity
        .xml10_content()
        .map_err(|error| malformed(error.into()))?;
    resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| format!("has the unknown entity '&{name};'"))
}

/// An element of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'d, 'a> {
    document: &'d Document<'a>,
    id: usize,
    element: &'d Element<'a>,
}

impl<'d, 'a> Node<'d, 'a> {
    /// Its name as it is written, with its prefix.
    pub(super) fn name(self) -> &'a str {
        self.element.name
    }

    /// Whether it is libvirt's element of this name. A prefix or a default
    /// namespace makes it somebody else's.
    pub(super) fn is(self, name: &str) -> bool {
        self.element.name == name && !self.element.foreign
    }

    /// The namespace of an element that has a prefix.
    pub(super) fn namespace(self) -> Option<&'d str> {
        let (prefix, _) = self.element.name.split_once(':')?;
        let mut node = Some(self);
        while let Some(at) = node {
            let declared = at
                .attributes()
                .iter()
                .find(|attribute| attribute.name.strip_prefix("xmlns:") == Some(prefix));
            if let Some(declared) = declared {
                return Some(&declared.value);
            }
            node = at.parent();
        }
        None
    }

    /// The element it is in.
    pub(super) fn parent(self) -> Option<Self> {
        self.document.node(self.element.parent?)
    }

    /// The elements directly in it.
    pub(super) fn children(self) -> impl Iterator<Item = Self> + use<'d, 'a> {
        let document = self.document;
        let first = self.element.first_child.and_then(|id| document.node(id));
        std::iter::successors(first, |node| document.node(node.element.next_sibling?))
    }

    /// The elements of this name directly in it.
    pub(super) fn all<'n>(self, name: &'n str) -> impl Iterator<Item = Self> + use<'d, 'a, 'n> {
        self.children().filter(move |child| child.is(name))
    }

    /// The first element of this name directly in it.
    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.is(name))
    }

    /// The first element at this path, each step taking the first of its name.
    pub(super) fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// Itself and everything in it, in the order of the document.
    pub(super) fn subtree(self) -> impl Iterator<Item = Self> + use<'d, 'a> {
        // Elements are numbered in the order of their start tags.
        let document = self.document;
        let end = self.element.whole.end;
        (self.id..)
            .map_while(move |id| document.node(id))
            .take_while(move |node| node.element.whole.start < end)
    }

    /// Its attributes.
    pub(super) fn attributes(self) -> &'d [Attribute<'a>] {
        self.document
            .attributes
            .get(self.element.attributes.clone())
            .unwrap_or_default()
    }

    /// Its attribute of this name.
    pub(super) fn attribute(self, name: &str) -> Option<&'d Attribute<'a>> {
        self.attributes().iter().find(|a| a.name == name)
    }

    /// The value of its attribute of this name.
    pub(super) fn get(self, name: &str) -> Option<&'d str> {
        self.attribute(name).map(|attribute| &*attribute.value)
    }

    /// Its text and that of the elements in it, with entities resolved and
    /// comments left out, as XPath's `string()` has it.
    pub(super) fn text(self) -> Cow<'a, str> {
        let Some(inner) = self.element.inner.clone() else {
            return Cow::Borrowed("");
        };
        let raw = self.document.text.get(inner).unwrap_or_default();
        if !raw.contains(['<', '&', '\r']) {
            return Cow::Borrowed(raw);
        }
        let mut text = String::new();
        let mut reader = Reader::from_str(raw);
        // All of it was read without an error before.
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Text(piece) => text.push_str(&piece.xml10_content().unwrap_or_default()),
                Event::CData(piece) => text.push_str(&piece.xml10_content().unwrap_or_default()),
                Event::GeneralRef(entity) => text.push_str(&resolve(&entity).unwrap_or_default()),
                Event::Eof => break,
                _ => {}
            }
        }
        Cow::Owned(text)
    }

    /// Its bytes, from the start tag to the end tag.
    pub(super) fn whole(self) -> Range<usize> {
        self.element.whole.clone()
    }

    /// The bytes of its start tag.
    pub(super) fn open(self) -> Range<usize> {
        self.element.open.clone()
    }

    /// The bytes between its tags; `None` if it is `<empty/>`.
    pub(super) fn inner(self) -> Option<Range<usize>> {
        self.element.inner.clone()
    }

    /// The line break and white space before it, if it begins its line.
    pub(super) fn indent(self) -> Option<&'a str> {
        let before = self.document.text.get(..self.element.whole.start)?;
        let line = before.trim_end_matches([' ', '\t']);
        let start = line.strip_suffix('\n')?;
        let start = start.strip_suffix('\r').unwrap_or(start);
        before.get(start.len()..)
    }
}

#[cfg(test)]
mod tests;
