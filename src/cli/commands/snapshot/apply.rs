use clap::Args;

use super::{Which, lines, whose};
use crate::cli::commands::save::resume;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Resume;
use crate::ops::snapshot::apply::{self, WillApply};
use crate::ops::snapshot::memory::apply::MemoryApplyPlan;
use crate::ops::snapshot::{self, NamedRequest, external, memory};
use crate::ops::{Host, Observer as _};

/// Take the disks of a guest back to a snapshot: all of them, or none
///
/// The guest must be shut off. Its definition becomes what it was, as with
/// virsh. What was written since is lost, unless another snapshot has it.
/// Asks first, unless --yes. One with memory starts the guest where it was.
#[derive(Debug, Args)]
pub(in crate::cli) struct ApplyArgs {
    #[command(flatten)]
    which: Which,

    /// Of one with memory: go on with the processors running, even if they were
    /// stopped
    #[arg(long, conflicts_with = "paused")]
    running: bool,

    /// Of one with memory: go on with the processors stopped
    #[arg(long)]
    paused: bool,

    /// Show what would go back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ApplyArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let request = args.which.request(&hypervisor)?;
    let resume = resume(args.running, args.paused);
    let record = snapshot::recorded(host, &request)?;
    if record.as_ref().is_some_and(memory::apply::is_meant) {
        return with_memory(ui, host, &request, resume, args.dry_run);
    }
    if resume.is_some() {
        return Err(Error::new(
            Kind::Usage,
            format!("snapshot '{}' has no memory to go on with", request.name),
        )
        .hint("apply it, and start the guest: `vmkin start`"));
    }
    if record.as_ref().is_some_and(external::is_external) {
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

fn with_memory(
    ui: &Ui,
    host: Host<'_>,
    request: &NamedRequest,
    resume: Option<Resume>,
    dry_run: bool,
) -> Result<()> {
    let listing = |plan: &MemoryApplyPlan<'_>| {
        format!(
            "{}  the memory, and goes on {}\n",
            text(&plan.will),
            plan.state
        )
    };
    let plan = || memory::apply::plan(host, request, resume);
    if dry_run {
        let plan = plan()?;
        return ui.result(&listing(&plan), &plan.will);
    }
    let plan = ui.agree(plan, listing, "What was written since is lost. Go on?")?;
    let (will, state) = (plan.will.clone(), plan.state.clone());
    memory::apply::apply(host, plan)?;
    for stays in &will.stays {
        ui.warning(stays);
    }
    ui.status(&format!(
        "{} is {state}, where it was in snapshot '{}'.",
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
