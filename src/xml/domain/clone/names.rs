//! Names and UUIDs within other texts, such as `/var/log/golden-console.log`.

use super::spec::CloneSpec;
use crate::xml::domain::facts::DomainFacts;

/// What the golden domain is called, and what the clone is called instead.
pub(super) struct Names<'w> {
    old_name: &'w str,
    new_name: &'w str,
    old_uuid: String,
    new_uuid: String,
}

impl<'w> Names<'w> {
    pub(super) fn new(facts: &'w DomainFacts, spec: &'w CloneSpec<'_>) -> Self {
        Self {
            old_name: &facts.name,
            new_name: spec.name.as_str(),
            old_uuid: facts.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            new_uuid: spec.uuid.to_string(),
        }
    }

    /// Whether a text has the name of the golden domain in it, as a word.
    pub(super) fn has_name(&self, text: &str) -> bool {
        words(text, self.old_name).next().is_some() || words(text, self.new_name).next().is_some()
    }

    /// Whether a text has the name or the UUID of the golden domain in it.
    ///
    /// Those of the clone count too. Otherwise XML that was rewritten before
    /// would be rewritten differently the second time.
    pub(super) fn in_text(&self, text: &str) -> bool {
        self.has_name(text)
            || words(text, &self.old_uuid).next().is_some()
            || words(text, &self.new_uuid).next().is_some()
    }

    /// Whether the last part of a path has the name or the UUID in it.
    pub(super) fn in_file(&self, path: &str) -> bool {
        self.in_text(split(path).1)
    }

    /// What is left of the golden domain in a text that stays as it is.
    pub(super) fn left_over(&self, text: &str) -> Option<&'static str> {
        if self.old_uuid != self.new_uuid && words(text, &self.old_uuid).next().is_some() {
            Some("UUID")
        } else if self.old_name != self.new_name && words(text, self.old_name).next().is_some() {
            Some("name")
        } else {
            None
        }
    }

    /// The part of a text that holds what is left over, up to white space, commas
    /// and semicolons: what stands beside it may be nobody's business.
    pub(super) fn part_left_over<'t>(&self, text: &'t str) -> &'t str {
        part_with(text, |part| self.left_over(part).is_some())
    }

    /// The text with the clone's name and UUID for those of the golden domain.
    pub(super) fn renamed(&self, text: &str) -> String {
        let named = replace_words(text, self.old_name, self.new_name);
        replace_words(&named, &self.old_uuid, &self.new_uuid)
    }

    /// A path beside this one that no other clone has: the name in its last
    /// part is replaced, or else put in front of the extension. Directories
    /// stay, because another one might not exist.
    pub(super) fn own_path(&self, path: &str) -> String {
        let (directory, file) = split(path);
        if self.in_text(file) {
            return format!("{directory}{}", self.renamed(file));
        }
        // A dot in front makes a hidden file, not an extension.
        let dot = file.rfind('.').filter(|dot| *dot > 0).unwrap_or(file.len());
        let (stem, extension) = file.split_at(dot);
        format!("{directory}{stem}-{}{extension}", self.new_name)
    }
}

/// The first part of a text of which `wanted` is true, up to white space, commas
/// and semicolons; `…` if it is true of the whole only.
pub(super) fn part_with(text: &str, wanted: impl Fn(&str) -> bool) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    text.split(ends).find(|part| wanted(part)).unwrap_or("…")
}

/// The directory of a path, with its slash, and the last part.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

/// Where `word` is in `text` with no letter or digit next to it: a domain
/// named `a` is not in `/var/lib`.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut from = 0;
    std::iter::from_fn(move || {
        while !word.is_empty() {
            let at = from + text.get(from..)?.find(word)?;
            let before = text.get(..at)?;
            let after = text.get(at + word.len()..)?;
            if !joins(before.chars().next_back()) && !joins(after.chars().next()) {
                from = at + word.len();
                return Some(at);
            }
            // Only one character on: in `xa-a-a`, `a-a` begins within the
            // place that does not count.
            from = at + word.chars().next().map_or(1, char::len_utf8);
        }
        None
    })
}

fn replace_words(text: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(text.len() + new.len());
    let mut done = 0;
    for at in words(text, old) {
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push_str(new);
        done = at + old.len();
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names<'static> {
        Names {
            old_name: "golden",
            new_name: "web-01",
            old_uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            new_uuid: "00000000-0000-4000-8000-000000000007".to_owned(),
        }
    }

    #[test]
    fn a_path_gets_the_name_of_the_clone_in_its_last_part() {
        let own = |path| names().own_path(path);
        assert_eq!(own("/log/golden-console.log"), "/log/web-01-console.log");
        assert_eq!(own("/log/golden.log"), "/log/web-01.log");
        assert_eq!(own("/golden/console.log"), "/golden/console-web-01.log");
        assert_eq!(own("/log/goldenrod.log"), "/log/goldenrod-web-01.log");
        assert_eq!(own("/run/socket"), "/run/socket-web-01");
        assert_eq!(own("/run/.hidden"), "/run/.hidden-web-01");
        assert_eq!(own("relative"), "relative-web-01");
        assert_eq!(
            own("/x/11111111-2222-4333-8444-555555555555.log"),
            "/x/00000000-0000-4000-8000-000000000007.log"
        );
    }

    #[test]
    fn a_path_that_has_the_name_already_stays() {
        for path in [
            "/log/web-01.log",
            "/log/console-web-01.log",
            "/golden/c-web-01",
        ] {
            assert_eq!(names().own_path(path), path);
        }
    }

    #[test]
    fn a_short_name_is_not_found_within_words() {
        let a = Names {
            old_name: "a",
            ..names()
        };
        assert!(!a.has_name("/var/lib/data"));
        assert!(a.has_name("/var/lib/a.log"));
        assert!(
            Names {
                old_name: "a-a",
                ..names()
            }
            .has_name("xa-a-a")
        );
    }
}
