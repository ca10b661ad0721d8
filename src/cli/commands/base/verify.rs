use clap::Args;

use super::{Which, say_problems};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
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

    /// Do not read the whole image
    #[arg(long)]
    quick: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &VerifyArgs) -> Result<()> {
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
