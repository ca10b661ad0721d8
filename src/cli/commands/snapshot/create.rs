use clap::Args;

use super::{Whose, lines, whose};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::SnapshotName;
use crate::ops::Observer as _;
use crate::ops::snapshot::create::{self, CreateRequest, WillCreate};

/// Make a snapshot of a guest that is shut off
///
/// Of all its disks, or of none. They must be qcow2 images; read-only and
/// shareable disks have no part in it.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    #[command(flatten)]
    whose: Whose,

    /// What it is called; without a name, after the time
    #[arg(value_name = "NAME")]
    name: Option<SnapshotName>,

    /// A text that is kept with it
    #[arg(long, value_name = "TEXT", conflicts_with = "add")]
    description: Option<String>,

    /// Show where it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &CreateArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let request = CreateRequest {
        subject: args.whose.subject(&hypervisor)?,
        name: args.name.clone(),
        description: args.description.clone(),
        allow_dirs: args.whose.allow_dir.clone(),
    };
    let plan = create::plan(host, &request)?;
    let will = plan.will.clone();
    if args.dry_run {
        return ui.result(&text(&will), &will);
    }
    create::apply(host, plan)?;
    ui.status(&format!(
        "Made snapshot '{}' of {}.",
        will.name,
        whose(will.domain.as_deref(), &will.images)
    ));
    ui.result("", &will)
}

fn text(will: &WillCreate) -> String {
    format!(
        "Snapshot '{}'\n{}",
        one_line(&will.name),
        lines(&will.images, will.variables.as_deref())
    )
}
