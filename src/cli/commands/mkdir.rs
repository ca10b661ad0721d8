use clap::Args;

use super::to_guest::{ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::ModeChange;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Make directories in guests that are shut off
#[derive(Debug, Args)]
pub(in crate::cli) struct MkdirArgs {
    #[command(flatten)]
    guests: ToGuest,

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

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MkdirArgs) -> Result<()> {
    let mode = args.mode.as_ref().map(|mode| mode.apply(0o755, true));
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        paths(&args.paths).try_for_each(|path| draft.mkdir(path, args.parents, mode))
    };
    args.guests.each(ui, session, &mut plan)
}
