use std::time::Duration;

use clap::Args;

use super::{Domains, Words, addresses_of, addresses_text, change_all, with_waited};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Start;
use crate::ops::{Usage, lifecycle, wait};

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

    /// Wait until each guest has an address, and print it; for TIME at the most,
    /// such as 90s [default: 2m]
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2m",
        value_parser = humantime::parse_duration,
        conflicts_with = "paused",
    )]
    wait_ip: Option<Duration>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &StartArgs) -> Result<()> {
    // A reset that died half-way has to be finished before its guest runs.
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let how = Start {
        paused: args.paused,
        force_boot: args.force_boot,
        ..Start::default()
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
    let mut active = Vec::new();
    let domains = &args.domains;
    let (mut changed, result) = change_all(ui, session, &hypervisor, domains, words, |domain| {
        let change = lifecycle::start(host, &usage, domain, how)?;
        active.push(domain.clone());
        Ok(change)
    });
    let Some(limit) = args.wait_ip else {
        ui.result("", &changed)?;
        return result;
    };
    let waited = wait::for_addresses(host, &active, limit);
    for one in &mut changed {
        one.addresses = addresses_of(&waited, one.uuid);
    }
    let alone = domains.all().len() == 1;
    ui.result(&addresses_text(&waited.reached, alone), &changed)?;
    with_waited(result, waited)
}
