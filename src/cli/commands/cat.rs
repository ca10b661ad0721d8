use clap::Args;
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::guest::tree::{Place, Tree, must_be_a_file};

/// Print files of guests
///
/// Read off the disks, whether the guest boots or not: no appliance, no root,
/// no agent. Symbolic links are followed inside the guest.
#[derive(Debug, Args)]
pub(in crate::cli) struct CatArgs {
    #[command(flatten)]
    guests: OnGuest,

    /// Print control characters to a terminal, too
    #[arg(long)]
    raw: bool,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// How much of a file is in memory at once.
const PIECE: usize = 1 << 20;

/// How long a file may be to become part of a JSON document.
const MAX_JSON: u64 = 16 << 20;

#[derive(Serialize)]
struct Contents {
    guest: String,
    path: String,
    text: String,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &CatArgs) -> Result<()> {
    args.guests.must_be_given()?;
    if ui.is_json() {
        return as_json(ui, session, args);
    }
    let act = |guest: &mut crate::ops::guest::Guest| {
        in_tree(guest, |tree| print(ui, tree, &args.files, args.raw))
    };
    args.guests.one_by_one(ui, session, "read", &act, Ok)
}

/// Prints files, one after the other.
pub(in crate::cli) fn print(ui: &Ui, tree: &Tree, files: &[String], raw: bool) -> Result<()> {
    let checked = ui.is_terminal() && !raw;
    let sink = ui.sink();
    let print = || -> Result<()> {
        for file in files {
            let place = tree.find(file.as_bytes())?;
            must_be_a_file(&place, &tree.stat(&place)?)?;
            if checked {
                pieces(
                    tree,
                    &place,
                    &mut |piece| fit_for_terminal(file, piece),
                    &|| false,
                )?;
            }
            pieces(tree, &place, &mut |piece| sink.write(piece), &|| {
                sink.is_closed()
            })?;
        }
        Ok(())
    };
    let printed = print();
    printed.and(sink.close())
}

fn as_json(ui: &Ui, session: &Session<'_>, args: &CatArgs) -> Result<()> {
    let mut all = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| {
            let files = args.files.iter().map(|file| {
                let place = tree.find(file.as_bytes())?;
                let bytes = tree.contents(&place, MAX_JSON)?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    Error::new(Kind::WrongState, format!("'{file}' is no text"))
                        .hint("leave `--json` out to get its bytes")
                })?;
                Ok(Contents {
                    guest: name.clone(),
                    path: file.clone(),
                    text,
                })
            });
            files.collect::<Result<Vec<_>>>()
        })
    };
    let result = args.guests.each(ui, session, "read", &act, |files| {
        all.extend(files);
        Ok(())
    });
    ui.result("", &all)?;
    result
}

/// Reads a file from its beginning, until there is no more or it is enough.
pub(in crate::cli) fn pieces(
    tree: &Tree,
    place: &Place,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
    enough: &dyn Fn() -> bool,
) -> Result<()> {
    let mut buf = vec![0; PIECE];
    let mut offset = 0_u64;
    loop {
        let count = tree.read(place, offset, &mut buf)?;
        let piece = buf.get(..count).unwrap_or_default();
        if piece.is_empty() || enough() {
            return Ok(());
        }
        take(piece)?;
        offset = offset.saturating_add(count as u64);
    }
}

/// Refuses what a terminal would obey and not show.
pub(in crate::cli) fn fit_for_terminal(file: &str, piece: &[u8]) -> Result<()> {
    let obeyed =
        |byte: &u8| (*byte < b' ' && !matches!(byte, b'\n' | b'\t' | b'\r')) || *byte == 0x7f;
    // C1 controls, in UTF-8: some terminals obey them.
    let c1 = |pair: &[u8]| matches!(pair, [0xc2, 0x80..=0x9f]);
    if !piece.iter().any(obeyed) && !piece.windows(2).any(c1) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!("'{file}' has control characters, which the terminal would obey"),
    )
    .hint("send it elsewhere (`> FILE`, `| less`), or print it all the same: `--raw`"))
}

#[cfg(test)]
mod tests {
    use super::fit_for_terminal;

    #[test]
    fn what_a_terminal_obeys_is_refused() {
        assert!(fit_for_terminal("f", "žluť\t\r\n".as_bytes()).is_ok());
        for evil in [
            &b"\x1b[2J"[..],
            b"\x07",
            b"\x7f",
            b"\0",
            "\u{9b}2J".as_bytes(),
        ] {
            assert!(fit_for_terminal("f", evil).is_err());
        }
    }
}
