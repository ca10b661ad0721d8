use std::time::Duration;

use clap::Args;

use super::{Domains, Words, addresses_of, addresses_text, change_all, with_waited};
use crate::cli::fleet::{Failures, Of};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Start;
use crate::model::Domain;
use crate::ops::wait::{self, Waited};
use crate::ops::{Host, Usage, lifecycle};

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
    let fleet = session.fleet_to_change()?;
    let how = Start {
        paused: args.paused,
        force_boot: args.force_boot,
        ..Start::default()
    };
    if args.force_boot {
        ui.confirm("Saved memory, if there is any, will be lost. Go ahead?")?;
    }
    let words = Words {
        done: "was started",
        already: "is running",
        could: "started",
    };
    let domains = &args.domains;
    let known = |host: Host<'_>| Usage::read(host.hypervisor);
    let act =
        |host: Host<'_>, usage: &Usage, domain: &Domain| lifecycle::start(host, usage, domain, how);
    let (mut changed, result) = change_all(ui, &fleet, domains, words, known, act);
    let Some(limit) = args.wait_ip else {
        ui.result("", &changed)?;
        return result;
    };
    let active: Vec<Of<Domain>> = changed
        .iter()
        .map(|one| one.with(one.what.domain.clone()))
        .collect();
    let (waited, failed) = fleet.go_on(active, |host, active| {
        wait::for_addresses(host, &active, limit)
    });
    for one in &mut changed {
        let mut own = waited.iter().filter(|waited| waited.is_beside(one));
        one.what.addresses = own.find_map(|waited| addresses_of(&waited.what, one.what.uuid));
    }
    let waited = all_waited(waited, failed);
    let alone = domains.all().len() == 1;
    ui.result(&addresses_text(&waited.reached, alone), &changed)?;
    with_waited(result, waited)
}

/// What came of waiting on all hosts.
fn all_waited(of_hosts: Vec<Of<Waited>>, failed: Failures) -> Waited {
    let mut all = Waited {
        failed,
        ..Waited::default()
    };
    for of in of_hosts {
        let host = of.with(());
        let Waited {
            reached,
            failed,
            stopped,
        } = of.what;
        all.reached.extend(reached.into_iter().map(|mut one| {
            one.name = host.shown(&one.name);
            one
        }));
        let failed = failed.into_iter();
        all.failed
            .extend(failed.map(|(name, error)| (host.shown(&name), error)));
        all.stopped = all.stopped.or(stopped);
    }
    all
}
