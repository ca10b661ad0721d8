use clap::Args;

use super::{Domains, Patience, addresses_text};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle;
use crate::ops::wait::Reached;

/// Print the addresses of guests
///
/// Asks the DHCP server of libvirt's networks, then the agent in the guest,
/// then the ARP table of the host.
#[derive(Debug, Args)]
pub(in crate::cli) struct IpArgs {
    #[command(flatten)]
    domains: Domains,

    #[command(flatten)]
    patience: Patience,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &IpArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let limit = args.patience.limit();
    let domains = args.domains.all();
    let (all, result) = fleet.each_alone(&domains, "found", |host, domain| {
        Ok(Reached {
            name: domain.name.clone(),
            uuid: domain.uuid,
            addresses: lifecycle::addresses(host, domain, limit)?,
        })
    });
    let shown: Vec<Reached> = all
        .iter()
        .map(|one| Reached {
            name: one.shown(&one.what.name),
            ..one.what.clone()
        })
        .collect();
    ui.result(&addresses_text(&shown, domains.len() == 1), &all)?;
    result
}
