use clap::Args;

use super::to_guest::{ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::ModeChange;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Give files of guests that are shut off another mode
#[derive(Debug, Args)]
pub(in crate::cli) struct ChmodArgs {
    #[command(flatten)]
    guests: ToGuest,

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

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ChmodArgs) -> Result<()> {
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        paths(&args.paths).try_for_each(|path| draft.chmod(path, &args.mode, args.recursive))
    };
    args.guests.each(ui, session, &mut plan)
}
