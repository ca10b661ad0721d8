use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle;

/// Let paused domains go on
///
/// Also wakes guests that have suspended themselves.
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    #[command(flatten)]
    domains: Domains,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ResumeArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let words = Words {
        done: "is running",
        already: "is running",
        could: "resumed",
    };
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        lifecycle::resume(host, domain)
    })
}
