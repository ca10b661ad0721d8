//! What a line says: words as a shell takes them, and the names that other programs
//! have for commands.

use crate::error::{Error, Kind, Result};

/// Names of guestfish and of shells, and what they are here.
const ALIASES: &[(&str, &[&str])] = &[
    ("ll", &["ls", "-l"]),
    ("more", &["cat"]),
    ("dir", &["ls"]),
    ("df-h", &["df", "-h"]),
    ("mounts", &["mount"]),
    ("mountpoints", &["mount"]),
    ("umount-all", &["umount", "/"]),
    ("unmount", &["umount"]),
    ("list-filesystems", &["filesystems"]),
    ("inspect-os", &["inspect"]),
    ("vi", &["edit"]),
    ("emacs", &["edit"]),
    ("mkdir-p", &["mkdir", "-p"]),
    ("rm-rf", &["rm", "-r", "-f"]),
    ("rm-f", &["rm", "-f"]),
    ("cp-a", &["cp"]),
    ("cp-r", &["cp"]),
    ("ln-s", &["ln", "-s"]),
    ("ln-f", &["ln", "-f"]),
    ("ln-sf", &["ln", "-s", "-f"]),
    ("head-n", &["head", "-n"]),
    ("tail-n", &["tail", "-n"]),
    ("changes", &["status"]),
    ("quit", &["exit"]),
    ("q", &["exit"]),
    ("run", &["launch"]),
    ("sync", &["launch"]),
];

/// A line of a session.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Line {
    /// What is to be done; nothing in a line that is empty or a comment.
    pub(super) words: Vec<String>,
    /// Whether a script goes on if it fails: it begins with a dash.
    pub(super) may_fail: bool,
}

impl Line {
    /// Takes a line apart.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if a quote is not closed.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (text, may_fail) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let words = shell_words::split(&with_line_ends(text)).map_err(|_| {
            Error::new(Kind::Usage, "a quote is opened and not closed")
                .hint("a quote that is meant as it is has a backslash before it: \\'")
        })?;
        Ok(Self {
            words: plain(words),
            may_fail,
        })
    }
}

/// `\n`, `\t` and `\r` in double quotes as what they stand for in guestfish. A shell
/// leaves them as they are, but nobody means that in a line that is to be written; a
/// pattern finds the same by either.
fn with_line_ends(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => match chars.next() {
                Some('n') => said.push('\n'),
                Some('t') => said.push('\t'),
                Some('r') => said.push('\r'),
                other => said.extend(std::iter::once('\\').chain(other)),
            },
            (None, '\\') => said.extend(std::iter::once('\\').chain(chars.next())),
            (None, '\'' | '"') => {
                quote = Some(c);
                said.push(c);
            }
            (open, c) => {
                if open == Some(c) {
                    quote = None;
                }
                said.push(c);
            }
        }
    }
    said
}

/// The words of a command, under the name that it has here.
fn plain(mut words: Vec<String>) -> Vec<String> {
    let alias = words.first().and_then(|name| meaning(name));
    if let Some(meaning) = alias {
        words.splice(..1, meaning.iter().map(|word| (*word).to_owned()));
    }
    words
}

/// What a name of another program's means here.
pub(super) fn meaning(name: &str) -> Option<&'static [&'static str]> {
    let found = ALIASES.iter().find(|(alias, _)| *alias == name);
    found.map(|(_, meaning)| *meaning)
}

/// All such names.
pub(super) fn aliases() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    ALIASES.iter().copied()
}

/// The last word of what is typed so far, which may not be whole: where it begins,
/// what it says, and how it is quoted.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Last {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// What it says so far.
    pub(super) word: String,
    /// The words before it.
    pub(super) before: Vec<String>,
    /// The quote that is open.
    quote: Option<char>,
}

