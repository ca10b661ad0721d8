use clap::Args;

use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::DomainState;
use crate::ops::list::{Listed, list};

/// List all domains
///
/// One line each: state, processors, memory, what its own disks take on the
/// host, the image its first disk is based on, and its address.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// Only domains that are active
    #[arg(long, conflicts_with = "inactive")]
    running: bool,

    /// Only domains that are not active
    #[arg(long)]
    inactive: bool,

    /// Print only names, one per line
    #[arg(long)]
    name: bool,

    /// List all domains, which is the default; for those who are used to virsh
    #[arg(long, conflicts_with_all = ["running", "inactive"])]
    all: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ListArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let (found, failed) = fleet.ask(list)?;
    let answered = found.len();
    let mut domains: Vec<Of<Listed>> = found.into_iter().flat_map(Of::each).collect();
    domains.retain(|domain| wanted(args, domain.what.status.state));
    let text = if args.name {
        domains
            .iter()
            .map(|domain| format!("{}\n", one_line(&domain.shown(&domain.what.name))))
            .collect()
    } else {
        table(&domains, fleet.is_one())
    };
    ui.result(&text, &domains)?;
    fleet.verdict(answered, failed)
}

fn wanted(args: &ListArgs, state: DomainState) -> bool {
    match state.is_active() {
        true => !args.inactive,
        false => !args.running,
    }
}

/// Where there are several hosts, the first column says which.
fn table(domains: &[Of<Listed>], is_one: bool) -> String {
    let heading = [
        "Host", "Id", "Name", "State", "vCPUs", "Memory", "Disk", "Base", "Address",
    ];
    let rows = domains
        .iter()
        .map(|of| {
            let domain = &of.what;
            let base = match (&domain.base, &domain.base_export) {
                (Some(base), _) => base.file_name().map(|n| n.to_string_lossy().into_owned()),
                (None, export) => export.as_ref().map(ToString::to_string),
            };
            let address = domain
                .addresses
                .first()
                .map(|address| address.ip.to_string());
            let mut row: Vec<String> = of.host.iter().cloned().collect();
            row.extend([
                domain.id.map(|id| id.to_string()).unwrap_or_default(),
                domain.name.clone(),
                domain.status.state.to_string(),
                domain.status.vcpus.to_string(),
                domain.status.memory.to_string(),
                domain
                    .disk_used
                    .map(|used| used.to_string())
                    .unwrap_or_default(),
                base.unwrap_or_default(),
                address.unwrap_or_default(),
            ]);
            row
        })
        .collect();
    match is_one {
        true => columns(&heading[1..], &[0, 3, 4, 5], rows),
        false => columns(&heading, &[1, 4, 5, 6], rows),
    }
}
