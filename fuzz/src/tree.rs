//! XML as another reader than vmkin's has it.

use roxmltree::{Document, Node};

/// The elements of a document, in its order.
pub struct Tree {
    elements: Vec<Element>,
}

/// An element.
pub struct Element {
    /// The names from the root to it. A name in a namespace has a `:` in front.
    pub path: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// All text in it.
    pub text: String,
    /// The text that is directly in it, without white space.
    own_text: String,
    attributes: Vec<(String, String)>,
    parent: Option<usize>,
    end: usize,
}

impl Element {
    /// Its attribute of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        all.find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    fn line(&self, without: &[&str]) -> String {
        let mut line = format!("{} [{}]", self.path, self.own_text);
        if without.contains(&"*") {
            return line;
        }
        for (name, value) in &self.attributes {
            if !without.contains(&name.as_str()) {
                line.push_str(&format!(" {name}={value:?}"));
            }
        }
        line
    }
}

impl Tree {
    /// Reads a document; `None` if this reader does not accept it.
    pub fn read(xml: &str) -> Option<Self> {
        let document = Document::parse(xml).ok()?;
        let mut tree = Self {
            elements: Vec::new(),
        };
        tree.add(document.root_element(), None);
        Some(tree)
    }

    fn add(&mut self, node: Node<'_, '_>, parent: Option<usize>) {
        let name = match node.tag_name().namespace() {
            Some(_) => format!(":{}", node.tag_name().name()),
            None => node.tag_name().name().to_owned(),
        };
        let path = match parent.and_then(|at| self.elements.get(at)) {
            Some(parent) => format!("{}/{name}", parent.path),
            None => name,
        };
        let mut attributes: Vec<(String, String)> = node
            .attributes()
            .map(|one| match one.namespace() {
                Some(space) => (format!("{space}:{}", one.name()), one.value().to_owned()),
                None => (one.name().to_owned(), one.value().to_owned()),
            })
            .collect();
        attributes.sort();
        let texts = |nodes: &mut dyn Iterator<Item = Node<'_, '_>>| -> String {
            nodes
                .filter(Node::is_text)
                .filter_map(|text| text.text())
                .collect()
        };
        let at = self.elements.len();
        self.elements.push(Element {
            path,
            namespace: node.tag_name().namespace().map(str::to_owned),
            text: texts(&mut node.descendants()),
            own_text: texts(&mut node.children()).split_whitespace().collect(),
            attributes,
            parent,
            end: 0,
        });
        for child in node.children().filter(Node::is_element) {
            self.add(child, Some(at));
        }
        let end = self.elements.len();
        self.elements[at].end = end;
    }

    /// The first element at this path.
    pub fn at(&self, path: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.path == path)
    }

    /// All elements at this path.
    pub fn all(&self, path: &str) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.path == path)
    }

    /// The first element of this name directly in another.
    pub fn child<'t>(&'t self, of: &Element, name: &str) -> Option<&'t Element> {
        let is_parent = |at: usize| {
            let parent = self.elements.get(at);
            parent.is_some_and(|parent| std::ptr::eq(parent, of))
        };
        self.elements
            .iter()
            .filter(|element| element.parent.is_some_and(is_parent))
            .find(|element| element.path.rsplit('/').next() == Some(name))
    }

    /// The element itself or the nearest around it whose path is `prefix` and
    /// `name`.
    pub fn ancestor<'t>(
        &'t self,
        of: &'t Element,
        prefix: &str,
        name: &str,
    ) -> Option<&'t Element> {
        let mut at = Some(of);
        while let Some(element) = at {
            if element.path.strip_prefix(prefix) == Some(name) {
                return Some(element);
            }
            at = element.parent.and_then(|parent| self.elements.get(parent));
        }
        None
    }

    /// A line for each element that counts. `verdict` tells which of its
    /// attributes do not; `None` if nothing in it does.
    pub fn walk(
        &self,
        verdict: &mut dyn FnMut(&Element) -> Option<&'static [&'static str]>,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(element) = self.elements.get(at) {
            match verdict(element) {
                Some(without) => {
                    // It may be there only because something is put into it.
                    if without != ["*"] {
                        lines.push(element.line(without));
                    }
                    at += 1;
                }
                None => at = element.end,
            }
        }
        lines
    }
}
