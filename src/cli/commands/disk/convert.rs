use std::path::PathBuf;

use clap::Args;

use super::super::formats::{Format, by_name};
use super::{Which, wrong};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{ImageOptions, Size, human_bytes};
use crate::ops::Observer as _;
use crate::ops::disk::convert::{self, ConvertRequest, Converted};

/// Read a disk, with all that is below it, into an image of its own
///
/// Of any format that qemu-img writes. The guest must be shut off. The new image
/// is made under another name, compared with the disk by vmkin itself, and gets
/// its own name at last: it is whole, or it is not there.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConvertArgs {
    #[command(flatten)]
    which: Which,

    /// The image to make; nothing may be there
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Its format [default: qcow2 if its name ends so, else raw]
    #[arg(short = 'O', long, value_name = "FORMAT")]
    output_format: Option<Format>,

    /// Options of that format, as in qemu-img: `-o cluster_size=2M`; may be repeated
    #[arg(short, long, value_name = "OPTIONS")]
    option: Vec<String>,

    /// Compress it: qcow2, and VMDK with `-o subformat=streamOptimized`
    #[arg(long)]
    compress: bool,

    /// Read this internal snapshot, by its name or id
    #[arg(short, long, visible_short_alias = 'l', value_name = "NAME")]
    snapshot: Option<String>,

    /// So many zeros on end become a hole; 0 for none [default: 4k]
    #[arg(short = 'S', long, value_name = "SIZE", value_parser = sparse)]
    sparse: Option<u64>,

    /// Do not read the new image again to compare it with the disk
    #[arg(long)]
    no_compare: bool,

    /// Tell what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
}

fn sparse(text: &str) -> std::result::Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let size = Size::parse(text, 1).map_err(|why| why.to_string())?;
    match size.bytes() {
        bytes if bytes % 512 == 0 => Ok(bytes),
        _ => Err("it must be a multiple of 512".to_owned()),
    }
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ConvertArgs) -> Result<()> {
    let hypervisor = session.connect_unless(args.dry_run)?;
    let format = args.output_format.map(Into::into);
    let mut options = ImageOptions::new(format.unwrap_or_else(|| by_name(&args.out)));
    for list in &args.option {
        options.add(list, &[]).map_err(wrong)?;
    }
    let request = ConvertRequest {
        subject: args.which.subject(&hypervisor)?,
        snapshot: args.snapshot.clone(),
        out: args.out.clone(),
        options,
        compress: args.compress,
        sparse: args.sparse,
        compare: !args.no_compare,
        allow_dirs: args.which.allow_dir.clone(),
    };
    let host = session.host(&hypervisor);
    let plan = convert::plan(host, request)?;
    for warning in &plan.warnings {
        ui.warning(warning);
    }
    let converted = match args.dry_run {
        true => plan.outcome()?,
        false => convert::convert(host, &plan)?,
    };
    ui.result(&text(&converted), &converted)
}

fn text(converted: &Converted) -> String {
    let done = match converted.made {
        true => "Converted",
        false => "Would convert",
    };
    let snapshot = converted.snapshot.as_ref();
    let snapshot = snapshot.map(|name| format!("snapshot '{name}' of "));
    let taken = converted.allocated.map(|bytes| {
        let compared = if converted.compared { ", compared" } else { "" };
        format!(", takes {}{compared}", human_bytes(bytes))
    });
    let line = format!(
        "{done} {}{} to {} ({}, {}{}).",
        snapshot.unwrap_or_default(),
        converted.from.display(),
        converted.path.display(),
        converted.format,
        human_bytes(converted.size),
        taken.unwrap_or_default()
    );
    format!("{}\n", one_line(&line))
}
