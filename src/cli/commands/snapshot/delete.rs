use clap::Args;

use super::{Which, lines, whose};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::snapshot::delete::{self, WillDelete};

/// Delete a snapshot from all disks of a guest that is shut off
///
/// What the guest has on its disks stays; snapshots that were made after this
/// one stay too. Asks first, unless --yes.
#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    #[command(flatten)]
    which: Which,

    /// Show what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &DeleteArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let request = args.which.request(&hypervisor)?;
    let mut plan = delete::plan(host, &request)?;
    if args.dry_run {
        return ui.result(&text(&plan.will), &plan.will);
    }
    if !ui.agreed() {
        let listing = text(&plan.will);
        // The disks are not kept locked while the user thinks.
        drop(plan);
        ui.confirm(&format!("{listing}Delete it?"))?;
        plan = delete::plan(host, &request)?;
    }
    let will = plan.will.clone();
    delete::apply(host, plan)?;
    ui.status(&format!(
        "Deleted snapshot '{}' of {}.",
        will.name,
        whose(will.domain.as_deref(), &will.images)
    ));
    ui.result("", &will)
}

fn text(will: &WillDelete) -> String {
    let mut text = format!(
        "Snapshot '{}'\n{}",
        one_line(&will.name),
        lines(&will.images, will.variables.as_deref())
    );
    if !will.recorded && will.domain.is_some() {
        text.push_str("  libvirt does not know of it\n");
    }
    text
}
