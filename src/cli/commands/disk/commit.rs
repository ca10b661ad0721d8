use clap::Args;

use super::{Which, named};
use crate::cli::session::{Session, batch_of};
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::disk::commit::{self, Becomes, CommitReport, CommitRequest};

/// Put what an overlay holds into the image that it is based on
///
/// The guest must be shut off, and the overlay must be all that is on its base.
/// Both are compared before the overlay goes: of a domain, the base is the disk
/// then; an image by its path stays, with nothing in it. Stopped or killed on the
/// way, the disk reads what it read, and the same command does the rest. Of several
/// overlays of a domain all are looked at first; then one after the other goes.
#[derive(Debug, Args)]
pub(in crate::cli) struct CommitArgs {
    #[command(flatten)]
    which: Which,

    /// Let the domain have the overlay still, with nothing in it
    #[arg(long, requires = "domain")]
    keep: bool,

    /// Remove the image; if a domain has it, the base is its disk then
    #[arg(long, requires = "add")]
    drop: bool,

    /// Tell what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &CommitArgs) -> Result<()> {
    let hypervisor = session.connect_unless(args.dry_run)?;
    let request = CommitRequest {
        subject: args.which.subject(&hypervisor)?,
        keep: args.keep || (args.which.add.is_some() && !args.drop),
        allow_dirs: args.which.allow_dir.clone(),
    };
    let host = session.host(&hypervisor);
    let requests = request.each(host)?;
    // All are looked at before the first is touched.
    let plans = requests.iter().map(|one| commit::plan(host, one));
    let plans: Vec<_> = plans.collect::<Result<_>>()?;
    if args.dry_run {
        let reports: Vec<CommitReport> = plans.into_iter().map(|plan| plan.report).collect();
        return ui.result(&texts(&reports), &reports);
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (number, (request, plan)) in requests.iter().zip(plans).enumerate() {
        // The definition is another one than it was then.
        let plan = match number {
            0 => Ok(plan),
            _ => {
                drop(plan);
                session.check().and_then(|()| commit::plan(host, request))
            }
        };
        match plan.and_then(|plan| commit::apply(host, plan)) {
            Ok(report) => done.push(report),
            Err(error) => failed.push((request.name(), error)),
        }
    }
    let number = done.len();
    if number > 0 {
        ui.result(&texts(&done), &done)?;
    }
    batch_of("disks", failed, number, "put into their bases")
}

fn texts(reports: &[CommitReport]) -> String {
    reports.iter().map(text).collect()
}

fn text(report: &CommitReport) -> String {
    let mut text = format!(
        "{}: into {}\n",
        named(report.target.as_ref(), &report.overlay),
        one_line(&report.base.display().to_string())
    );
    if report.before != report.after {
        text.push_str(&format!(
            "  the base grows from {} to {}\n",
            report.before, report.after
        ));
    }
    let becomes = match (report.becomes, &report.domain) {
        (Becomes::Empty, _) => "the overlay stays, with nothing in it",
        (Becomes::Gone, Some(_)) => "the base is the disk, and the overlay goes",
        (Becomes::Gone, None) => "the overlay goes",
    };
    text.push_str(&format!("  {becomes}\n"));
    text
}
