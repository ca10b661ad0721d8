use clap::{Args, ValueEnum};

use super::{Which, named, verdict_of_all};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::image::qemu_img::Repair;
use crate::ops::disk::check::{self, CheckReport, CheckRequest};

/// Check the tables of images, and repair them
///
/// The guest must be shut off. Only the image that the guest writes to is
/// checked, not what is below it. Leaked clusters cost space and no data.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    which: Which,

    /// Repair what is wrong; `all` asks first, for data may be lost
    #[arg(short, long, value_name = "WHAT")]
    repair: Option<RepairWhat>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum RepairWhat {
    /// Give back clusters that belong to nothing
    Leaks,
    /// Mend wrong tables too
    All,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &CheckArgs) -> Result<()> {
    let hypervisor = if args.repair.is_some() {
        session.connect_to_change()?
    } else {
        session.connect()?
    };
    let request = CheckRequest {
        subject: args.which.subject(&hypervisor)?,
        repair: args.repair.map(|what| match what {
            RepairWhat::Leaks => Repair::Leaks,
            RepairWhat::All => Repair::All,
        }),
        allow_dirs: args.which.allow_dir.clone(),
    };
    if args.repair == Some(RepairWhat::All) {
        ui.confirm("What wrong tables led to may be lost. Repair them?")?;
    }
    let reports = check::check(session.host(&hypervisor), &request)?;
    let text: String = reports.iter().map(text).collect();
    ui.result(&text, &reports)?;
    verdict_of_all(reports.iter().map(CheckReport::verdict))
}

fn text(report: &CheckReport) -> String {
    let found = match &report.found {
        None => format!("{} has nothing to check", report.format),
        Some(found) => {
            let mut parts = vec![match (found.corruptions, found.check_errors) {
                (0, 0) => "sound".to_owned(),
                (0, n) => format!("{n} errors while checking"),
                (n, _) => format!("{n} wrong entries"),
            }];
            for (number, what) in [
                (found.leaks, "leaked clusters"),
                (found.corruptions_fixed, "wrong entries repaired"),
                (found.leaks_fixed, "leaked clusters given back"),
            ] {
                if number > 0 {
                    parts.push(format!("{number} {what}"));
                }
            }
            parts.join(", ")
        }
    };
    format!("{}: {found}\n", named(report.target.as_ref(), &report.path))
}
