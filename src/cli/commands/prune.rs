use std::path::PathBuf;

use clap::Args;

use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::prune::{PruneRequest, prune};

/// Find overlays, seeds and temporary files that no domain has, and remove them
///
/// Without --yes they are only listed. Looked through are the storage pools and
/// the directories in which domains have images. Removed is what vmkin made, and
/// overlays of bases that are known; never a base, and nothing that a domain, a
/// snapshot or an overlay that stays is on, or that somebody has open. What else
/// nobody uses is told, and stays.
#[derive(Debug, Args)]
pub(in crate::cli) struct PruneArgs {
    /// Look through this directory too; may be repeated
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &PruneArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let found = prune(
        host,
        &PruneRequest {
            dirs: args.dir.clone(),
            remove: ui.is_agreed(),
        },
    )?;
    let rows = found.orphans.iter().map(|orphan| {
        vec![
            orphan.what.as_str().to_owned(),
            orphan.size.to_string(),
            one_line(&orphan.path.display().to_string()),
        ]
    });
    let text = if found.orphans.is_empty() {
        String::new()
    } else {
        columns(&["Orphan", "Size", "File"], &[1], rows.collect())
    };
    ui.result(&text, &found)?;
    for unknown in &found.unknown {
        let path = unknown.path.display().to_string();
        ui.status(&format!("{} stays: {}.", one_line(&path), unknown.why));
    }
    let (number, size) = (found.orphans.len(), found.size);
    ui.status(&match (number, found.removed) {
        (0, _) => "There are no orphans.".to_owned(),
        (_, true) => format!("Removed {number} files; {size} are free again."),
        (_, false) => format!("{size} in {number} files; `vmkin prune --yes` removes them."),
    });
    Ok(())
}
