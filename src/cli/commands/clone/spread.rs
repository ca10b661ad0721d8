//! `vmkin clone --spread`: over several hosts.

use serde::Serialize;

use super::super::making::{conclude, print_all};
use super::{CloneArgs, placement, request};
use crate::cli::fleet::Of;
use crate::cli::session::{Session, batch_of};
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::model::{Domain, DomainRef};
use crate::ops::clone::request::Golden;
use crate::ops::clone::spread::{self, Candidate, Share};
use crate::ops::clone::{self, CloneRequest, Cloned, NameChoice, Plan};
use crate::ops::{Host, Observer as _, start_clones};

/// What a host is to make.
struct Work {
    golden: Domain,
    share: Share,
}

/// What a host would do, for a dry run.
#[derive(Debug, Serialize)]
struct Planned {
    /// The names of the clones that it gets.
    clones: Vec<String>,
    /// Each step, in order.
    steps: Vec<String>,
}

/// What a host has made, and what went wrong.
struct Done {
    clones: Vec<Cloned>,
    result: Result<()>,
}

pub(super) fn run(
    ui: &Ui,
    session: &Session<'_>,
    args: &CloneArgs,
    which: &DomainRef,
    names: &NameChoice,
) -> Result<()> {
    let fleet = session.fleet_unless(args.dry_run)?;
    let place = placement(args);
    let (found, mut failed) = fleet.on_each(|at| spread::look(at.host, which, &place))?;
    failed.retain(|(host, error)| {
        let has_none = error.kind() == Kind::NotFound;
        if has_none {
            ui.warning(&format!("{host} gets no clones: {error}."));
        }
        !has_none
    });
    let candidates: Vec<&Candidate> = found.iter().map(|of| &of.what).collect();
    let Some(first) = found.first() else {
        fleet.verdict(0, failed)?;
        return Err(Error::new(
            Kind::NotFound,
            format!("none of these hosts has a domain '{which}'"),
        )
        .hint("see what they have: `vmkin list`, with the same hosts"));
    };
    let golden = Some(first.what.golden.clone());
    let asked = request(ui, fleet.host_of(first)?, args, golden, names.clone())?;
    let shares = spread::share(&candidates, &asked, args.max_per_host)?;
    let work: Vec<Of<Work>> = shares
        .into_iter()
        .filter_map(|share| {
            let of = found.get(share.at)?;
            let golden = of.what.golden.clone();
            Some(of.with(Work { golden, share }))
        })
        .collect();
    for of in &work {
        ui.status(&placed(of));
    }
    let plan = |host: Host<'_>, work: &Work| -> Result<Plan> {
        let golden = Golden::Domain(work.golden.clone());
        let request = work.share.of(CloneRequest {
            golden,
            ..asked.clone()
        });
        let plan = clone::plan(host, &request)?;
        for warning in &plan.warnings {
            ui.warning(&format!("{}: {warning}", host.hypervisor.uri()));
        }
        Ok(plan)
    };
    if args.dry_run {
        let (planned, broken) = fleet.go_on(work, |host, work| {
            let steps = |work: &Work| {
                let plan = plan(host, work)?;
                Ok(Planned {
                    clones: work.share.names().map(str::to_owned).collect(),
                    steps: clone::steps(&plan),
                })
            };
            work.iter().map(steps).collect::<Result<Vec<_>>>()
        });
        failed.extend(broken);
        let mut all = Vec::new();
        for of in planned {
            let here = of.with(());
            match of.what {
                Ok(planned) => all.extend(planned.into_iter().map(|one| here.with(one))),
                Err(error) => failed.push((here.host.unwrap_or_default(), error)),
            }
        }
        ui.result(&all.iter().map(steps_of).collect::<String>(), &all)?;
        return fleet.verdict(all.len(), failed);
    }
    let (done, broken) = fleet.go_on(work, |host, work| {
        let make = |work: &Work| {
            let outcome = clone::apply(host, plan(host, work)?)?;
            let not_started = match args.start {
                true => start_clones(host, &outcome.done),
                false => Vec::new(),
            };
            let clones = outcome.done.clone();
            Ok(Done {
                clones,
                result: conclude(outcome, not_started),
            })
        };
        work.iter().map(make).collect::<Result<Vec<_>>>()
    });
    failed.extend(broken);
    let mut made = Vec::new();
    let mut whole = 0_usize;
    for of in done {
        let here = of.with(());
        let label = here.host.clone().unwrap_or_default();
        match of.what {
            Ok(shares) => {
                for Done { clones, result } in shares {
                    match result {
                        Ok(()) => whole = whole.saturating_add(1),
                        Err(error) => failed.push((label.clone(), error)),
                    }
                    made.push(here.with(clones));
                }
            }
            Err(error) => failed.push((label, error.context("none of its clones was made"))),
        }
    }
    let count: usize = made.iter().map(|of| of.what.len()).sum();
    match count {
        0 => {}
        1 => ui.status(&format!("Cloned one domain from '{which}'.")),
        count => ui.status(&format!("Cloned {count} domains from '{which}'.")),
    }
    print_all(ui, &made)?;
    fleet.with_lost(batch_of("hosts", failed, whole, "finished"))
}

/// `rack1 gets 34 clones: 'web-001' to 'web-034'.`
fn placed(of: &Of<Work>) -> String {
    let share = &of.what.share;
    let host = of.host.as_deref().unwrap_or("This host");
    let mut names = share.names();
    match (share.count(), names.next(), names.last()) {
        (count, Some(first), Some(last)) => {
            format!("{host} gets {count} clones: '{first}' to '{last}'.")
        }
        (_, first, _) => format!("{host} gets one clone: '{}'.", first.unwrap_or_default()),
    }
}

fn steps_of(of: &Of<Planned>) -> String {
    let steps = of.what.steps.iter();
    steps
        .map(|step| format!("{}\n", one_line(&of.said(step))))
        .collect()
}
