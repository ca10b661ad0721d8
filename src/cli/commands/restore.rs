use clap::Args;

use super::save::resume;
use super::{Domains, Words, change_all, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::Domain;
use crate::ops::saved::{self, Restore};
use crate::ops::{Host, Usage};

/// Let saved guests go on where they were
///
/// As `vmkin start` does, which also boots those of which nothing was saved.
/// With --discard their memory is thrown away instead: what they had not
/// written to their disks is lost, as by a power failure.
#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    domains: Domains,

    /// With the processors running, even if they were saved paused
    #[arg(long, conflicts_with = "paused")]
    running: bool,

    /// With the processors stopped
    #[arg(long)]
    paused: bool,

    /// Read past the host's cache
    #[arg(long)]
    bypass_cache: bool,

    /// Throw the saved memory away, and leave them shut off; asks first, unless
    /// --yes
    #[arg(long, conflicts_with_all = ["running", "paused", "bypass_cache"])]
    discard: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &RestoreArgs) -> Result<()> {
    // A reset that died half-way has to be finished before its guest runs.
    let fleet = session.fleet_to_change()?;
    if args.discard {
        ui.confirm("The saved memory will be lost. Go ahead?")?;
        let words = Words {
            done: "is shut off, and its saved memory gone",
            already: "is shut off",
            could: "rid of their saved memory",
        };
        return change_each(ui, &fleet, &args.domains, words, saved::discard);
    }
    let how = Restore {
        resume: resume(args.running, args.paused),
        bypass_cache: args.bypass_cache,
    };
    let words = Words {
        done: "was restored",
        already: "is running",
        could: "restored",
    };
    let known = |host: Host<'_>| Usage::read(host.hypervisor);
    let act =
        |host: Host<'_>, usage: &Usage, domain: &Domain| saved::restore(host, usage, domain, how);
    let (changed, result) = change_all(ui, &fleet, &args.domains, words, known, act);
    ui.result("", &changed)?;
    result
}
