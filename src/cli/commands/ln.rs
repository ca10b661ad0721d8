use clap::Args;

use super::to_guest::ToGuest;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Make links in guests that are shut off
#[derive(Debug, Args)]
pub(in crate::cli) struct LnArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// Make symbolic links
    #[arg(short, long)]
    symbolic: bool,

    /// Take the place of what has the name, but for a directory
    #[arg(short, long)]
    force: bool,

    /// What the link leads to: a path in the guest
    #[arg(value_name = "TARGET")]
    target: String,

    /// The link, by its absolute path in the guest, or a directory for it
    #[arg(value_name = "LINK")]
    link: String,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &LnArgs) -> Result<()> {
    let (of, link) = (args.target.as_bytes(), args.link.as_bytes());
    let mut plan =
        |_: &Writing<'_>, draft: &mut Draft<'_>| draft.ln(of, link, args.symbolic, args.force);
    args.guests.each(ui, session, &mut plan)
}
