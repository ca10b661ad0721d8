//! The language that LVM2 keeps its metadata in.
//!
//! ```text
//! name {              # a section
//!     key = 5
//!     other = "text"
//!     list = [ "a", 0 ]
//! }
//! ```

use std::borrow::Cow;

/// How deep sections and lists may be in each other; LVM2 needs five.
const MAX_DEPTH: usize = 12;

/// How many values there may be. A thousand logical volumes have some 20,000.
const MAX_VALUES: usize = 250_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Section(Section<'a>),
}

/// Keys and what they have, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Section<'a> {
    /// All entries that are sections, by name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &Section<'a>)> {
        self.entries.iter().filter_map(|(key, value)| match value {
            Value::Section(section) => Some((key.as_ref(), section)),
            _ => None,
        })
    }

    fn get(&self, key: &str) -> Option<&Value<'a>> {
        let entry = self.entries.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value)
    }

    pub(super) fn section(&self, key: &str) -> Option<&Section<'a>> {
        match self.get(key)? {
            Value::Section(section) => Some(section),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Option<&[Value<'a>]> {
        match self.get(key)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// Whether a list of words has one.
    pub(super) fn list_has(&self, key: &str, word: &str) -> bool {
        let is = |value: &Value<'_>| matches!(value, Value::Text(text) if text == word);
        self.list(key).is_some_and(|list| list.iter().any(is))
    }
}

/// Reads a whole document; `None` if it cannot be understood.
pub(super) fn parse(bytes: &[u8]) -> Option<Section<'_>> {
    // It is written with a zero at the end.
    let text = bytes.split(|byte| *byte == 0).next()?;
    let mut parser = Parser {
        rest: std::str::from_utf8(text).ok()?,
        values: 0,
    };
    let document = parser.section(0)?;
    parser.skip();
    parser.rest.is_empty().then_some(document)
}

struct Parser<'a> {
    rest: &'a str,
    /// How many values were read.
    values: usize,
}

impl<'a> Parser<'a> {
    /// Passes over white space and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('#') else {
                return;
            };
            self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    /// Passes over a sign, if it comes next.
    fn takes(&mut self, sign: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The entries up to the end, or to a brace that is not theirs.
    fn section(&mut self, depth: usize) -> Option<Section<'a>> {
        let mut entries = Vec::new();
        loop {
            self.skip();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Some(Section { entries });
            }
            let key = match self.rest.starts_with('"') {
                true => self.quoted()?,
                false => Cow::Borrowed(self.word()?),
            };
            let value = if self.takes('{') {
                self.count(depth)?;
                let section = self.section(depth + 1)?;
                self.takes('}').then_some(Value::Section(section))?
            } else if self.takes('=') {
                self.value(depth)?
            } else {
                return None;
            };
            entries.push((key, value));
        }
    }

    /// Counts one more value, and checks how deep it is.
    fn count(&mut self, depth: usize) -> Option<()> {
        self.values += 1;
        (self.values <= MAX_VALUES && depth < MAX_DEPTH).then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.count(depth)?;
        if self.takes('[') {
            return self.list(depth + 1).map(Value::List);
        }
        if self.rest.starts_with('"') {
            return self.quoted().map(Value::Text);
        }
        let word = self.word()?;
        // There are also fractions, of which none says anything here.
        let number = word.parse().map(Value::Number);
        Some(number.unwrap_or(Value::Text(Cow::Borrowed(word))))
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Value<'a>>> {
        let mut list = Vec::new();
        while !self.takes(']') {
            self.skip();
            list.push(self.value(depth)?);
            if !self.takes(',') {
                return self.takes(']').then_some(list);
            }
        }
        Some(list)
    }

    fn word(&mut self) -> Option<&'a str> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let text = self.rest.strip_prefix('"')?;
        let mut escaped = false;
        let mut any = false;
        for (at, c) in text.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => (escaped, any) = (true, true),
                '"' => {
                    let (inside, rest) = text.split_at_checked(at)?;
                    self.rest = rest.strip_prefix('"')?;
                    return Some(if any {
                        Cow::Owned(unescaped(inside))
                    } else {
                        Cow::Borrowed(inside)
                    });
                }
                _ => {}
            }
        }
        None
    }
}

/// Takes away the backslashes that stand in front of a sign.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_language_is_understood() {
        let text = b"# generated\nvg-0 {\nid = \"a\\\"b\\\\c\" # x\nn = -5\nf = 1.5\n\
            empty = []\nlist = [\"READ\", 7,\"x\"]\ninner{deep { a = 1 } }\n}\nversion=1\n\0junk";
        let document = parse(text).unwrap();
        assert_eq!(document.number("version"), Some(1));
        let group = document.section("vg-0").unwrap();
        assert_eq!(group.text("id"), Some("a\"b\\c"));
        assert_eq!(group.number("n"), None);
        assert_eq!(group.list("empty"), Some(&[][..]));
        assert!(group.list_has("list", "READ") && !group.list_has("list", "WRITE"));
        assert_eq!(group.list("list").unwrap()[1], Value::Number(7));
        let deep = group.section("inner").and_then(|s| s.section("deep"));
        assert_eq!(deep.unwrap().number("a"), Some(1));
        assert_eq!(document.sections().count(), 1);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in [
            "a",
            "a =",
            "a = [",
            "a = [1",
            "a = [1 2]",
            "a {",
            "a }",
            "}",
            "a = \"x",
            "= 1",
            "a = \"x\\\"",
            "a { b = 1",
            "a == 1",
            "a = {}",
            "[ ]",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"a = \"\xff\""), None);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |open: &str, n: usize| open.repeat(n);
        assert_eq!(parse(nested("a{", 1_000_000).as_bytes()), None);
        let lists = format!("a = {}", nested("[", 1_000_000));
        assert_eq!(parse(lists.as_bytes()), None);
        let many = "a=1 ".repeat(MAX_VALUES);
        assert!(parse(many.as_bytes()).is_some());
        assert_eq!(parse(format!("{many} a=1").as_bytes()), None);
        let many = format!("a = [{}]", "1,".repeat(1_000_000));
        assert_eq!(parse(many.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-c{}=\\[\\]\",#\\\\ \n0-9.-]{0,60}") {
            parse(text.as_bytes());
        }
    }
}
