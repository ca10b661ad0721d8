use clap::Args;

use super::to_guest::{ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Make empty files in guests that are shut off, or set the times of files
#[derive(Debug, Args)]
pub(in crate::cli) struct TouchArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// Make no file that is not there
    #[arg(long)]
    no_create: bool,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<String>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &TouchArgs) -> Result<()> {
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        paths(&args.paths).try_for_each(|path| draft.touch(path, !args.no_create))
    };
    args.guests.each(ui, session, &mut plan)
}
