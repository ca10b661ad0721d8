use clap::Args;
use regex::bytes::{Regex, RegexBuilder};
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree, path_text};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, name_line};
use crate::error::{Error, Kind, Result};
use crate::guest::search::{Found, grep};
use crate::guest::tree::Tree;

/// Look for lines in files of guests
///
/// In many guests at once, whether they boot or not: `vmkin grep -d 'web-*'
/// PermitRootLogin /etc/ssh/sshd_config`. A file that a guest does not have is
/// left out if there are several guests or files. If no line is found at all,
/// the exit code is 3.
#[derive(Debug, Args)]
pub(in crate::cli) struct GrepArgs {
    #[command(flatten)]
    guests: OnGuest,

    #[command(flatten)]
    what: Lines,
}

/// Which lines are looked for, and where.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Lines {
    /// Look into all files below directories
    #[arg(short, long)]
    recursive: bool,

    /// Take small and capital letters for the same
    #[arg(short, long)]
    ignore_case: bool,

    /// Take the pattern as it is, and not for a regular expression
    #[arg(short = 'F', long)]
    fixed_strings: bool,

    /// Print only the names of the files
    #[arg(short = 'l', long)]
    files_with_matches: bool,

    /// A regular expression, as the regex crate of Rust has them
    #[arg(value_name = "PATTERN")]
    pattern: String,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

impl Lines {
    /// What is looked for.
    fn regex(&self) -> Result<Regex> {
        let pattern = match self.fixed_strings {
            true => regex::escape(&self.pattern),
            false => self.pattern.clone(),
        };
        let regex = RegexBuilder::new(&pattern)
            .case_insensitive(self.ignore_case)
            .build();
        regex.map_err(|error| {
            Error::new(Kind::Usage, format!("the pattern makes no sense: {error}"))
        })
    }

    /// The lines of one guest. If there are several, one may lack a file.
    fn find(&self, tree: &Tree, what: &Regex, several: bool) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for file in &self.files {
            let place = match tree.find(file.as_bytes()) {
                Err(error) if several && error.kind() == Kind::NotFound => continue,
                place => place?,
            };
            grep(tree, &place, what, self.recursive, &mut found)?;
        }
        if self.files_with_matches {
            found.dedup_by(|one, other| one.path == other.path);
        }
        Ok(found)
    }

    /// How a line is printed.
    fn text(&self, found: &Found) -> String {
        let path = name_line(&found.path);
        match self.files_with_matches {
            true => format!("{path}\n"),
            false => format!("{path}:{}:{}\n", found.number, name_line(&found.line)),
        }
    }

    /// What is printed of one guest alone.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is no such line.
    pub(in crate::cli) fn printed(&self, tree: &Tree) -> Result<String> {
        let found = self.find(tree, &self.regex()?, self.files.len() > 1)?;
        if found.is_empty() {
            return Err(self.none());
        }
        Ok(found.iter().map(|one| self.text(one)).collect())
    }

    fn none(&self) -> Error {
        Error::new(Kind::NotFound, format!("no line has '{}'", self.pattern))
    }
}

#[derive(Serialize)]
struct Line {
    guest: String,
    path: String,
    path_hex: Option<String>,
    line: u64,
    /// Bytes that are no UTF-8 are replaced.
    text: String,
    #[serde(skip)]
    found: Found,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &GrepArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let what = args.what.regex()?;
    let mut all = Vec::new();
    let several = args.what.files.len() > 1 || args.guests.may_be_several();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| {
            Ok((name, args.what.find(tree, &what, several)?))
        })
    };
    let result = args
        .guests
        .each(ui, session, "searched", &act, |(guest, found)| {
            all.extend(found.into_iter().map(|found| line(&guest, found)));
            Ok(())
        });
    let text: String = all
        .iter()
        .map(|one| {
            let guest = name_line(one.guest.as_bytes());
            format!("{guest}:{}", args.what.text(&one.found))
        })
        .collect();
    ui.result(&text, &all)?;
    result?;
    if all.is_empty() {
        return Err(args.what.none());
    }
    Ok(())
}

fn line(guest: &str, found: Found) -> Line {
    let (path, path_hex) = path_text(&found.path);
    Line {
        guest: guest.to_owned(),
        path,
        path_hex,
        line: found.number,
        text: String::from_utf8_lossy(&found.line).into_owned(),
        found,
    }
}
