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
enum Part {
    Text(String),
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
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Counter { width } => {
                    let width = *width;
                    name.push_str(&format!("{n:0width$}"));
                }
            }
        }
        name.parse()
    }
}

impl FromStr for NamePattern {
    type Err = InvalidPattern;

    fn from_str(s: &str) -> Result<Self, InvalidPattern> {
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
        let pattern = Self { parts };
        // Any number will do to find a character that no name can have.
        pattern.name(1).map_err(InvalidPattern::Name)?;
        Ok(pattern)
    }
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
}
