//! Patterns of names, as a shell has them.

use std::fmt;
use std::str::FromStr;

/// A pattern: `*` for any characters, `?` for one, `[a-c]` for one of some,
/// `[!a]` for one that is not, and `\` before what means itself.
///
/// ```
/// use vmkin::model::Glob;
///
/// let web: Glob = "web-*".parse().unwrap();
/// assert!(web.matches("web-01"));
/// assert!(!web.matches("db-01"));
/// assert!(Glob::is_pattern("web-0[1-3]"));
/// assert!(!Glob::is_pattern("web-01"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Any,
    One,
    Char(char),
    Set {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Whether there is anything in a text that a pattern has and a plain name
    /// does not.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Whether all of a name is as the pattern says.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where the last `*` was, and how much of the name it has taken.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() || part < self.parts.len() {
            let here = name.get(at).copied();
            match (self.parts.get(part), here) {
                (Some(Part::Any), _) => {
                    star = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(one), Some(c)) if one.takes(c) => {
                    at += 1;
                    part += 1;
                    continue;
                }
                _ => {}
            }
            // Not that way: the last `*` takes one character more.
            match star {
                Some((star_part, taken)) if taken < name.len() => {
                    star = Some((star_part, taken + 1));
                    at = taken + 1;
                    part = star_part + 1;
                }
                _ => return false,
            }
        }
        true
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { not, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not
            }
        }
    }
}

impl FromStr for Glob {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Char(chars.next().ok_or("nothing comes after the backslash")?),
                '[' => {
                    let not = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
                    let mut ranges = Vec::new();
                    loop {
                        let from = chars.next().ok_or("a '[' is not closed")?;
                        if from == ']' && !ranges.is_empty() {
                            break;
                        }
                        let mut to = from;
                        let mut ahead = chars.clone();
                        if ahead.next() == Some('-') {
                            if let Some(end) = ahead.next().filter(|end| *end != ']') {
                                to = end;
                                chars = ahead;
                            }
                        }
                        ranges.push((from, to));
                    }
                    Part::Set { not, ranges }
                }
                c => Part::Char(c),
            });
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn names_are_matched_as_a_shell_does_it() {
        for (pattern, yes, no) in [
            ("web-*", &["web-", "web-01"][..], &["web", "xweb-1"][..]),
            ("*", &["", "a"], &[]),
            ("*a*b", &["ab", "xaxbxab"], &["ba", "abx"]),
            ("w?b", &["web"], &["wb", "weeb"]),
            ("v[0-3x-]", &["v0", "v3", "vx", "v-"], &["v4", "v", "v00"]),
            ("v[!0]", &["v1"], &["v0"]),
            ("v[]a]", &["v]", "va"], &["vb"]),
            (r"a\*", &["a*"], &["ab"]),
            ("", &[""], &["a"]),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            for name in yes {
                assert!(glob.matches(name), "{pattern} {name}");
            }
            for name in no {
                assert!(!glob.matches(name), "{pattern} {name}");
            }
        }
        for wrong in ["a[", "a[b", r"a\"] {
            assert!(wrong.parse::<Glob>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob: Glob = "*a".repeat(40).parse().unwrap();
        assert!(!glob.matches(&"b".repeat(5000)));
    }
}
