//! Options as virt-install has them: `path=/x.qcow2,bus=virtio,readonly=on`.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::nearest;

/// A list of words with values, as it was typed.
///
/// A comma in a value is written twice. The first word may stand for a value
/// itself: `--disk /x.qcow2,bus=virtio` means `path=/x.qcow2`.
#[derive(Clone, Debug)]
pub struct Options {
    pairs: Vec<(String, Option<String>)>,
}

impl Options {
    /// Reads a list in which only these words may stand; `first` is the one that
    /// a value without a word at the beginning belongs to.
    ///
    /// # Errors
    ///
    /// If a word is not one of `known`, has no name, or stands there twice.
    pub fn parse(text: &str, first: &str, known: &[&str]) -> Result<Self, InvalidOption> {
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        let mut seen = HashSet::new();
        for (index, part) in split(text).into_iter().enumerate() {
            let (word, value) = match part.split_once('=') {
                Some((word, value)) if is_word(word) => (word.to_owned(), Some(value.to_owned())),
                None if is_word(&part) && known.contains(&part.as_str()) && part != first => {
                    (part, None)
                }
                _ if index == 0 => (first.to_owned(), Some(part)),
                _ => (part, None),
            };
            if !known.contains(&word.as_str()) {
                return Err(InvalidOption::unknown(&word, known));
            }
            if value.as_deref() == Some("") {
                return Err(InvalidOption(format!("'{word}=' has no value")));
            }
            if !seen.insert(word.clone()) {
                return Err(InvalidOption(format!("'{word}' is given twice")));
            }
            pairs.push((word, value));
        }
        Ok(Self { pairs })
    }

    /// Whether the word is there, with a value or without.
    pub fn has(&self, word: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == word)
    }

    /// The words, in the order in which they stand there.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(word, _)| word.as_str())
    }

    /// The value of a word, if it is there.
    ///
    /// # Errors
    ///
    /// If it is there without a value.
    pub fn text(&self, word: &str) -> Result<Option<&str>, InvalidOption> {
        match self.pairs.iter().find(|(known, _)| known == word) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value)),
            Some((_, None)) => Err(InvalidOption(format!("'{word}' needs a value: `{word}=…`"))),
        }
    }

    /// The value of a word as something else than text.
    ///
    /// # Errors
    ///
    /// If it has no value, or none of that sort.
    pub fn parsed<T>(&self, word: &str) -> Result<Option<T>, InvalidOption>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.text(word)?
            .map(|value| {
                value
                    .parse()
                    .map_err(|e| InvalidOption(format!("{word}={value}: {e}")))
            })
            .transpose()
    }

    /// The value of a word that has to be one of these.
    ///
    /// # Errors
    ///
    /// If it is another, with the nearest.
    pub fn one_of(&self, word: &str, values: &[&str]) -> Result<Option<String>, InvalidOption> {
        let Some(value) = self.text(word)? else {
            return Ok(None);
        };
        if values.contains(&value) {
            return Ok(Some(value.to_owned()));
        }
        let meant = match nearest(value, values.iter().copied(), 1).first() {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("it can be {}", list(values)),
        };
        Err(InvalidOption(format!("{word}={value} is unknown; {meant}")))
    }

    /// Whether a switch is on: the word alone, or with `on`, `yes`, `true` or `1`.
    ///
    /// # Errors
    ///
    /// If it has another value than one of these or their opposites.
    pub fn switch(&self, word: &str) -> Result<Option<bool>, InvalidOption> {
        let Some((_, value)) = self.pairs.iter().find(|(known, _)| known == word) else {
            return Ok(None);
        };
        match value.as_deref() {
            None | Some("on" | "yes" | "true" | "1") => Ok(Some(true)),
            Some("off" | "no" | "false" | "0") => Ok(Some(false)),
            Some(other) => Err(InvalidOption(format!(
                "{word}={other} is neither on nor off"
            ))),
        }
    }
}

/// Cuts at single commas; two of them are one in the value.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let doubled = c == ',' && chars.peek() == Some(&',');
        if c == ',' && !doubled {
            parts.push(String::new());
            continue;
        }
        if doubled {
            chars.next();
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// Whether this can be the name of an option, and is no path with an equals sign.
fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `a, b or c`.
fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// Why an option cannot be understood. One clause, without a final period.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidOption(pub String);

impl InvalidOption {
    /// A word that means nothing here, and the nearest that does.
    pub fn unknown(word: &str, known: &[&str]) -> Self {
        let shown: String = word.chars().take(40).collect();
        match nearest(word, known.iter().copied(), 1).first() {
            Some(near) => Self(format!("unknown option '{shown}'; did you mean '{near}'?")),
            None => Self(format!(
                "unknown option '{shown}'; there are {}",
                list(known)
            )),
        }
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOption {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[&str] = &["path", "bus", "readonly", "size"];

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text, "path", KNOWN).map_err(|e| e.0)
    }

    #[test]
    fn the_first_value_may_do_without_its_word() {
        let options = parse("/x=1/a,,b.qcow2,bus=virtio,readonly").unwrap();
        assert_eq!(options.text("path").unwrap(), Some("/x=1/a,b.qcow2"));
        assert_eq!(options.text("bus").unwrap(), Some("virtio"));
        assert_eq!(options.switch("readonly").unwrap(), Some(true));
        assert_eq!(options.switch("size").unwrap(), None);
        assert!(parse("size=1,readonly=off").unwrap().has("size"));
    }

    #[test]
    fn what_cannot_be_understood_is_said_with_the_nearest_word() {
        for (text, says) in [
            ("path=/x,buss=ide", "did you mean 'bus'?"),
            ("pth=/x", "did you mean 'path'?"),
            ("path=/x,path=/y", "'path' is given twice"),
            ("path=", "'path=' has no value"),
            ("path=/x,/y", "unknown option '/y'"),
            ("path=/x,", "unknown option ''"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let options = parse("bus,readonly=maybe,size=x").unwrap();
        assert!(options.text("bus").unwrap_err().0.contains("needs a value"));
        assert!(options.switch("readonly").is_err());
        assert!(options.parsed::<u64>("size").is_err());
        let options = parse("bus=virtoi").unwrap();
        let error = options.one_of("bus", &["virtio", "sata"]).unwrap_err();
        assert!(error.0.contains("did you mean 'virtio'?"), "{error}");
    }

    proptest! {
        #[test]
        fn any_value_can_be_given(value in "[ -~é]{1,30}") {
            let text = format!("path={},bus=x", value.replace(',', ",,"));
            let options = parse(&text).unwrap();
            prop_assert_eq!(options.text("path").unwrap(), Some(value.as_str()));
        }

        #[test]
        fn nothing_that_is_typed_makes_it_panic(text in "\\PC{0,60}") {
            drop(parse(&text));
        }
    }
}
