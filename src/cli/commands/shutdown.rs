use clap::Args;

use super::{Domains, Patience, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Hypervisor as _;
use crate::ops::lifecycle::{self, Change};

/// Ask guests to shut down
///
/// With --wait each is asked again every 15 seconds, because a guest that is
/// still booting may not hear the first time.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShutdownArgs {
    #[command(flatten)]
    domains: Domains,

    #[command(flatten)]
    patience: Patience,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ShutdownArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let host = session.host(&hypervisor);
    let limit = args.patience.limit();
    let words = Words {
        done: if limit.is_some() {
            "is shut off"
        } else {
            "was asked to shut down"
        },
        already: "is shut off",
        could: "shut down",
    };
    let mut asked = Vec::new();
    if limit.is_some() {
        // All are asked before the first is waited for. Those that cannot be
        // asked say why in the second round.
        for which in &args.domains.all() {
            if let Ok(domain) = hypervisor.find(which) {
                if let Ok(Change::Done) = lifecycle::shutdown(host, &domain, None) {
                    asked.push(domain.uuid);
                }
            }
        }
    }
    change_each(ui, session, &hypervisor, &args.domains, words, |domain| {
        match lifecycle::shutdown(host, domain, limit)? {
            // Between the two rounds, because it was asked in the first.
            Change::Already if asked.contains(&domain.uuid) => Ok(Change::Done),
            change => Ok(change),
        }
    })
}
