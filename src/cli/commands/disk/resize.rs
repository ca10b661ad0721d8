use std::str::FromStr;

use clap::Args;

use super::{Which, named};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{InvalidSize, Size};
use crate::ops::Observer as _;
use crate::ops::disk::resize::{self, Inside, NewSize, ResizeReport, ResizeRequest, live};

/// Make a disk larger or smaller, with what is on it
///
/// The guest must be shut off, but for --live. Everything happens beside the disk first, and is
/// checked there: the disk is what it was, or all of what it was to be. Without
/// --grow-fs and --shrink nothing on the disk is touched, and it can only grow.
#[derive(Debug, Args)]
pub(in crate::cli) struct ResizeArgs {
    #[command(flatten)]
    which: Which,

    /// The size: `20G`, `+2G` for so much more, `-5G` for so much less
    #[arg(value_name = "SIZE", allow_hyphen_values = true)]
    size: Wanted,

    /// Grow the last partition and its file system too
    #[arg(long, conflicts_with = "shrink")]
    grow_fs: bool,

    /// Make the last file system and its partition smaller first
    #[arg(long)]
    shrink: bool,

    /// Grow the disk of a guest that runs; its file system is for the guest to grow
    #[arg(long, requires = "domain", conflicts_with_all = ["grow_fs", "shrink"])]
    live: bool,

    /// Only say what would be done, and how small the disk could be
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug)]
struct Wanted(NewSize);

impl FromStr for Wanted {
    type Err = InvalidSize;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let size = |text: &str| Size::parse(text, 1);
        Ok(Self(
            match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(more), _) => NewSize::More(size(more)?),
                (None, Some(less)) => NewSize::Less(size(less)?),
                (None, None) => NewSize::Exactly(size(text)?),
            },
        ))
    }
}

/// What is to be done in a guest whose disk has grown, as the usual ones call it.
const IN_THE_GUEST: &str = "The file system is as large as before. In the guest, grow the last partition, if there is one \
     (`growpart /dev/vda 1`), then what is in it: `resize2fs /dev/vda1` (ext4), `xfs_growfs /` (XFS), \
     `btrfs filesystem resize max /` (btrfs); with LVM `pvresize /dev/vda1` and \
     `lvextend --resizefs -l +100%FREE GROUP/VOLUME`.";

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ResizeArgs) -> Result<()> {
    let hypervisor = session.connect_unless(args.dry_run)?;
    let request = ResizeRequest {
        subject: args.which.subject(&hypervisor)?,
        size: args.size.0,
        inside: match (args.grow_fs, args.shrink) {
            (true, _) => Inside::Grows,
            (false, true) => Inside::Shrinks,
            (false, false) => Inside::Stays,
        },
        measure: args.dry_run && args.shrink,
        allow_dirs: args.which.allow_dir.clone(),
    };
    let host = session.host(&hypervisor);
    if args.live {
        let plan = live::plan(host, &request)?;
        if args.dry_run {
            return ui.result(&planned(&plan.report), &plan.report);
        }
        live::apply(host, &plan, &request)?;
        ui.status(IN_THE_GUEST);
        return ui.result(&done(&plan.report), &plan.report);
    }
    let plan = resize::plan(host, &request)?;
    if args.dry_run {
        return ui.result(&planned(&plan.report), &plan.report);
    }
    resize::apply(host, &plan)?;
    ui.result(&done(&plan.report), &plan.report)
}

fn planned(report: &ResizeReport) -> String {
    let which = named(report.target.as_ref(), &report.path);
    let mut text = format!("{which}: {} to {}\n", report.before, report.after);
    for step in &report.steps {
        text.push_str(&format!("  {}\n", one_line(step)));
    }
    if let Some(least) = report.least {
        text.push_str(&format!(
            "  the smallest size that will do: {} ({least})\n",
            least.bytes()
        ));
    }
    text
}

fn done(report: &ResizeReport) -> String {
    let which = named(report.target.as_ref(), &report.path);
    if report.before == report.after {
        return format!("{which}: {} already\n", report.after);
    }
    let inside = if report.steps.is_empty() {
        ""
    } else {
        ", with its file system"
    };
    format!("{which}: {}, was {}{inside}\n", report.after, report.before)
}
