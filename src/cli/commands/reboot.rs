use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle;

/// Ask guests to reboot
///
/// The guest decides whether it does.
#[derive(Debug, Args)]
pub(in crate::cli) struct RebootArgs {
    #[command(flatten)]
    domains: Domains,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &RebootArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let words = Words {
        done: "was asked to reboot",
        already: "is rebooting",
        could: "rebooted",
    };
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        lifecycle::reboot(host, domain)
    })
}
