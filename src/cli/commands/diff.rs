use clap::Args;
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree, path_text};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, name_line};
use crate::error::{Error, Kind, Result};
use crate::guest::compare::{Change, Files, compare, doubtful, files, hashes};

/// Tell which files differ between two guests
///
/// Such as a clone and the guest that it was made of: `vmkin diff -d golden -d
/// web-01 /etc`. Times are not compared.
#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    #[command(flatten)]
    guests: OnGuest,

    /// Take files of one length that were changed at the same moment for the same
    #[arg(long)]
    quick: bool,

    /// A file or directory, by its absolute path in both guests
    #[arg(value_name = "PATH", default_value = "/")]
    path: String,
}

#[derive(Serialize)]
struct Line {
    path: String,
    path_hex: Option<String>,
    change: Change,
    what: Vec<&'static str>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &DiffArgs) -> Result<()> {
    let mut both: Vec<Files> = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        in_tree(guest, |tree| files(tree, &tree.find(args.path.as_bytes())?))
    };
    if args.guests.domain.len() != 2 {
        return Err(
            Error::new(Kind::Usage, "two guests are compared").hint("name both: `-d ONE -d OTHER`")
        );
    }
    args.guests.each(ui, session, "read", &act, |files| {
        both.push(files);
        Ok(())
    })?;
    let [one, other] = both.as_slice() else {
        return Err(Error::new(
            Kind::Usage,
            "two guests are compared, and not one",
        ));
    };
    let paths = doubtful(one, other, args.quick);
    let mut hashed = Vec::new();
    if !paths.is_empty() {
        let act =
            |guest: &mut crate::ops::guest::Guest| in_tree(guest, |tree| hashes(tree, &paths));
        args.guests.again(ui, session, "read", &act, |hashes| {
            hashed.push(hashes);
            Ok(())
        })?;
    }
    let changed = match hashed.as_slice() {
        [one, other] => {
            let pairs = paths.iter().zip(one.iter().zip(other));
            let changed = pairs.filter(|(_, (one, other))| one != other);
            changed.map(|(path, _)| path.clone()).collect()
        }
        _ => Vec::new(),
    };
    let differences = compare(one, other, &changed);
    let text: String = differences
        .iter()
        .map(|one| {
            let path = name_line(&one.path);
            match one.change {
                Change::Removed => format!("- {path}\n"),
                Change::Added => format!("+ {path}\n"),
                Change::Changed => format!("~ {path} ({})\n", one.what.join(", ")),
            }
        })
        .collect();
    let lines: Vec<Line> = differences
        .into_iter()
        .map(|one| {
            let (path, path_hex) = path_text(&one.path);
            Line {
                path,
                path_hex,
                change: one.change,
                what: one.what,
            }
        })
        .collect();
    ui.result(&text, &lines)
}
