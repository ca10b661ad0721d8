use std::path::PathBuf;

use clap::Args;

use super::Domains;
use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::delete::{self, DeletePlan, DeleteRequest, Storage};
use crate::ops::{Host, Observer as _, Usage};

/// Delete guests: their definitions, and the files that are theirs alone
///
/// Removes the domain's own overlays, its UEFI variables and what vmkin has
/// made for it. Never removes a base image that others depend on, a shared or
/// read-only disk, or a disk of another domain. Asks first, unless --yes.
#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    #[command(flatten)]
    domains: Domains,

    /// Remove all of the domain's own disks, also those that are no overlays
    #[arg(long, conflicts_with = "keep_storage")]
    remove_all_storage: bool,

    /// Remove no disk
    #[arg(long)]
    keep_storage: bool,

    /// Pull the plug first if it is running
    #[arg(long)]
    destroy: bool,

    /// Its saved memory may be lost
    #[arg(long)]
    managed_save: bool,

    /// Its snapshots may be lost
    #[arg(long)]
    snapshots: bool,

    /// The same as --destroy --managed-save --snapshots
    #[arg(short, long)]
    force: bool,

    /// Trust backing files in this directory too, of any domain
    ///
    /// Whether others use a file is found out from the disks of all domains.
    /// One whose disk leads elsewhere than to the storage pools hides that.
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Show what would go and what would stay, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &DeleteArgs) -> Result<()> {
    let fleet = session.fleet_to_change()?;
    let request = DeleteRequest {
        storage: if args.remove_all_storage {
            Storage::All
        } else if args.keep_storage {
            Storage::Keep
        } else {
            Storage::Own
        },
        destroy: args.destroy || args.force,
        managed_save: args.managed_save || args.force,
        snapshots: args.snapshots || args.force,
        allow_dirs: args.allow_dir.clone(),
    };
    let known = |host: Host<'_>| Usage::read_allowing(host.hypervisor, &args.allow_dir);
    let (plans, refused) = fleet.plan_each(
        &args.domains.all(),
        "deleted",
        known,
        |at, usage, domain| delete::plan_with(at.host, usage, domain, &request),
    );
    if args.dry_run {
        let text: String = plans.iter().map(text).collect();
        ui.result(&text, &plans)?;
        return refused;
    }
    // What was refused is refused before the first is deleted.
    refused?;
    let question = match plans.len() {
        1 => "Delete it?".to_owned(),
        n => format!("Delete these {n} guests?"),
    };
    let listing: String = plans.iter().map(text).collect();
    ui.confirm(&format!("{listing}{question}"))?;
    let mut done = Vec::new();
    let (results, mut failed) = fleet.go_on(plans, |host, plans| {
        let results = delete::apply(host, &plans);
        plans.into_iter().zip(results).collect::<Vec<_>>()
    });
    for one in results.into_iter().flat_map(Of::each) {
        let plan = one.with(());
        let (what, result) = one.what;
        let name = plan.shown(&what.domain.name);
        match result {
            Ok(()) => {
                ui.status(&format!("Deleted '{name}'."));
                for kept in &what.keep {
                    ui.status(&format!("Kept {} ({}).", kept.path.display(), kept.why));
                }
                done.push(plan.with(what));
            }
            Err(e) => failed.push((name, e)),
        }
    }
    ui.result("", &done)?;
    crate::cli::session::batch_result(failed, done.len(), "deleted")
}

fn text(of: &Of<DeletePlan>) -> String {
    let plan = &of.what;
    let name = one_line(&of.shown(&plan.domain.name));
    let mut text = format!("Domain '{name}' ({})\n", plan.state);
    if plan.snapshots > 0 {
        text.push_str(&format!("  forget  {} snapshots\n", plan.snapshots));
    }
    for path in &plan.remove {
        text.push_str(&format!(
            "  remove  {}\n",
            one_line(&path.display().to_string())
        ));
    }
    for one in &plan.release {
        text.push_str(&format!(
            "  release {} on network '{}'\n",
            one.ip,
            one_line(&one.network)
        ));
    }
    for kept in &plan.keep {
        text.push_str(&format!(
            "  keep    {} ({})\n",
            kept.path.display(),
            kept.why
        ));
    }
    text
}
