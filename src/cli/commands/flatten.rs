use clap::Args;

use super::{Domains, OwnDisks};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::flatten::{self, FlattenRequest, Flattened};

/// Make guests independent of their bases
///
/// Each overlay becomes an image that stands alone, with all that is in the layers
/// below it. The new image is compared with what the guest reads now before it
/// takes the place of the overlay; all disks of a guest or none. In a guest that
/// runs, QEMU does the work and the guest goes on; Ctrl-C stops it, and the disk is
/// an overlay still.
#[derive(Debug, Args)]
pub(in crate::cli) struct FlattenArgs {
    #[command(flatten)]
    domains: Domains,

    #[command(flatten)]
    disks: OwnDisks,

    /// Show what would stand alone, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &FlattenArgs) -> Result<()> {
    let fleet = session.one_to_change()?;
    let request = FlattenRequest {
        targets: args.disks.target.clone(),
        allow_dirs: args.disks.allow_dir.clone(),
    };
    let (done, result) = fleet.each_alone(&args.domains.all(), "flattened", |host, domain| {
        let flattened = if host.hypervisor.state(domain)?.is_active() {
            let plan = flatten::live::plan(host, domain, &request)?;
            if args.dry_run {
                return Ok(plan);
            }
            flatten::live::apply(host, plan)?
        } else {
            let plan = flatten::plan(host, domain, &request)?;
            if args.dry_run {
                return Ok(plan.flattened);
            }
            flatten::apply(host, plan)?
        };
        let disks: Vec<&str> = flattened
            .disks
            .iter()
            .map(|disk| disk.target.as_str())
            .collect();
        ui.status(&format!(
            "Flattened '{}': {} ({}) needs no base any more.",
            domain.name,
            disks.join(", "),
            flattened.size
        ));
        Ok(flattened)
    });
    let done: Vec<Flattened> = done.into_iter().map(|one| one.what).collect();
    let text: String = match args.dry_run {
        true => done.iter().map(listed).collect(),
        false => String::new(),
    };
    ui.result(&text, &done)?;
    result
}

fn listed(flattened: &Flattened) -> String {
    let mut text = format!(
        "Domain '{}' (up to {} more)\n",
        one_line(&flattened.domain.name),
        flattened.size
    );
    for disk in &flattened.disks {
        let path = disk.path.display().to_string();
        text.push_str(&format!("  {}  {}\n", disk.target, one_line(&path)));
        for layer in &disk.layers {
            let layer = layer.display().to_string();
            text.push_str(&format!("       no longer on {}\n", one_line(&layer)));
        }
    }
    text
}
