use clap::Args;

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
    let hypervisor = session.connect()?;
    let mut domains = list(session.host(&hypervisor))?;
    domains.retain(|domain| wanted(args, domain.status.state));
    let text = if args.name {
        domains
            .iter()
            .map(|domain| format!("{}\n", one_line(&domain.name)))
            .collect()
    } else {
        table(&domains)
    };
    ui.result(&text, &domains)
}

fn wanted(args: &ListArgs, state: DomainState) -> bool {
    match state.is_active() {
        true => !args.inactive,
        false => !args.running,
    }
}

fn table(domains: &[Listed]) -> String {
    let heading = [
        "Id", "Name", "State", "vCPUs", "Memory", "Disk", "Base", "Address",
    ];
    let rows = domains
        .iter()
        .map(|domain| {
            let base = match (&domain.base, &domain.base_export) {
                (Some(base), _) => base.file_name().map(|n| n.to_string_lossy().into_owned()),
                (None, export) => export.as_ref().map(ToString::to_string),
            };
            let address = domain
                .addresses
                .first()
                .map(|address| address.ip.to_string());
            vec![
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
            ]
        })
        .collect();
    columns(&heading, &[0, 3, 4, 5], rows)
}
