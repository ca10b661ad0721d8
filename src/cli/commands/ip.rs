use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::{Domains, Patience};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::Address;
use crate::ops::lifecycle;

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

#[derive(Serialize)]
struct Addresses {
    name: String,
    uuid: Uuid,
    addresses: Vec<Address>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &IpArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let host = session.host(&hypervisor);
    let limit = args.patience.limit();
    let domains = args.domains.all();
    let mut all = Vec::new();
    let result = session.each(&hypervisor, &domains, "found", |domain| {
        all.push(Addresses {
            name: domain.name.clone(),
            uuid: domain.uuid,
            addresses: lifecycle::addresses(host, domain, limit)?,
        });
        Ok(())
    });
    // One guest: its addresses alone, for `ssh $(vmkin ip -d web-01)`.
    let alone = domains.len() == 1;
    let mut text = String::new();
    for one in &all {
        for address in &one.addresses {
            if alone {
                text.push_str(&format!("{}\n", address.ip));
            } else {
                text.push_str(&format!("{} {}\n", one.name, address.ip));
            }
        }
    }
    ui.result(&text, &all)?;
    result
}
