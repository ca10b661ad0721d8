//! `s/PATTERN/REPLACEMENT/FLAGS`, as Perl and virt-edit have it.

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};

/// A substitution in lines of text.
#[derive(Clone, Debug)]
pub struct Substitution {
    pattern: Regex,
    replacement: Vec<Piece>,
    /// Which match of a line is replaced, counted from 1, and whether all that
    /// follow are too.
    first: usize,
    all: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Vec<u8>),
    /// What a group has matched; 0 is the whole match.
    Group(usize),
}

/// Why a text is no substitution.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubstitutionError(String);

impl fmt::Display for SubstitutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SubstitutionError {}

fn wrong<T>(why: impl Into<String>) -> Result<T, SubstitutionError> {
    Err(SubstitutionError(why.into()))
}

impl FromStr for Substitution {
    type Err = SubstitutionError;

    fn from_str(text: &str) -> Result<Self, SubstitutionError> {
        let rest = text.strip_prefix('s');
        let delimiter = rest.and_then(|rest| rest.chars().next());
        let delimiter = delimiter.filter(|c| c.is_ascii_punctuation() && *c != '\\');
        let (Some(rest), Some(delimiter)) = (rest, delimiter) else {
            return wrong("it must be a substitution: s/PATTERN/REPLACEMENT/ or s/…/…/g");
        };
        let parts = split(rest.get(1..).unwrap_or_default(), delimiter);
        let [pattern, replacement, flags] = parts.as_slice() else {
            return wrong(format!(
                "it must have three '{delimiter}': s{delimiter}PATTERN{delimiter}REPLACEMENT{delimiter}"
            ));
        };
        let (mut first, mut all, mut any_case) = (1, false, false);
        let mut digits = String::new();
        for flag in flags.chars() {
            match flag {
                'g' => all = true,
                'i' | 'I' => any_case = true,
                '0'..='9' => digits.push(flag),
                other => return wrong(format!("the flag '{other}' is none of g, i and a number")),
            }
        }
        if !digits.is_empty() {
            first = match digits.parse() {
                Ok(number) if number > 0 => number,
                _ => return wrong("the number of a match begins at 1"),
            };
        }
        let built = RegexBuilder::new(pattern)
            .case_insensitive(any_case)
            .build();
        let pattern = built.map_err(|why| {
            let why = why.to_string();
            let last = why.lines().last().unwrap_or_default();
            SubstitutionError(format!(
                "the pattern: {}",
                last.trim_start_matches("error: ")
            ))
        })?;
        let replacement = pieces(replacement, delimiter)?;
        for piece in &replacement {
            if let Piece::Group(number) = piece {
                if *number >= pattern.captures_len() {
                    return wrong(format!("the pattern has no group {number}"));
                }
            }
        }
        Ok(Self {
            pattern,
            replacement,
            first,
            all,
        })
    }
}

/// The parts between delimiters that no backslash is in front of.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == delimiter && !escaped && parts.len() < 3 {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn pieces(text: &str, delimiter: char) -> Result<Vec<Piece>, SubstitutionError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut group = |plain: &mut String, number: usize| {
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(plain).into_bytes()));
        }
        pieces.push(Piece::Group(number));
    };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some(digit @ '0'..='9') => {
                    group(&mut plain, digit.to_digit(10).unwrap_or(0) as usize);
                }
                Some(other) if other.is_ascii_punctuation() || other == delimiter => {
                    plain.push(other);
                }
                Some(other) => return wrong(format!("'\\{other}' means nothing there")),
                None => return wrong("a backslash at its end means nothing"),
            },
            '$' => {
                let braced = chars.next_if_eq(&'{').is_some();
                let mut number = String::new();
                if !braced && chars.next_if_eq(&'&').is_some() {
                    group(&mut plain, 0);
                    continue;
                }
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                let closed = !braced || chars.next_if_eq(&'}').is_some();
                match number.parse() {
                    Ok(number) if closed => group(&mut plain, number),
                    _ => {
                        return wrong(
                            "'$' is followed by no number: write '\\$' for a dollar sign",
                        );
                    }
                }
            }
            other => plain.push(other),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into_bytes()));
    }
    Ok(pieces)
}

