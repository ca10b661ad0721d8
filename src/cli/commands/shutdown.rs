use clap::Args;

use super::{Domains, Patience, Words, change_each};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::Domain;
use crate::ops::Host;
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
    let fleet = session.fleet()?;
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
        let ask = |host: Host<'_>, domain: &Domain| {
            let change = lifecycle::shutdown(host, domain, None)?;
            Ok((change == Change::Done).then_some(domain.uuid))
        };
        let (answers, _) = fleet.each_alone(&args.domains.all(), words.could, ask);
        asked.extend(answers.into_iter().filter_map(|one| one.what));
    }
    change_each(ui, &fleet, &args.domains, words, |host, domain| {
        match lifecycle::shutdown(host, domain, limit)? {
            // Between the two rounds, because it was asked in the first.
            Change::Already if asked.contains(&domain.uuid) => Ok(Change::Done),
            change => Ok(change),
        }
    })
}
