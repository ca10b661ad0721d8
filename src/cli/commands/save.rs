use clap::Args;

use super::{Domains, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::{Resume, Save};
use crate::ops::saved;

/// Write the memory of guests to the disk, and end them
///
/// Their next start goes on where they were: libvirt's managed save. Nothing
/// may write to their disks meanwhile, and vmkin does not. If it is
/// interrupted, the guest goes on.
#[derive(Debug, Args)]
pub(in crate::cli) struct SaveArgs {
    #[command(flatten)]
    domains: Domains,

    /// Let them go on with their processors running, even if they are paused now
    #[arg(long, conflicts_with = "paused")]
    running: bool,

    /// Let them go on with their processors stopped
    #[arg(long)]
    paused: bool,

    /// Write past the host's cache
    #[arg(long)]
    bypass_cache: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &SaveArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let how = Save {
        resume: resume(args.running, args.paused),
        bypass_cache: args.bypass_cache,
    };
    let words = Words {
        done: "is saved",
        already: "is saved",
        could: "saved",
    };
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        saved::save(host, domain, how)
    })
}

/// How a guest goes on, by the options for that.
pub(super) fn resume(running: bool, paused: bool) -> Option<Resume> {
    match (running, paused) {
        (true, _) => Some(Resume::Running),
        (false, true) => Some(Resume::Paused),
        (false, false) => None,
    }
}
