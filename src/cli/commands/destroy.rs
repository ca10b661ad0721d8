use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle;

/// Pull the plug of domains
///
/// Like the power switch: the guest cannot save anything. The domain and its
/// disks stay.
#[derive(Debug, Args)]
pub(in crate::cli) struct DestroyArgs {
    #[command(flatten)]
    domains: Domains,

    /// Give QEMU time to write out what it has cached
    #[arg(long)]
    graceful: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &DestroyArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let words = Words {
        done: "is shut off",
        already: "is shut off",
        could: "destroyed",
    };
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        lifecycle::destroy(host, domain, args.graceful)
    })
}
