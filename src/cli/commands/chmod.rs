use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::ModeChange;
use crate::ops::write::plan::Draft;

/// Give files of guests that are shut off another mode
#[derive(Debug, Args)]
pub(in crate::cli) struct ChmodArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Modes,
}

/// Which mode what gets.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Modes {
    /// Of directories, all that is in them too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The mode: 0644, u+x or go-w,a+r
    #[arg(value_name = "MODE", allow_hyphen_values = true)]
    mode: ModeChange,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

impl Drafts for Modes {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        paths(&self.paths).try_for_each(|path| draft.chmod(path, &self.mode, self.recursive))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ChmodArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
