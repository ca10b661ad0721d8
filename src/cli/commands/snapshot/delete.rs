use clap::Args;

use super::{Which, lines, whose};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::snapshot::delete::{self, WillDelete};
use crate::ops::snapshot::{self, external};

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
    let record = snapshot::recorded(host, &request)?;
    if record.as_ref().is_some_and(external::is_external) {
        let plan = || external::delete::plan(host, &request);
        return go(
            ui,
            args,
            plan,
            |plan| &plan.will,
            |plan| external::delete::apply(host, plan),
        );
    }
    let plan = || delete::plan(host, &request);
    go(
        ui,
        args,
        plan,
        |plan| &plan.will,
        |plan| delete::apply(host, plan),
    )
}

/// Shows what a plan would do, or asks and does it.
fn go<P>(
    ui: &Ui,
    args: &DeleteArgs,
    plan: impl Fn() -> Result<P>,
    will: impl Fn(&P) -> &WillDelete,
    apply: impl FnOnce(P) -> Result<()>,
) -> Result<()> {
    if args.dry_run {
        let plan = plan()?;
        return ui.result(&text(will(&plan)), will(&plan));
    }
    let plan = ui.agree(plan, |plan: &P| text(will(plan)), "Delete it?")?;
    let will = will(&plan).clone();
    apply(plan)?;
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
