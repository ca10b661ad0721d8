use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::plan::Draft;

/// Remove files from guests that are shut off
///
/// Of the guest's files, not the guest: that is `vmkin delete`. Symbolic links are
/// removed and never followed.
#[derive(Debug, Args)]
pub(in crate::cli) struct RmArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Removed,
}

/// What is removed.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Removed {
    /// Remove directories too, with all that is in them
    #[arg(short, long)]
    recursive: bool,

    /// Say nothing of files that are not there
    #[arg(short, long)]
    force: bool,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

impl Drafts for Removed {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        paths(&self.paths).try_for_each(|path| draft.rm(path, self.recursive, self.force))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &RmArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
