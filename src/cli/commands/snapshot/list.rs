use clap::Args;

use super::Whose;
use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::{Kept, Size};
use crate::ops::snapshot::list::{self, ListedSnapshot};

/// List the snapshots of a guest, or those in an image
///
/// The guest may be running. A star marks the current snapshot, which the next
/// one is made after.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    whose: Whose,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ListArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let subject = args.whose.subject(&hypervisor)?;
    let found = list::list(session.host(&hypervisor), &subject, &args.whose.allow_dir)?;
    ui.result(&text(&found.snapshots), &found)
}

fn text(snapshots: &[ListedSnapshot]) -> String {
    if snapshots.is_empty() {
        return "There are no snapshots.\n".to_owned();
    }
    let rows = snapshots.iter().map(row).collect();
    let heading = ["", "Name", "Made", "Kind", "Memory", "Space", "Remarks"];
    columns(&heading, &[4, 5], rows)
}

fn row(one: &ListedSnapshot) -> Vec<String> {
    let place = one
        .place
        .map_or("mixed".to_owned(), |kept| kept.to_string());
    let memory = match (one.memory, one.memory_bytes()) {
        (Kept::No, 0) => String::new(),
        (_, 0) => one.memory.to_string(),
        (_, bytes) => Size(bytes).to_string(),
    };
    vec![
        if one.current { "*" } else { " " }.to_owned(),
        // At most so deep: what is deeper is known by its parent.
        format!("{}{}", "  ".repeat(one.depth.min(20)), one.name),
        one.created.clone().unwrap_or_default(),
        place,
        memory,
        one.space()
            .map_or_else(String::new, |size| size.to_string()),
        remarks(one, one.variables.is_some()),
    ]
}

/// What is not as it is with most.
pub(super) fn remarks(one: &ListedSnapshot, variables: bool) -> String {
    let mut remarks = Vec::new();
    let of_domain = one.images.iter().any(|image| image.target.is_some());
    if !one.recorded && of_domain {
        remarks.push("not known to libvirt".to_owned());
    }
    let missing = one.missing.iter().filter(|disk| !one.below.contains(disk));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let repeated = one.repeated();
    if !missing.is_empty() {
        remarks.push(format!("missing in {}", missing.join(", ")));
    }
    if !one.below.is_empty() {
        remarks.push(format!("in a lower image of {}", one.below.join(", ")));
    }
    if !repeated.is_empty() {
        remarks.push(format!("more than once in {}", repeated.join(", ")));
    }
    if variables {
        remarks.push("with UEFI variables".to_owned());
    }
    remarks.join("; ")
}
