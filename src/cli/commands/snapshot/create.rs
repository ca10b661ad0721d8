use clap::Args;

use super::{Whose, lines, whose};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{Domain, SnapshotName};
use crate::ops::snapshot::create::{self, CreateRequest, WillCreate};
use crate::ops::snapshot::external::create::Live;
use crate::ops::snapshot::{Subject, external, memory};
use crate::ops::{Host, Observer as _};

/// Make a snapshot of a guest
///
/// Of all its disks, or of none; read-only and shareable disks have no part in
/// it. The guest is shut off and its disks are qcow2 images, which hold the
/// snapshot. With --memory it runs or is paused, stands still for a moment, and
/// goes on. With --external the disks may be any image files, and it goes on in
/// overlays.
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

    /// Leave the images as they are, and have the guest go on in new overlays
    #[arg(long, conflicts_with = "add")]
    external: bool,

    /// An external one of a guest that runs: the disks as after a power failure
    #[arg(long, conflicts_with = "add")]
    live: bool,

    /// With --live: have the guest agent freeze the file systems for that moment
    #[arg(long, requires = "live")]
    quiesce: bool,

    /// Of a guest that runs or is paused, with its memory
    #[arg(long, conflicts_with_all = ["add", "external", "live"])]
    memory: bool,

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
    if let (true, Subject::Domain(domain)) = (args.memory, &request.subject) {
        return with_memory(ui, host, domain, &request, args.dry_run);
    }
    let will = if args.external || args.live {
        let live = match (args.live, args.quiesce) {
            (false, _) => Live::No,
            (true, false) => Live::Yes,
            (true, true) => Live::Quiesced,
        };
        let plan = external::create::plan(host, &request, live)?;
        let (will, stays) = (plan.will.clone(), plan.stays.clone());
        if args.dry_run {
            return ui.result(&text(&will), &will);
        }
        external::create::apply(host, plan)?;
        for stays in &stays {
            ui.warning(stays);
        }
        will
    } else {
        let plan = create::plan(host, &request)
            .map_err(|error| memory::create::or_with_memory(host, &request.subject, error))?;
        let will = plan.will.clone();
        if args.dry_run {
            return ui.result(&text(&will), &will);
        }
        create::apply(host, plan)?;
        will
    };
    ui.status(&format!(
        "Made snapshot '{}' of {}.",
        will.name,
        whose(will.domain.as_deref(), &will.images)
    ));
    ui.result("", &will)
}

fn with_memory(
    ui: &Ui,
    host: Host<'_>,
    domain: &Domain,
    request: &CreateRequest,
    dry_run: bool,
) -> Result<()> {
    let plan = memory::create::plan(host, domain, request)?;
    let will = &plan.will;
    if dry_run {
        return ui.result(&text(will), will);
    }
    memory::create::apply(host, &plan)?;
    ui.status(&format!(
        "Made snapshot '{}' of '{}', with its memory.",
        will.name, domain.name
    ));
    ui.result("", will)
}

fn text(will: &WillCreate) -> String {
    format!(
        "Snapshot '{}'\n{}",
        one_line(&will.name),
        lines(&will.images, will.variables.as_deref())
    )
}
