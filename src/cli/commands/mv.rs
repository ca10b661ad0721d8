use clap::Args;

use super::to_guest::{ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Move files of guests that are shut off, or give them other names
///
/// To a directory that is there, or to another name. What has that name is
/// replaced, but for a directory.
#[derive(Debug, Args)]
pub(in crate::cli) struct MvArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// Files, by their absolute paths in the guest; then a directory or another name
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    paths: Vec<String>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MvArgs) -> Result<()> {
    let Some((to, from)) = args.paths.split_last() else {
        return Ok(());
    };
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        if from.len() > 1 {
            draft.must_be_directory(to.as_bytes())?;
        }
        paths(from).try_for_each(|path| draft.mv(path, to.as_bytes()))
    };
    args.guests.each(ui, session, &mut plan)
}
