use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::ModeChange;
use crate::ops::write::plan::Draft;

/// Make directories in guests that are shut off
#[derive(Debug, Args)]
pub(in crate::cli) struct MkdirArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Directories,
}

/// Which directories are made.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Directories {
    /// Make those above them too, and take those that are there
    #[arg(short, long)]
    parents: bool,

    /// The mode of the new directories, such as 0700 or u=rwx,go=
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeChange>,

    /// Directories, by their absolute paths in the guest
    #[arg(value_name = "DIR", required = true)]
    paths: Vec<String>,
}

impl Drafts for Directories {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        let mode = self.mode.as_ref().map(|mode| mode.apply(0o755, true));
        paths(&self.paths).try_for_each(|path| draft.mkdir(path, self.parents, mode))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MkdirArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
