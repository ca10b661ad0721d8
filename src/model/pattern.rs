//! Names with a counter in them: `web-{n:02}`.

use std::fmt;
use std::str::FromStr;

use super::{DomainName, InvalidName};

/// The most digits a counter may be padded to.
const MAX_WIDTH: usize = 9;

/// A name with a counter in it, for many clones at once.
///
/// `{n}` stands for the number, `{n:02}` for the number with at least two
/// digits. Braces stand for nothing else.
///
/// ```
/// use vmkin::model::NamePattern;
///
/// let pattern: NamePattern = "web-{n:02}".parse()?;
/// assert_eq!(pattern.name(7)?.as_str(), "web-07");
/// assert_eq!(pattern.name(120)?.as_str(), "web-120");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamePattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Itself.
    Text(String),
    /// A number, padded to this many digits.
    Counter { width: usize },
}

impl NamePattern {
    /// Whether it has a counter, so that it can name more than one domain.
    pub fn has_counter(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Counter { .. }))
    }

    /// The name with this number in the place of the counter.
    ///
    /// # Errors
    ///
    /// If the result cannot be a name.
    pub fn name(&self, n: u64) -> Result<DomainName, InvalidName> {
        numbered(&self.parts, n).parse()
    }
}

/// The text with this number in the place of each counter.
pub(super) fn numbered(parts: &[Part], n: u64) -> String {
    let mut name = String::new();
    for part in parts {
        match part {
            Part::Text(text) => name.push_str(text),
            Part::Counter { width } => {
                let width = *width;
                name.push_str(&format!("{n:0width$}"));
            }
        }
    }
    name
}

impl FromStr for NamePattern {
    type Err = InvalidPattern;

    fn from_str(s: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self { parts: parts(s)? };
        // Any number will do to find a character that no name can have.
        pattern.name(1).map_err(InvalidPattern::Name)?;
        Ok(pattern)
    }
}

/// Takes a text with counters apart.
pub(super) fn parts(s: &str) -> Result<Vec<Part>, InvalidPattern> {
    let mut parts = Vec::new();
    let mut rest = s;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, tail) = rest.split_at(open);
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let close = tail.find('}').filter(|_| tail.starts_with('{'));
        let Some((field, after)) = close.and_then(|at| tail.split_at_checked(at + 1)) else {
            return Err(InvalidPattern::Brace);
        };
        parts.push(counter(field)?);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Reads `{n}` or `{n:02}`.
fn counter(field: &str) -> Result<Part, InvalidPattern> {
    let unknown = || InvalidPattern::Field(field.to_owned());
    let inner = field
        .strip_prefix('{')
        .and_then(|f| f.strip_suffix('}'))
        .ok_or_else(unknown)?;
    let width = match inner.split_once(':') {
        None if inner == "n" => 1,
        Some(("n", width)) if width.bytes().all(|b| b.is_ascii_digit()) => {
            width.parse().map_err(|_| unknown())?
        }
        _ => return Err(unknown()),
    };
    if width > MAX_WIDTH {
        return Err(InvalidPattern::Width(width));
    }
    Ok(Part::Counter { width })
}

/// Why a string cannot be a pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidPattern {
    /// A brace without its partner.
    Brace,
    /// Something in braces that is not a counter.
    Field(String),
    /// A counter padded to more digits than there could ever be domains.
    Width(usize),
    /// The names would not be names.
    Name(InvalidName),
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brace => f.write_str("a brace without its partner: write {n} or {n:02}"),
            Self::Field(field) => write!(f, "unknown field {field}: write {{n}} or {{n:02}}"),
            Self::Width(width) => write!(
                f,
                "a counter cannot have {width} digits: {MAX_WIDTH} are the most"
            ),
            Self::Name(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for InvalidPattern {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counters_are_padded_and_grow_past_their_width() {
        let name = |pattern: &str, n| pattern.parse::<NamePattern>().unwrap().name(n).unwrap();
        assert_eq!(name("a{n}", 10).as_str(), "a10");
        assert_eq!(name("a{n:03}b", 9).as_str(), "a009b");
        assert_eq!(name("{n:02}x{n}", 1).as_str(), "01x1");
        assert_eq!(name("w{n:02}", 100).as_str(), "w100");
        assert_eq!(name("w{n:2}", 5).as_str(), "w05");
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for bad in [
            "{",
            "}",
            "a{n",
            "a}n{",
            "{}",
            "{m}",
            "{n:x}",
            "{n:99}",
            "a b{n}",
            "%n",
            "{n}/x",
            "",
            "{n:99999999999999999999}",
        ] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad:?}");
        }
        // Digits only would be taken for an id.
        assert!("{n}".parse::<NamePattern>().is_err());
    }

    /// Text and counters, as a pattern and as what it stands for.
    fn pieces() -> impl Strategy<Value = Vec<(String, Option<usize>)>> {
        let piece = (
            "[a-z_][a-z0-9._+-]{0,3}|",
            prop::option::of(prop_oneof![Just(0), 1_usize..=9]),
        );
        prop::collection::vec(piece, 1..4)
    }

    proptest! {
        #[test]
        fn a_counter_stands_for_its_number_and_nothing_else(
            pieces in pieces(),
            numbers in prop::collection::vec(any::<u64>().prop_map(|n| n >> (n % 64)), 1..6),
        ) {
            let mut pattern = String::new();
            for (text, width) in &pieces {
                pattern.push_str(text);
                match width {
                    None => {}
                    Some(0) => pattern.push_str("{n}"),
                    Some(width) => pattern.push_str(&format!("{{n:0{width}}}")),
                }
            }
            let expected = |n: u64| -> String {
                let piece = |(text, width): &(String, Option<usize>)| match width {
                    None => text.clone(),
                    Some(width) => format!("{text}{n:0width$}"),
                };
                pieces.iter().map(piece).collect()
            };
            let Ok(parsed) = pattern.parse::<NamePattern>() else {
                prop_assert!(expected(1).parse::<DomainName>().is_err(), "{}", pattern);
                return Ok(());
            };
            prop_assert_eq!(parsed.has_counter(), pieces.iter().any(|(_, width)| width.is_some()));
            let mut seen = HashSet::new();
            let different: HashSet<u64> = numbers.into_iter().collect();
            for n in &different {
                let name = parsed.name(*n);
                prop_assert_eq!(name.clone().ok(), expected(*n).parse().ok());
                // Two clones never get one name.
                prop_assert!(!parsed.has_counter() || name.is_err() || seen.insert(name.ok()));
            }
        }

        #[test]
        fn any_text_is_a_pattern_for_names_or_none(text in "[a-z{}n:0-9 /%.é-]{0,12}") {
            if let Ok(pattern) = text.parse::<NamePattern>() {
                prop_assert!(pattern.name(1).is_ok());
                prop_assert_eq!(pattern.has_counter(), text.contains('{'));
                prop_assert!(pattern.has_counter() || pattern.name(7).unwrap().as_str() == text);
            }
        }
    }
}
