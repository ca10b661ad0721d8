use clap::Args;

use super::{Which, say_problems};
use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::ops::base::push::{self, Pushed};
use crate::ops::{Observer as _, base};

/// Find out whether base images are what they were
///
/// Compares each with what was recorded when it was sealed and when its clones
/// were made. If its SHA-256 was recorded, the whole image is read; when that
/// is the same, the image is accepted again, however it looks from outside.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    which: Which,

    /// All that were pushed to the hosts named by `-c` and `--host`
    #[arg(long, group = "Which")]
    pushed: bool,

    /// Do not read the whole image
    #[arg(long)]
    quick: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &VerifyArgs) -> Result<()> {
    if args.pushed {
        return pushed(ui, session, !args.quick);
    }
    let hypervisor = session.connect()?;
    let host = session.host(&hypervisor);
    let mut bases = Vec::new();
    for (path, _) in args.which.resolve(host)? {
        let status = base::verify(host, &path, !args.quick)?;
        if !status.known {
            return Err(Error::new(
                Kind::NotFound,
                format!(
                    "nothing is recorded of {}, so nobody can tell whether it is what it was",
                    path.display()
                ),
            )
            .hint(format!(
                "record it from now on: `vmkin base seal {}`",
                path.display()
            )));
        }
        if status.problems.is_empty() {
            let how = if status.hashed {
                "is what it was, byte for byte"
            } else {
                "looks like it did"
            };
            ui.status(&format!("{} {how}.", path.display()));
        }
        bases.push(status);
    }
    ui.result("", &bases)?;
    if say_problems(ui, &bases) {
        let bad = bases.iter().filter(|base| !base.problems.is_empty());
        let message = match (bad.count(), bases.as_slice()) {
            (_, [one]) => format!("{} is not what it was", one.path.display()),
            (bad, all) => format!("{bad} of {} bases are not what they were", all.len()),
        };
        return Err(Error::new(Kind::Unsafe, message));
    }
    Ok(())
}

/// What was pushed to other hosts, read through their libvirt.
fn pushed(ui: &Ui, session: &Session<'_>, hash: bool) -> Result<()> {
    let fleet = session.fleet()?;
    let (found, failed) = fleet.ask(|host| push::verify(host, hash))?;
    let answered = found.len();
    let all: Vec<Of<Pushed>> = found.into_iter().flat_map(Of::each).collect();
    let mut bad = 0_usize;
    for of in &all {
        let name = of.shown(&of.what.record.path.display().to_string());
        match &of.what.problem {
            Some(problem) => {
                bad = bad.saturating_add(1);
                ui.warning(&format!("{name}: {problem}."));
            }
            None if hash => ui.status(&format!("{name} is what was pushed, byte for byte.")),
            None => ui.status(&format!("{name} has the size of what was pushed.")),
        }
    }
    if all.is_empty() {
        ui.status("Nothing was pushed there from here.");
    }
    ui.result("", &all)?;
    if bad > 0 {
        return Err(Error::new(
            Kind::Unsafe,
            format!("{bad} of {} pushed bases are not what they were", all.len()),
        )
        .hint("push them again: `vmkin base push IMAGE --to HOST`"));
    }
    fleet.verdict(answered, failed)
}
