use clap::Args;

use super::{Which, lines, whose};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::snapshot::apply::{self, WillApply};
use crate::ops::snapshot::external;

/// Take the disks of a guest back to a snapshot: all of them, or none
///
/// The guest must be shut off. Its definition becomes what it was, as with
/// virsh. What was written since is lost, unless another snapshot has it.
/// Asks first, unless --yes.
#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArgs {
    #[command(flatten)]
    which: Which,

    /// Show what would go back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ApplyArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let request = args.which.request(&hypervisor)?;
    if external::is_external(host, &request)? {
        let plan = || external::apply::plan(host, &request);
        return go(
            ui,
            args,
            plan,
            |plan| &plan.will,
            |plan| external::apply::apply(host, plan),
        );
    }
    let plan = || apply::plan(host, &request);
    go(
        ui,
        args,
        plan,
        |plan| &plan.will,
        |plan| apply::apply(host, plan),
    )
}

/// Shows what a plan would do, or asks and does it.
fn go<P>(
    ui: &Ui,
    args: &ApplyArgs,
    plan: impl Fn() -> Result<P>,
    will: impl Fn(&P) -> &WillApply,
    apply: impl FnOnce(P) -> Result<()>,
) -> Result<()> {
    if args.dry_run {
        let plan = plan()?;
        return ui.result(&text(will(&plan)), will(&plan));
    }
    let listing = |plan: &P| text(will(plan));
    let plan = ui.agree(plan, listing, "What was written since is lost. Go on?")?;
    let will = will(&plan).clone();
    apply(plan)?;
    for stays in &will.stays {
        ui.warning(stays);
    }
    ui.status(&format!(
        "{} is back at snapshot '{}'.",
        whose(will.domain.as_deref(), &will.images),
        will.name
    ));
    ui.result("", &will)
}

fn text(will: &WillApply) -> String {
    let mut text = format!(
        "Back to snapshot '{}'\n{}",
        one_line(&will.name),
        lines(&will.images, will.variables.as_deref())
    );
    if will.redefines {
        text.push_str("  the definition of the domain\n");
    }
    for stays in &will.stays {
        text.push_str(&format!("  {}\n", one_line(stays)));
    }
    text
}
