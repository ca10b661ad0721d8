use clap::Args;

use super::on_guest::OnGuest;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::ops::rescue::{Check, Examined, State, examine};

/// Find out why a guest does not boot
///
/// A checklist, read off the disks of the guest in milliseconds: nothing is
/// started and nothing is changed. Each check is ok, a warning or a problem, or
/// says why it could not be done, with what to type about it. The exit code is 4
/// if there is a problem.
#[derive(Debug, Args)]
pub(in crate::cli) struct RescueArgs {
    #[command(flatten)]
    guests: OnGuest,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &RescueArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let images = args.guests.images_as_typed();
    let mut all: Vec<Examined> = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let named = match &images {
            Some(images) => images.clone(),
            None => format!("-d {}", crate::image::shell_word(guest.name.as_bytes())),
        };
        let examined = examine(guest, named);
        // What is wrong is in the report, and need not be said twice.
        guest.system.problems.clear();
        Ok(examined)
    };
    let result = args.guests.each(ui, session, "examined", &act, |one| {
        all.push(one);
        Ok(())
    });
    let several = all.len() > 1;
    let mut text = String::new();
    for one in &all {
        if several {
            text.push_str(&format!("{}:\n", one_line(&one.guest)));
        }
        one.checks.iter().for_each(|check| show(&mut text, check));
    }
    ui.result(&text, &all)?;
    result?;
    let problems = all.iter().map(|one| one.problems).sum::<usize>();
    match problems {
        0 => Ok(()),
        1 => Err(Error::new(
            Kind::WrongState,
            "one check has found a problem",
        )),
        n => Err(Error::new(
            Kind::WrongState,
            format!("{n} checks have found a problem"),
        )),
    }
}

fn show(text: &mut String, check: &Check) {
    let worst = check.findings.iter().filter(|one| one.state == check.state);
    let mut first = true;
    for finding in worst.clone().chain(
        check
            .findings
            .iter()
            .filter(|one| one.state != check.state && one.state > State::Ok),
    ) {
        let mark = mark(finding.state);
        let title = if first { check.title } else { "" };
        first = false;
        text.push_str(&format!(
            "{mark}  {title:<24} {}\n",
            one_line(&finding.what)
        ));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("{:9}  {:<24} hint: {}\n", "", "", one_line(hint)));
        }
    }
    if first {
        text.push_str(&format!("{}  {}\n", mark(check.state), check.title));
    }
}

fn mark(state: State) -> &'static str {
    match state {
        State::Ok => "ok       ",
        State::NotApplicable => "-        ",
        State::Unknown => "unknown  ",
        State::Warning => "warning  ",
        State::Problem => "PROBLEM  ",
    }
}
