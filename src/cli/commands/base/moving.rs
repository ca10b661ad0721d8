use std::path::PathBuf;

use clap::Args;

use super::real;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::base::moving::{self, MoveMethod, MovePlan, MoveRequest};

/// Give a base image another place, and have all its children follow
///
/// The overlays on it name the new place then, and so do the definitions of all
/// domains, its own among them; the seal goes with it. All of these domains must
/// be shut off. Until the last has followed, the image is whole in both places,
/// so that none is without its base if this is interrupted. On another file
/// system it is copied and compared.
#[derive(Debug, Args)]
pub(in crate::cli) struct MoveArgs {
    /// The base image
    #[arg(value_name = "IMAGE")]
    base: PathBuf,

    /// A directory, or the new path of the file
    #[arg(value_name = "DEST")]
    dest: PathBuf,

    /// Copy it on the same file system too
    #[arg(long)]
    copy: bool,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Show what would follow it, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &MoveArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let plan = moving::plan(
        host,
        &MoveRequest {
            base: real(&args.base)?,
            dest: args.dest.clone(),
            copy: args.copy,
            allow_dirs: args.allow_dir.clone(),
        },
    )?;
    if args.dry_run {
        return ui.result(&text(&plan), &plan);
    }
    moving::apply(host, &plan)?;
    ui.status(&format!(
        "Moved {} to {}: {} domains and {} overlays follow it.",
        plan.from.display(),
        plan.to.display(),
        plan.domains.len(),
        plan.overlays.len()
    ));
    ui.result("", &plan)
}

fn text(plan: &MovePlan) -> String {
    let how = match plan.method {
        MoveMethod::Rename => "gets another name".to_owned(),
        MoveMethod::Copy => format!("is copied ({})", plan.size),
    };
    let mut text = format!(
        "{} {how}\n  to {}\n",
        one_line(&plan.from.display().to_string()),
        one_line(&plan.to.display().to_string())
    );
    for name in &plan.domains {
        text.push_str(&format!("  domain '{}' follows\n", one_line(name)));
    }
    for path in &plan.overlays {
        let path = path.display().to_string();
        text.push_str(&format!("  overlay {} follows\n", one_line(&path)));
    }
    text
}
