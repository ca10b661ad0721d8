use clap::Args;

use super::{Which, verdict_of_all};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::human_bytes;
use crate::ops::disk::info::{self, DiskInfo, InfoRequest, LayerInfo};

/// Tell what disks are made of: the images of their chains, and who uses them
///
/// Read from the headers by vmkin itself, also while the guest
/// runs. Exit code 9 if a chain cannot be read to its end, with as much of it as
/// could be.
#[derive(Debug, Args)]
pub(in crate::cli) struct InfoArgs {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &InfoArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let request = InfoRequest {
        subject: args.which.subject(&hypervisor)?,
        allow_dirs: args.which.allow_dir.clone(),
    };
    let disks = info::info(session.host(&hypervisor), &request)?;
    let texts: Vec<String> = disks.iter().map(text).collect();
    ui.result(&texts.join("\n"), &disks)?;
    verdict_of_all(disks.iter().map(DiskInfo::verdict))
}

fn text(disk: &DiskInfo) -> String {
    let name = disk.target.as_ref().map(|target| format!("{target}: "));
    let mut lines = vec![format!(
        "{}{}, {} on this host{}",
        name.unwrap_or_default(),
        disk.virtual_size
            .map_or_else(|| "unknown size".to_owned(), human_bytes),
        human_bytes(disk.allocated),
        match disk.moving {
            true => "; it may be written to, and figures move",
            false => "",
        }
    )];
    for (depth, layer) in disk.layers.iter().enumerate() {
        let what = if depth == 0 { "image" } else { "backing file" };
        lines.push(format!("  {what}: {}", layer.path.display()));
        lines.extend(layer_lines(layer).map(|line| format!("    {line}")));
    }
    if let Some(export) = &disk.export {
        lines.push(format!("  backing export: {export}"));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", one_line(line)))
        .collect()
}

fn layer_lines(layer: &LayerInfo) -> impl Iterator<Item = String> {
    let taken = match layer.allocated {
        Some(bytes) => format!("takes {}", human_bytes(bytes)),
        None => "a block device".to_owned(),
    };
    let mut lines = vec![
        format!("format: {}", format_line(layer)),
        format!(
            "size: {} ({} bytes), {taken}",
            human_bytes(layer.virtual_size),
            layer.virtual_size
        ),
    ];
    let marks = [
        (
            layer.dirty,
            "not closed: somebody writes to it, or died while writing",
        ),
        (
            layer.qcow2.as_ref().is_some_and(|qcow2| qcow2.corrupt),
            "marked corrupt",
        ),
        (layer.immutable, "sealed, and immutable"),
        (layer.sealed && !layer.immutable, "sealed"),
        (layer.in_use == Some("written"), "open for writing"),
        (layer.in_use == Some("read"), "open for reading, or guarded"),
    ];
    let marks: Vec<&str> = marks
        .into_iter()
        .filter_map(|(is, what)| is.then_some(what))
        .collect();
    if !marks.is_empty() {
        lines.push(format!("state: {}", marks.join("; ")));
    }
    if !layer.snapshots.is_empty() {
        let names = layer.snapshots.iter().map(|one| one.name.as_str());
        let names: Vec<&str> = names.collect();
        lines.push(format!("snapshots: {}", names.join(", ")));
    }
    if !layer.users.is_empty() {
        let users = layer
            .users
            .iter()
            .map(|user| format!("{} of '{}' ({})", user.target, user.domain, user.state));
        lines.push(format!("disk: {}", users.collect::<Vec<_>>().join(", ")));
    }
    if !layer.children.is_empty() {
        lines.push(format!("base of: {}", layer.children.join(", ")));
    }
    lines.into_iter()
}

fn format_line(layer: &LayerInfo) -> String {
    let mut parts = vec![layer.format.to_string()];
    if let Some(qcow2) = &layer.qcow2 {
        parts.push(format!("compat {}", qcow2.compat));
        parts.push(format!("clusters of {}", human_bytes(qcow2.cluster_size)));
        parts.push(qcow2.compression_type.to_owned());
        if qcow2.refcount_bits != 16 {
            parts.push(format!("refcounts of {} bits", qcow2.refcount_bits));
        }
        for (is, what) in [
            (qcow2.lazy_refcounts, "lazy refcounts"),
            (qcow2.extended_l2, "subclusters"),
        ] {
            if is {
                parts.push(what.to_owned());
            }
        }
        if qcow2.bitmaps > 0 {
            parts.push(format!("{} bitmaps", qcow2.bitmaps));
        }
        if let Some(how) = qcow2.encryption {
            parts.push(format!("encrypted ({how})"));
        }
    } else if layer.encrypted {
        parts.push("encrypted".to_owned());
    }
    parts.join(", ")
}
