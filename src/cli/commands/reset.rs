use clap::Args;
use serde::Serialize;

use super::{Domains, OwnDisks};
use crate::cli::session::{Session, batch_result, refused_before};
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Result};
use crate::hypervisor::Hypervisor as _;
use crate::model::{DiskTarget, Domain};
use crate::ops::reset::{self, ResetDisk, ResetPlan, ResetRequest};
use crate::ops::{Host, Observer as _};

/// Drop what guests have written: back to the base image, in milliseconds
///
/// Puts a fresh overlay in the place of each of the guest's own overlays: all
/// of them, or none. The guest must be shut off. Disks that are no overlays
/// stay as they are, and so do the UEFI variables and the TPM. Asks first,
/// unless --yes.
#[derive(Debug, Args)]
pub(in crate::cli) struct ResetArgs {
    #[command(flatten)]
    domains: Domains,

    #[command(flatten)]
    disks: OwnDisks,

    /// Show what would go back to what, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What becomes of a domain, for JSON.
#[derive(Serialize)]
struct Reset {
    domain: Domain,
    disks: Vec<ResetDisk>,
    keep: Vec<DiskTarget>,
}

impl Reset {
    fn of(plan: &ResetPlan<'_>) -> Self {
        Self {
            domain: plan.domain.clone(),
            disks: plan.disks.clone(),
            keep: plan.keep.clone(),
        }
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ResetArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let request = ResetRequest {
        targets: args.disks.target.clone(),
        allow_dirs: args.disks.allow_dir.clone(),
    };
    let mut domains: Vec<Domain> = Vec::new();
    for which in args.domains.all() {
        let domain = hypervisor.find(&which)?;
        if !domains.iter().any(|known| known.uuid == domain.uuid) {
            domains.push(domain);
        }
    }
    if args.dry_run {
        let (plans, refused) = plan(host, &domains, &request)?;
        let text: String = plans.iter().map(text).collect();
        let all: Vec<Reset> = plans.iter().map(Reset::of).collect();
        ui.result(&text, &all)?;
        return batch_result(refused, plans.len(), "reset");
    }
    // What was refused is refused before the first is reset.
    let all = || {
        let (plans, refused) = plan(host, &domains, &request)?;
        refused_before(refused, plans.len(), "reset").map(|()| plans)
    };
    let listing = |plans: &Plans<'_>| plans.iter().map(text).collect();
    let question = "What the guests have written there is lost. Go on?";
    let plans = ui.agree(all, listing, question)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for plan in plans {
        let reset = Reset::of(&plan);
        match reset::apply(host, plan) {
            Ok(()) => {
                ui.status(&said(&reset));
                done.push(reset);
            }
            Err(e) => failed.push((reset.domain.name, e)),
        }
    }
    ui.result("", &done)?;
    batch_result(failed, done.len(), "reset")
}

type Plans<'a> = Vec<ResetPlan<'a>>;

fn plan<'a>(
    host: Host<'a>,
    domains: &[Domain],
    request: &ResetRequest,
) -> Result<(Plans<'a>, Vec<(String, Error)>)> {
    let (mut plans, mut refused) = (Vec::new(), Vec::new());
    for (domain, plan) in domains.iter().zip(reset::plan(host, domains, request)?) {
        match plan {
            Ok(plan) => plans.push(plan),
            Err(e) => refused.push((domain.name.clone(), e)),
        }
    }
    Ok((plans, refused))
}

fn text(plan: &ResetPlan<'_>) -> String {
    let mut text = format!("Domain '{}'\n", one_line(&plan.domain.name));
    for disk in &plan.disks {
        text.push_str(&format!(
            "  {}  {} (drops {})\n       back to {}\n",
            disk.target,
            one_line(&disk.path.display().to_string()),
            disk.freed,
            one_line(&disk.base),
        ));
    }
    for target in &plan.keep {
        text.push_str(&format!("  {target}  stays as it is: it is no overlay\n"));
    }
    text
}

fn said(reset: &Reset) -> String {
    let disks: Vec<&str> = reset
        .disks
        .iter()
        .map(|disk| disk.target.as_str())
        .collect();
    let name = &reset.domain.name;
    let mut said = format!("Reset '{name}': {} as new.", disks.join(", "));
    if !reset.keep.is_empty() {
        let keep: Vec<&str> = reset.keep.iter().map(DiskTarget::as_str).collect();
        said.push_str(&format!(" Kept {}, no overlay.", keep.join(", ")));
    }
    said
}
