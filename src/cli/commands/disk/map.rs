use clap::Args;

use super::Which;
use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::Observer as _;
use crate::ops::disk::map::{self, DiskMap, MapRequest};

/// Tell which part of a disk is in which image
///
/// Only parts with data are shown; with --json all are, in the words of
/// `qemu-img map --output=json`. Read by vmkin itself, also while the guest runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct MapArgs {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &MapArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let request = MapRequest {
        subject: args.which.subject(&hypervisor)?,
        allow_dirs: args.which.allow_dir.clone(),
    };
    let disks = map::map(session.host(&hypervisor), &request)?;
    for disk in disks.iter().filter(|disk| disk.moving) {
        ui.warning(&format!(
            "{} may be written to: some of this was true a moment ago, and is no longer.",
            disk.path.display()
        ));
    }
    let several = disks.len() > 1;
    let texts: Vec<String> = disks.iter().map(|disk| text(disk, several)).collect();
    ui.result(&texts.join("\n"), &disks)
}

fn text(disk: &DiskMap, named: bool) -> String {
    let target = disk.target.as_ref().filter(|_| named);
    let name = target.map(|target| format!("{target}:\n"));
    let rows = disk
        .parts
        .iter()
        .filter(|part| part.data)
        .map(|part| {
            let mapped = match part.offset {
                Some(offset) => format!("{offset:#x}"),
                None if part.compressed => "compressed".to_owned(),
                None => String::new(),
            };
            let file = part.file.as_ref();
            vec![
                format!("{:#x}", part.start),
                format!("{:#x}", part.length),
                mapped,
                file.map(|file| one_line(&file.display().to_string()))
                    .unwrap_or_default(),
            ]
        })
        .collect();
    let table = columns(&["Offset", "Length", "Mapped to", "File"], &[], rows);
    format!("{}{table}", name.unwrap_or_default())
}
