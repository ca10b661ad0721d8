use clap::Args;

use super::Which;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::lifecycle::Change;
use crate::ops::{Observer as _, base};

/// Open the seals of base images that have no children
///
/// They get the mode back that they had before they were sealed.
#[derive(Debug, Args)]
pub(in crate::cli) struct UnsealArgs {
    #[command(flatten)]
    which: Which,

    /// Also if they have children, which any change will corrupt
    #[arg(long)]
    force: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &UnsealArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    if args.force {
        ui.confirm("A change to a base corrupts all of its clones. Open the seal?")?;
    }
    let mut opened = Vec::new();
    for (path, _) in args.which.resolve(host)? {
        match base::unseal(host, &path, args.force)? {
            Change::Done => {
                ui.status(&format!("Opened the seal of {}.", path.display()));
                opened.push(path);
            }
            Change::Already => ui.status(&format!("{} is not sealed.", path.display())),
        }
    }
    ui.result("", &opened)
}
