use clap::{Args, ValueEnum};
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree, null_terminated, path_text};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, name_line};
use crate::error::Result;
use crate::guest::native::fs::FileKind;
use crate::guest::search::{Wanted, find};
use crate::guest::tree::Tree;
use crate::model::{Glob, Size};

/// Look for files of guests
///
/// By name, kind, owner, mode and size; in many guests at once. All that is
/// asked for must be so.
#[derive(Debug, Args)]
pub(in crate::cli) struct FindArgs {
    #[command(flatten)]
    guests: OnGuest,

    #[command(flatten)]
    which: Which,

    /// End each path with a NUL and not with a line break, without the guest and unchanged
    #[arg(short = '0', long)]
    null: bool,

    /// Directories, by their absolute paths in the guest
    #[arg(value_name = "DIR", default_value = "/")]
    dirs: Vec<String>,
}

/// Which files are looked for.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Which {
    /// Files named like this, such as '*.conf'
    #[arg(long, value_name = "PATTERN")]
    name: Option<Glob>,

    /// Files of this kind
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<FoundKind>,

    /// Files that have all these bits of the mode, such as 4000
    #[arg(long, value_name = "OCTAL", value_parser = octal, default_value = "0")]
    mode: u16,

    /// Files of the user with this number
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,

    /// Files of this length or more, in bytes
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "0")]
    min_size: u64,
}

impl Which {
    /// The paths of those in directories.
    pub(in crate::cli) fn find(&self, tree: &Tree, dirs: &[String]) -> Result<Vec<Vec<u8>>> {
        let wanted = Wanted {
            name: self.name.clone(),
            kind: self.kind.map(|kind| match kind {
                FoundKind::File => FileKind::File,
                FoundKind::Directory => FileKind::Directory,
                FoundKind::Link => FileKind::Link,
            }),
            mode: self.mode,
            uid: self.uid,
            min_size: self.min_size,
        };
        let mut found = Vec::new();
        for dir in dirs {
            find(tree, &tree.find(dir.as_bytes())?, &wanted, &mut found)?;
        }
        Ok(found)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FoundKind {
    /// A regular file
    #[value(alias = "f")]
    File,
    /// A directory
    #[value(alias = "d")]
    Directory,
    /// A symbolic link
    #[value(alias = "l")]
    Link,
}

fn octal(text: &str) -> std::result::Result<u16, String> {
    let mode = u16::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "it must be up to four octal digits, such as 4000".to_owned())
}

fn size(text: &str) -> std::result::Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let size = Size::parse(text, 1).map_err(|why| why.to_string())?;
    Ok(size.bytes())
}

#[derive(Serialize)]
struct File {
    guest: String,
    path: String,
    path_hex: Option<String>,
    #[serde(skip)]
    bytes: Vec<u8>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &FindArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let mut all = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| Ok((name, args.which.find(tree, &args.dirs)?)))
    };
    let result = args
        .guests
        .each(ui, session, "searched", &act, |(guest, found)| {
            all.extend(found.into_iter().map(|bytes| {
                let (path, path_hex) = path_text(&bytes);
                File {
                    guest: guest.clone(),
                    path,
                    path_hex,
                    bytes,
                }
            }));
            Ok(())
        });
    if args.null && !ui.is_json() {
        null_terminated(ui, all.iter().map(|one| &*one.bytes))?;
        return result;
    }
    let text: String = all
        .iter()
        .map(|one| {
            format!(
                "{}:{}\n",
                name_line(one.guest.as_bytes()),
                name_line(&one.bytes)
            )
        })
        .collect();
    ui.result(&text, &all)?;
    result
}
