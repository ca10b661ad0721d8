use clap::Args;
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, name_line};
use crate::error::{Error, Kind, Result};
use crate::guest::log::end_of_log;
use crate::guest::tree::Tree;

/// Print the end of a guest's system log
///
/// For a guest that does not boot: the last lines of /var/log/syslog or
/// /var/log/messages. The binary journal of systemd is not read; if there is
/// nothing else, the error says how to get at it.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogArgs {
    #[command(flatten)]
    guests: OnGuest,

    /// How many lines
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
    lines: usize,
}

#[derive(Serialize)]
struct Log {
    guest: String,
    path: String,
    lines: Vec<String>,
    #[serde(skip)]
    raw: Vec<Vec<u8>>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &LogArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let mut all: Vec<Log> = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| log(tree, name, args.lines))
    };
    let result = args.guests.each(ui, session, "read", &act, |log| {
        all.push(log);
        Ok(())
    });
    let several = all.len() > 1;
    let mut text = String::new();
    for one in &all {
        if several {
            text.push_str(&format!(
                "==> {}:{} <==\n",
                name_line(one.guest.as_bytes()),
                one.path
            ));
        }
        for line in &one.raw {
            text.push_str(&name_line(line));
            text.push('\n');
        }
    }
    ui.result(&text, &all)?;
    result
}

fn log(tree: &Tree, guest: String, lines: usize) -> Result<Log> {
    if let Some(end) = end_of_log(tree)? {
        let (path, mut raw) = (end.path, end.lines);
        raw.drain(..raw.len().saturating_sub(lines));
        return Ok(Log {
            guest,
            path: path.to_owned(),
            lines: raw
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect(),
            raw,
        });
    }
    let error = Error::new(
        Kind::NotFound,
        format!("'{guest}' has no system log that is text"),
    );
    Err(match tree.look("/var/log/journal")? {
        Some(_) => error.hint(format!(
            "its journal can be read on the host: `vmkin copy-out -d {guest} /var/log/journal . && \
             journalctl -D journal`"
        )),
        None => error,
    })
}
