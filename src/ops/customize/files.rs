//! Small files of a guest that are found by their names.

use super::Outcome;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::FileKind;
use crate::model::Glob;
use crate::ops::write::plan::Draft;

/// Files that are told and left as they are: a directory, a pattern of names,
/// words that a line begins with, and what is said then.
pub(super) type Told<'t> = (&'t str, &'t str, &'t [&'t str], &'t str);

/// The address of the loopback device is everybody's.
const LOOPBACK: &str = "127.";

/// Says of files that they have a line that begins with such a word.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn tell(draft: &Draft<'_>, told: &[Told<'_>], outcome: &mut Outcome) -> Result<()> {
    for (dir, pattern, words, what) in told {
        for (path, text) in texts(draft, dir, &[pattern])? {
            let said = text.lines().map(str::trim_start).any(|line| {
                !line.starts_with('#')
                    && !line.contains(LOOPBACK)
                    && words.iter().any(|word| line.starts_with(word))
            });
            if said {
                outcome
                    .warnings
                    .push(format!("{} {what}.", path.escape_ascii()));
            }
        }
    }
    Ok(())
}

/// The paths of what is in a directory under one of these names.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn matching(draft: &Draft<'_>, dir: &str, patterns: &[&str]) -> Result<Vec<Vec<u8>>> {
    let globs: Vec<Glob> = patterns
        .iter()
        .map(|pattern| pattern.parse())
        .collect::<std::result::Result<_, _>>()
        .map_err(|why| Error::new(Kind::Usage, why))?;
    let names = draft.names(dir.as_bytes())?.into_iter();
    let wanted = names.filter(|name| {
        let name = String::from_utf8_lossy(name);
        globs.iter().any(|glob| glob.matches(&name))
    });
    Ok(wanted
        .map(|name| [dir.as_bytes(), b"/", &name].concat())
        .collect())
}

/// A text, if it is one.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn text_of(draft: &Draft<'_>, path: &[u8]) -> Result<Option<String>> {
    let stat = draft.stat(path)?;
    if stat.is_none_or(|stat| stat.kind != FileKind::File) {
        return Ok(None);
    }
    let text = draft.text(path)?;
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// The texts in a directory under one of these names, with their paths.
///
/// # Errors
///
/// If they cannot be read.
pub(super) fn texts(
    draft: &Draft<'_>,
    dir: &str,
    patterns: &[&str],
) -> Result<Vec<(Vec<u8>, String)>> {
    let mut texts = Vec::new();
    for path in matching(draft, dir, patterns)? {
        if let Some(text) = text_of(draft, &path)? {
            texts.push((path, text));
        }
    }
    Ok(texts)
}
