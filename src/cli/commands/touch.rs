use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::plan::Draft;

/// Make empty files in guests that are shut off, or set the times of files
#[derive(Debug, Args)]
pub(in crate::cli) struct TouchArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Touched,
}

/// What is touched.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Touched {
    /// Make no file that is not there
    #[arg(long)]
    no_create: bool,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<String>,
}

impl Drafts for Touched {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        paths(&self.paths).try_for_each(|path| draft.touch(path, !self.no_create))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &TouchArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
