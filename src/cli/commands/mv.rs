use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::plan::Draft;

/// Move files of guests that are shut off, or give them other names
///
/// To a directory that is there, or to another name. What has that name is
/// replaced, but for a directory.
#[derive(Debug, Args)]
pub(in crate::cli) struct MvArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Moved,
}

/// What is moved.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Moved {
    /// Files, by their absolute paths in the guest; then a directory or another name
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    paths: Vec<String>,
}

impl Drafts for Moved {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        let Some((to, from)) = self.paths.split_last() else {
            return Ok(());
        };
        if from.len() > 1 {
            draft.must_be_directory(to.as_bytes())?;
        }
        paths(from).try_for_each(|path| draft.mv(path, to.as_bytes()))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MvArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
