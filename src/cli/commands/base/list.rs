use clap::Args;

use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::ops::base::{self, BaseStatus};

/// List the base images of this host
///
/// All that were sealed here, and all that a disk of a domain is based on.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {}

pub(super) fn run(ui: &Ui, session: &Session<'_>, _args: &ListArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let bases = base::list(session.host(&hypervisor))?;
    let text = columns(
        &["Image", "Format", "Size", "Sealed", "Children", "Is"],
        &[2, 4],
        bases.iter().map(row).collect(),
    );
    ui.result(&text, &bases)
}

fn row(base: &BaseStatus) -> Vec<String> {
    let state = match (base.size, base.problems.is_empty()) {
        (None, _) => "missing",
        (_, true) => "as it was",
        (_, false) => "changed",
    };
    vec![
        base.path.display().to_string(),
        base.format.map(|f| f.to_string()).unwrap_or_default(),
        base.size.map(|size| size.to_string()).unwrap_or_default(),
        match (base.sealed, base.immutable) {
            (true, true) => "immutable",
            (true, false) => "read-only",
            (false, _) => "no",
        }
        .to_owned(),
        (base.children.len() + base.strays.len()).to_string(),
        state.to_owned(),
    ]
}
