use std::path::PathBuf;

use clap::Args;

use super::edit::read_input;
use super::to_guest::ToGuest;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::guest::change::Given;
use crate::model::ModeChange;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Write a file of guests that are shut off
///
/// With a text, which is written as it is, or what comes on standard input. A file
/// that is there keeps its owner, mode, SELinux label, ACL, attributes and names; a
/// new one is root's, has the mode 0644 and the label of its directory.
#[derive(Debug, Args)]
pub(in crate::cli) struct WriteArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// Take the contents from a file of the host; '-' is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    from: Option<PathBuf>,

    /// Add it to what is in the file
    #[arg(long)]
    append: bool,

    /// The mode of a new file, such as 0600
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeChange>,

    /// The file, by its absolute path in the guest
    #[arg(value_name = "FILE")]
    file: String,

    /// What is to be in it
    #[arg(value_name = "TEXT")]
    text: Option<String>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &WriteArgs) -> Result<()> {
    let bytes = match (&args.text, &args.from) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(from)) => read_input(from)?,
        (None, None) => read_input("-".as_ref())?,
    };
    let given = Given {
        mode: args.mode.as_ref().map(|mode| mode.apply(0o644, false)),
        ..Given::default()
    };
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        let from = draft.on_the_way(&bytes)?;
        draft
            .write(args.file.as_bytes(), &from, args.append, given)
            .map(drop)
    };
    args.guests.each(ui, session, &mut plan)
}