impl Substitution {
    /// Does it to each line of a text; the ends of the lines are no part of them.
    pub fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let (line, end) = match line.strip_suffix(b"\n") {
                Some(line) => (line, &b"\n"[..]),
                None => (line, &b""[..]),
            };
            self.line(line, &mut out);
            out.extend_from_slice(end);
        }
        out
    }

    fn line(&self, line: &[u8], out: &mut Vec<u8>) {
        let mut done = 0;
        for (number, found) in (1_usize..).zip(self.pattern.captures_iter(line)) {
            if number < self.first {
                continue;
            }
            let Some(whole) = found.get(0) else { break };
            out.extend_from_slice(line.get(done..whole.start()).unwrap_or_default());
            for piece in &self.replacement {
                match piece {
                    Piece::Text(text) => out.extend_from_slice(text),
                    Piece::Group(number) => {
                        let group = found.get(*number);
                        out.extend_from_slice(group.map_or(&b""[..], |group| group.as_bytes()));
                    }
                }
            }
            done = whole.end();
            if !self.all {
                break;
            }
        }
        out.extend_from_slice(line.get(done..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::Substitution;

    fn apply(expression: &str, text: &str) -> String {
        let substitution: Substitution = expression.parse().unwrap();
        String::from_utf8(substitution.apply(text.as_bytes())).unwrap()
    }

    #[test]
    fn lines_are_changed_one_by_one() {
        for (expression, text, wanted) in [
            ("s/a/b/", "aa\naa\n", "ba\nba\n"),
            ("s/a/b/g", "aa\na", "bb\nb"),
            ("s/a/b/2", "aaa", "aba"),
            ("s/a/b/2g", "aaa", "abb"),
            ("s/A/b/i", "a", "b"),
            ("s/^/# /", "one\n\ntwo\n", "# one\n# \n# two\n"),
            ("s/$/;/", "one\ntwo\n", "one;\ntwo;\n"),
            (
                "s/^root:.*?:/root::/",
                "root:x:0\nann:x:1\n",
                "root::0\nann:x:1\n",
            ),
            ("s|/usr/local|/opt|", "/usr/local/x", "/opt/x"),
            (r"s/\/usr/\/opt/", "/usr", "/opt"),
            (r"s/(\w+)=(\w+)/\2=$1/", "a=b", "b=a"),
            ("s/b+/<$&>/", "abbc", "a<bb>c"),
            ("s/b/${0}x&/", "b", "bx&"),
            (r"s/,/\n\t\$1\\/", "a,b", "a\n\t$1\\b"),
            ("s/žluť/kůň/", "žluťoučký", "kůňoučký"),
            ("s/x*/-/g", "abc", "-a-b-c-"),
            ("s/no/yes/g", "nothing here? No.", "yesthing here? No."),
        ] {
            assert_eq!(apply(expression, text), wanted, "{expression}");
        }
    }

    #[test]
    fn what_is_no_text_stays_what_it_is() {
        let substitution: Substitution = "s/b/x/".parse().unwrap();
        assert_eq!(substitution.apply(b"\xffab\0\n\xfe"), b"\xffax\0\n\xfe");
    }

    #[test]
    fn what_is_none_says_why() {
        for (expression, why) in [
            ("", "must be a substitution"),
            ("y/a/b/", "must be a substitution"),
            ("sxaxbx", "must be a substitution"),
            ("s/a/b", "three '/'"),
            ("s/a/", "three '/'"),
            ("s/a/b/q", "flag 'q'"),
            ("s/a/b/0", "begins at 1"),
            ("s/(a/b/", "the pattern: unclosed group"),
            ("s/a/$1/", "no group 1"),
            (r"s/a/\3/", "no group 3"),
            ("s/a/$home/", r"write '\$'"),
            ("s/a/${1/", r"write '\$'"),
            (r"s/a/\q/", "means nothing"),
        ] {
            let said = expression.parse::<Substitution>().unwrap_err().to_string();
            assert!(said.contains(why), "{expression}: {said}");
        }
    }
}
