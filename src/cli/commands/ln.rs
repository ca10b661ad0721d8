use clap::Args;

use super::to_guest::{Drafts, ToGuest};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::write::plan::Draft;

/// Make links in guests that are shut off
#[derive(Debug, Args)]
pub(in crate::cli) struct LnArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: Link,
}

/// What leads where.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Link {
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

impl Drafts for Link {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        let (of, link) = (self.target.as_bytes(), self.link.as_bytes());
        draft.ln(of, link, self.symbolic, self.force)
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &LnArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
