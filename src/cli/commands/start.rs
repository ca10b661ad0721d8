use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Start;
use crate::ops::{Usage, lifecycle};

/// Start domains
///
/// Refuses a domain that would write to the base of others, and a clone whose
/// base is not what it was when the clone was made.
#[derive(Debug, Args)]
pub(in crate::cli) struct StartArgs {
    #[command(flatten)]
    domains: Domains,

    /// Start with the processors stopped
    #[arg(long)]
    paused: bool,

    /// Throw saved memory away and boot from the disks
    #[arg(long)]
    force_boot: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &StartArgs) -> Result<()> {
    // A reset that died half-way has to be finished before its guest runs.
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let how = Start {
        paused: args.paused,
        force_boot: args.force_boot,
    };
    if args.force_boot {
        ui.confirm("Saved memory, if there is any, will be lost. Go ahead?")?;
    }
    let usage = Usage::read(&hypervisor)?;
    let words = Words {
        done: "was started",
        already: "is running",
        could: "started",
    };
    change_each(ui, session, &hypervisor, &args.domains, words, |domain| {
        lifecycle::start(host, &usage, domain, how)
    })
}