impl Last {
    /// Finds it in the beginning of a line.
    pub(super) fn of(line: &str) -> Self {
        let mut last = Self {
            start: line.len(),
            word: String::new(),
            before: Vec::new(),
            quote: None,
        };
        let mut begun = false;
        let mut chars = line.char_indices();
        while let Some((at, c)) = chars.next() {
            let blank = c.is_whitespace() && last.quote.is_none();
            if blank {
                if std::mem::take(&mut begun) {
                    last.before.push(std::mem::take(&mut last.word));
                }
                continue;
            }
            if !std::mem::replace(&mut begun, true) {
                last.start = at;
            }
            match (last.quote, c) {
                (None, '\'' | '"') => last.quote = Some(c),
                (Some(open), _) if open == c => last.quote = None,
                (None | Some('"'), '\\') => last.word.extend(chars.next().map(|(_, c)| c)),
                _ => last.word.push(c),
            }
        }
        if !begun {
            last.start = line.len();
        }
        last
    }

    /// Another word in its place, quoted as the user has begun to. One that is whole
    /// is closed.
    pub(super) fn quoted(&self, word: &str, whole: bool) -> String {
        let mut text = String::from_iter(self.quote);
        for c in word.chars() {
            match (self.quote, c) {
                (Some('\''), '\'') => text.push_str("'\\''"),
                (Some('"'), '"' | '\\') => text.extend(['\\', c]),
                (None, c) if !is_plain(c) => text.extend(['\\', c]),
                _ => text.push(c),
            }
        }
        if whole {
            text.extend(self.quote);
            text.push(' ');
        }
        text
    }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "/._-+,:@%=~^".contains(c) || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Line::parse(text).unwrap().words
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(
            words("  cat '/a b' c\\ d \"e'f\""),
            ["cat", "/a b", "c d", "e'f"]
        );
        assert_eq!(words("write /x ''"), ["write", "/x", ""]);
        assert!(words("# nothing").is_empty());
        assert!(words("   ").is_empty());
        assert_eq!(words("ls /a # and no more"), ["ls", "/a"]);
        let error = Line::parse("cat 'x").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }

    #[test]
    fn line_ends_in_double_quotes_are_those_of_guestfish() {
        assert_eq!(words(r#"write /x "a\tb\n""#)[2], "a\tb\n");
        assert_eq!(words(r#"write /x 'a\n'"#)[2], r"a\n");
        assert_eq!(words(r#"write /x "a\\n" b\n"#)[2..], [r"a\n", "bn"]);
        assert_eq!(words(r#"grep "\bfoo\"" /x"#)[1], r#"\bfoo""#);
        assert_eq!(words(r#"write /x "it's\n""#)[2], "it's\n");
    }

    #[test]
    fn a_dash_lets_a_line_fail() {
        let line = Line::parse("-rm -f /x").unwrap();
        assert!(line.may_fail);
        assert_eq!(line.words, ["rm", "-f", "/x"]);
        assert!(!Line::parse("rm -f /x").unwrap().may_fail);
    }

    #[test]
    fn other_names_are_understood() {
        assert_eq!(words("ll /x"), ["ls", "-l", "/x"]);
        assert_eq!(words("mkdir-p /a/b"), ["mkdir", "-p", "/a/b"]);
        assert_eq!(words("quit"), ["exit"]);
    }

    #[test]
    fn the_last_word_is_found_whole_or_not() {
        let last = Last::of("cat /a/b c\\ d");
        assert_eq!((last.start, last.word.as_str()), (9, "c d"));
        assert_eq!(last.before, ["cat", "/a/b"]);
        assert_eq!(last.quoted("c dee", true), "c\\ dee ");
        let last = Last::of("cat 'a b/");
        assert_eq!((last.start, last.word.as_str()), (4, "a b/"));
        assert_eq!(last.quoted("a b/c", true), "'a b/c' ");
        assert_eq!(last.quoted("a b/c/", false), "'a b/c/");
        let last = Last::of("cat ");
        assert_eq!((last.start, last.word.as_str()), (4, ""));
        assert_eq!(Last::of("").before, Vec::<String>::new());
    }

    #[test]
    fn what_is_completed_is_the_same_word_again() {
        for word in ["it's", "a\"b", "x$(y)", "ž w", "a\\b", "*?[]", "#x"] {
            for open in ["", "'", "\""] {
                let last = Last::of(&format!("cat {open}"));
                let line = format!("cat {}", last.quoted(word, true));
                assert_eq!(words(&line), ["cat", word], "{line}");
            }
        }
    }
}
