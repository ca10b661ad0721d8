use clap::Args;

use super::Domains;
use crate::cli::fleet::Of;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::NicSource;
use crate::ops::list::{Shown, ShownDisk, show};

/// Show all that is known of a domain
///
/// Its state, its disks with every image they are made of, its interfaces and
/// addresses, its clones, and where it came from if it is a clone.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    domains: Domains,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ShowArgs) -> Result<()> {
    let fleet = session.fleet()?;
    let (all, result) = fleet.each_alone(&args.domains.all(), "shown", show);
    let text: Vec<String> = all.iter().map(text).collect();
    ui.result(&text.join("\n"), &all)?;
    result
}

fn text(
    Of {
        host, what: shown, ..
    }: &Of<Shown>,
) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        out.push_str(&format!("{label:<12} {}\n", one_line(value)));
    };
    let listed = &shown.listed;
    if let Some(host) = host {
        line("Host:", host);
    }
    line("Name:", &listed.name);
    line("UUID:", &listed.uuid.to_string());
    if let Some(title) = &shown.title {
        line("Title:", title);
    }
    line("State:", &listed.status.state.to_string());
    if let Some(id) = listed.id {
        line("Id:", &id.to_string());
    }
    line("Type:", &shown.domain_type);
    line("vCPUs:", &listed.status.vcpus.to_string());
    line("Memory:", &listed.status.memory.to_string());
    line(
        "Autostart:",
        if listed.status.autostart { "yes" } else { "no" },
    );
    if !listed.status.persistent {
        line("Stored:", "no (transient)");
    }
    for disk in &shown.disks {
        line("Disk:", &disk_text(disk));
        for layer in disk.layers.iter().skip(1) {
            line(
                "",
                &format!("└ {} ({})", layer.path.display(), layer.format),
            );
        }
        if let Some(export) = &disk.export {
            line("", &format!("└ {export} (raw)"));
        }
    }
    for nic in &shown.nics {
        let mac = nic.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let to = match &nic.source {
            NicSource::Network(name) => format!("network {name}"),
            NicSource::Bridge(name) => format!("bridge {name}"),
            NicSource::User => "user-mode network".to_owned(),
            NicSource::Other(word) => word.clone(),
        };
        let model = nic.model.as_deref().unwrap_or("default model");
        line("Interface:", &format!("{mac} on {to} ({model})"));
    }
    for address in &listed.addresses {
        let source = address.source.as_str();
        line(
            "Address:",
            &format!("{}/{} (by {source})", address.ip, address.prefix),
        );
    }
    for graphics in &shown.graphics {
        line("Graphics:", &graphics.to_string());
    }
    if let Some(lineage) = &shown.lineage {
        line(
            if lineage.golden_uuid.is_nil() {
                "Made of:"
            } else {
                "Clone of:"
            },
            &format!(
                "{} ({}, {})",
                lineage.golden_name,
                lineage.mode.as_str(),
                lineage.time
            ),
        );
        for one in &lineage.reservations {
            line(
                "Reserved:",
                &format!(
                    "{} as '{}' for {} on network {}",
                    one.ip, one.name, one.mac, one.network
                ),
            );
        }
    }
    if !shown.children.is_empty() {
        line("Clones:", &shown.children.join(", "));
    }
    if !shown.snapshots.is_empty() {
        line("Snapshots:", &shown.snapshots.join(", "));
    }
    for problem in &shown.problems {
        line("Problem:", problem);
    }
    out
}

fn disk_text(shown: &ShownDisk) -> String {
    let disk = &shown.disk;
    let mut text = format!("{} {} ({}", disk.target, disk.source, disk.format);
    if let Some(top) = shown.layers.first() {
        let size = crate::model::human_bytes(top.virtual_size);
        let used = crate::model::human_bytes(top.allocated);
        text.push_str(&format!(", {size}, {used} used"));
    }
    for (set, word) in [
        (disk.readonly, "read-only"),
        (disk.shareable, "shareable"),
        (disk.transient, "transient"),
    ] {
        if set {
            text.push_str(", ");
            text.push_str(word);
        }
    }
    text.push(')');
    text
}
