use clap::Args;

use super::to_guest::{Drafts, ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::plan::{Draft, OwnerChange};

/// Give files of guests that are shut off another owner
#[derive(Debug, Args)]
pub(in crate::cli) struct ChownArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Owners,
}

/// Which owner what gets.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Owners {
    /// Of directories, all that is in them too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The owner: USER, USER:GROUP or :GROUP, by names of the guest or numbers
    #[arg(value_name = "OWNER")]
    owner: OwnerChange,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

impl Drafts for Owners {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        paths(&self.paths).try_for_each(|path| draft.chown(path, &self.owner, self.recursive))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ChownArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
