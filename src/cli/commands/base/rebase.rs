use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::real;
use crate::cli::session::{Session, batch_result};
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::hypervisor::Hypervisor as _;
use crate::model::{DomainRef, Size};
use crate::ops::Observer as _;
use crate::ops::base::rebasing::{self, RebaseChild, RebasePlan, RebaseRequest};

/// Put the children of a base on another one
///
/// Each child reads afterwards what it read before: what differs between the two
/// bases is copied into its overlay, and that is compared. So it keeps its own
/// changes and does not get those of the new base; for these, clone the new one.
/// The children must be shut off; each is put on the new base as a whole, or stays
/// where it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct RebaseArgs {
    /// The base that they are on
    #[arg(value_name = "IMAGE")]
    old: PathBuf,

    /// The base that they are to be on
    #[arg(long, value_name = "IMAGE")]
    onto: PathBuf,

    /// Only these children, by name, UUID or id
    #[arg(short, long, value_name = "DOMAIN", num_args = 1..)]
    domain: Vec<DomainRef>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Show what would be put on it, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is on which base, for JSON.
#[derive(Serialize)]
struct Rebased {
    from: PathBuf,
    onto: PathBuf,
    children: Vec<RebaseChild>,
    strays: Vec<PathBuf>,
    farther: Vec<String>,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &RebaseArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let mut children = Vec::new();
    for which in &args.domain {
        children.push(hypervisor.find(which)?);
    }
    let request = RebaseRequest {
        old: real(&args.old)?,
        onto: real(&args.onto)?,
        children,
        allow_dirs: args.allow_dir.clone(),
    };
    let plan = rebasing::plan(host, &request)?;
    let rebased = |children| Rebased {
        from: request.old.clone(),
        onto: plan.onto().to_owned(),
        children,
        strays: plan.strays.clone(),
        farther: plan.farther.clone(),
    };
    if args.dry_run {
        return ui.result(&text(&plan), &rebased(plan.children.clone()));
    }
    plan.seal(host)?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for child in &plan.children {
        let name = child.domain.name.clone();
        match session.check().and_then(|()| plan.apply(host, child)) {
            Ok(child) => {
                ui.status(&format!(
                    "'{name}' is on {} now ({}).",
                    plan.onto().display(),
                    child.size.unwrap_or(Size(0))
                ));
                done.push(child);
            }
            Err(error) => failed.push((name, error)),
        }
    }
    for stays in plan.strays.iter().map(|path| path.display().to_string()) {
        ui.warning(&format!(
            "{} stays on the old base: no domain has it.",
            one_line(&stays)
        ));
    }
    for name in &plan.farther {
        ui.warning(&format!(
            "'{}' is on the old base with another overlay between, and stays so.",
            one_line(name)
        ));
    }
    let number = done.len();
    ui.result("", &rebased(done))?;
    batch_result(failed, number, "rebased")
}

fn text(plan: &RebasePlan) -> String {
    let mut text = format!("Onto {}\n", one_line(&plan.onto().display().to_string()));
    for child in &plan.children {
        let disks: Vec<&str> = child.disks.iter().map(|disk| disk.as_str()).collect();
        let name = one_line(&child.domain.name);
        text.push_str(&format!("  domain '{name}': {}\n", disks.join(", ")));
    }
    text
}
