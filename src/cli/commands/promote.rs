use std::path::PathBuf;

use clap::Args;

use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::hypervisor::Hypervisor as _;
use crate::model::DomainRef;
use crate::ops::Observer as _;
use crate::ops::promote::{PromoteRequest, Promoted, plan, promote};

/// Make a golden domain of a guest
///
/// Its images are sealed and put on record, so that it does not start any more and
/// clones can be made of it. What is an overlay becomes a layer over its base, at
/// once and without taking room; or, with --flatten, an image that stands alone
/// first. The guest must be shut off. `vmkin base unseal -d DOMAIN` takes it back
/// while there are no clones.
#[derive(Debug, Args)]
pub(in crate::cli) struct PromoteArgs {
    /// The guest, by name, UUID or id
    #[arg(short, long, value_name = "DOMAIN")]
    domain: DomainRef,

    /// Make images that stand alone of its overlays first
    #[arg(long, conflicts_with = "layer")]
    flatten: bool,

    /// Leave its overlays on their base: this is what happens anyway
    #[arg(long)]
    layer: bool,

    /// Do not read whole images to remember their SHA-256
    #[arg(long)]
    no_hash: bool,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Show what would be sealed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &PromoteArgs) -> Result<()> {
    let hypervisor = session.connect_unless(args.dry_run)?;
    let host = session.host(&hypervisor);
    let domain = hypervisor.find(&args.domain)?;
    let request = PromoteRequest {
        flatten: args.flatten,
        hash: !args.no_hash,
        allow_dirs: args.allow_dir.clone(),
    };
    if args.dry_run {
        let promoted = plan(host, &domain, &request)?;
        return ui.result(&listed(&promoted), &promoted);
    }
    let promoted = promote(host, &domain, &request)?;
    for record in &promoted.sealed {
        ui.status(&format!("Sealed {}.", record.path.display()));
    }
    ui.status(&format!(
        "'{0}' is golden, and does not start any more; `vmkin clone -d {0} NAME` makes clones of it.",
        domain.name
    ));
    ui.result("", &promoted)
}

fn listed(promoted: &Promoted) -> String {
    let mut text = format!("Domain '{}'\n", one_line(&promoted.domain.name));
    for image in &promoted.images {
        let flattened = promoted.flattened.as_ref();
        let is_flattened = flattened.is_some_and(|one| {
            let mut disks = one.disks.iter();
            disks.any(|disk| disk.path == *image)
        });
        let how = match is_flattened {
            true => "stands alone, and is sealed",
            false => "is sealed",
        };
        text.push_str(&format!(
            "  {}  {how}\n",
            one_line(&image.display().to_string())
        ));
    }
    text
}
