use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{addresses_of, addresses_text, with_waited};
use crate::cli::fleet::Of;
use crate::cli::session::{Session, batch_result};
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Connection;
use crate::model::{Address, Domain};
use crate::ops::clone::{self, Cloned, Plan};
use crate::ops::wait::{self, Waited};
use crate::ops::{Host, Observer as _, start_clones};
use crate::xml::domain::NoteKind;

/// How long a command that makes guests and starts them waits for them.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct WaitArgs {
    /// With --start, wait until each has an address, and print it; for TIME at
    /// the most, such as 90s [default: 2m]
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2m",
        value_parser = humantime::parse_duration,
        requires = "start",
    )]
    pub(super) wait_ip: Option<Duration>,
}

/// What becomes of a plan: it is printed, or it is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    pub(super) start: bool,
    /// How long to wait for their addresses, if at all.
    pub(super) wait_ip: Option<Duration>,
    pub(super) print_xml: bool,
    pub(super) dry_run: bool,
}

impl Making {
    /// Connects to libvirt; to change something, unless it is only printed.
    pub(super) fn connect(self, session: &Session<'_>) -> Result<Connection> {
        session.connect_unless(self.print_xml || self.dry_run)
    }

    /// Prints the plan, or carries it out. `made` is told what was made, before
    /// any of it is started.
    pub(super) fn make(
        self,
        ui: &Ui,
        host: Host<'_>,
        plan: Plan,
        made: &dyn Fn(&[Cloned]),
    ) -> Result<()> {
        report(ui, &plan)?;
        if self.print_xml {
            let documents = clone::xml(host, &plan)?;
            return ui.result(&documents.join("\n"), &documents);
        }
        if self.dry_run {
            let mut steps = clone::steps(&plan);
            if self.start {
                let start = plan.clones.iter().map(|clone| &clone.name);
                steps.extend(start.map(|name| format!("start domain '{name}'")));
            }
            return ui.result(&format!("{}\n", steps.join("\n")), &steps);
        }
        let outcome = clone::apply(host, plan)?;
        made(&outcome.done);
        let not_started = if self.start {
            start_clones(host, &outcome.done)
        } else {
            Vec::new()
        };
        let Some(limit) = self.wait_ip else {
            print(ui, &outcome.done, None)?;
            return conclude(outcome, not_started);
        };
        let started = outcome
            .done
            .iter()
            .filter(|clone| not_started.iter().all(|(name, _)| *name != clone.name));
        let started: Vec<Domain> = started.map(Cloned::domain).collect();
        let waited = wait::for_addresses(host, &started, limit);
        print(ui, &outcome.done, Some(&waited))?;
        with_waited(conclude(outcome, not_started), waited)
    }
}

/// Says what the clones share or what two of them would fight over.
fn report(ui: &Ui, plan: &Plan) -> Result<()> {
    if let Some(chosen) = &plan.chosen {
        ui.status(chosen);
    }
    for warning in &plan.warnings {
        ui.warning(warning);
    }
    // The notes name the files and addresses of one clone; the others are alike.
    let note_of = match plan.clones.as_slice() {
        [first, _, ..] => format!("Note (of '{}', and the others likewise)", first.name),
        _ => "Note".to_owned(),
    };
    for note in clone::report(plan)? {
        match note.kind {
            NoteKind::Warning | NoteKind::Shared => ui.warning(&format!("{}.", note.message)),
            NoteKind::Dropped | NoteKind::Reset | NoteKind::Renamed => {
                ui.status(&format!("{note_of}: {}.", note.message));
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Made<'a> {
    clones: Vec<MadeOne<'a>>,
}

#[derive(Serialize)]
struct MadeOne<'a> {
    /// The host that it is on, where there are several.
    host: Option<&'a str>,
    #[serde(flatten)]
    clone: &'a Cloned,
    /// Its addresses, if they were waited for and are known.
    addresses: Option<Vec<Address>>,
}

fn print(ui: &Ui, done: &[Cloned], waited: Option<&Waited>) -> Result<()> {
    let made = done.iter().map(|clone| MadeOne {
        host: None,
        clone,
        addresses: waited.and_then(|waited| addresses_of(waited, clone.uuid)),
    });
    let made = Made {
        clones: made.collect(),
    };
    let text = match waited {
        Some(waited) => addresses_text(&waited.reached, done.len() == 1),
        None => done.iter().map(|one| format!("{}\n", one.uuid)).collect(),
    };
    ui.result(&text, &made)
}

/// Prints what was made on several hosts.
pub(super) fn print_all(ui: &Ui, done: &[Of<Vec<Cloned>>]) -> Result<()> {
    let all = done.iter().flat_map(|of| {
        let host = of.host.as_deref();
        of.what.iter().map(move |clone| MadeOne {
            host,
            clone,
            addresses: None,
        })
    });
    let made = Made {
        clones: all.collect(),
    };
    let lines = made
        .clones
        .iter()
        .map(|one| format!("{}\n", one.clone.uuid));
    ui.result(&lines.collect::<String>(), &made)
}

/// The error for clones that were not made, or not started.
pub(super) fn conclude(
    outcome: clone::Outcome,
    mut not_started: Vec<(String, Error)>,
) -> Result<()> {
    let made = outcome.done.len();
    if outcome.failed.is_empty() {
        if let Some((name, error)) = not_started.pop_if(|_| made == 1) {
            return Err(error.context(format!("'{name}' is made and there, but not started")));
        }
        let started = made - not_started.len();
        return batch_result(not_started, started, "started, and are there");
    }
    let mut error = Error::new(
        Kind::Partial,
        format!(
            "{} of {} clones could not be made",
            outcome.failed.len(),
            made + outcome.failed.len()
        ),
    );
    for (name, cause) in outcome.failed {
        match cause {
            Some(cause) => {
                error = error.part(format!("{name}: {cause}"));
                for hint in cause.hints() {
                    error = error.hint(hint.clone());
                }
            }
            None => error = error.part(format!("{name}: not begun")),
        }
    }
    for (name, cause) in not_started {
        error = error.part(format!("{name}: made, but not started: {cause}"));
    }
    Err(error)
}
