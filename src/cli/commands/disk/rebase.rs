use std::path::PathBuf;

use clap::Args;

use super::{Which, named};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::model::ImageFormat;
use crate::ops::Observer as _;
use crate::ops::disk::create::Below;
use crate::ops::disk::rebase::{self, RebaseReport, RebaseRequest};

/// Put an overlay on another base, where it reads what it read before
///
/// What differs between the two bases is copied into the overlay, and it is compared
/// with what it was before it takes its place. The guest must be shut off. For all
/// that is on a base there is `base rebase`; an overlay that is to stand alone is
/// for `flatten`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RebaseArgs {
    #[command(flatten)]
    which: Which,

    /// The base that it is to be on
    #[arg(long, value_name = "IMAGE")]
    onto: PathBuf,

    /// The format of that, needed if no domain has it
    #[arg(long, value_name = "FORMAT")]
    onto_format: Option<ImageFormat>,

    /// Copy nothing, and write only its header: refused unless it reads the same there
    #[arg(short, long)]
    r#unsafe: bool,

    /// Tell what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &RebaseArgs) -> Result<()> {
    // As `qemu-img rebase -b ""` has it.
    if args.onto.as_os_str().is_empty() || args.onto.as_os_str() == "none" {
        return Err(Error::new(
            Kind::Usage,
            "an overlay on no base is an image that stands alone",
        )
        .hint("of a guest: `vmkin flatten -d DOMAIN`")
        .hint("of an image by its path: `vmkin disk convert -a IMAGE OUT`"));
    }
    let hypervisor = session.connect_unless(args.dry_run)?;
    let allow_dirs = args.which.allow_dir.clone();
    let request = RebaseRequest {
        subject: args.which.subject(&hypervisor)?,
        onto: Below {
            path: args.onto.clone(),
            format: args.onto_format,
            format_option: "--onto-format",
            allow_dirs: allow_dirs.clone(),
        },
        in_place: args.r#unsafe,
        allow_dirs,
    };
    let host = session.host(&hypervisor);
    let plan = rebase::plan(host, &request)?;
    for warning in &plan.warnings {
        ui.warning(warning);
    }
    if args.dry_run {
        return ui.result(&text(&plan.report), &plan.report);
    }
    let report = rebase::apply(host, plan)?;
    ui.result(&text(&report), &report)
}

fn text(report: &RebaseReport) -> String {
    let size = report.size.map(|size| format!(" ({size})"));
    let how = if report.in_place {
        ", by its header alone"
    } else {
        ""
    };
    format!(
        "{}: onto {}{}{how}\n",
        named(report.target.as_ref(), &report.path),
        one_line(&report.onto.display().to_string()),
        size.unwrap_or_default()
    )
}
