use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle;

/// Stop the processors of domains
///
/// The guest stays in memory, and goes on with `vmkin resume`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SuspendArgs {
    #[command(flatten)]
    domains: Domains,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &SuspendArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let words = Words {
        done: "is paused",
        already: "is paused",
        could: "suspended",
    };
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        lifecycle::suspend(host, domain)
    })
}
