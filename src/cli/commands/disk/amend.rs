use clap::Args;

use super::{Which, named, wrong};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{ImageFormat, ImageOptions};
use crate::ops::disk::amend::{self, AmendRequest, Amended};

/// Change what qcow2 images are, and none of their data
///
/// The guest must be shut off, and nobody else may have the image; a base with
/// children is not touched.
#[derive(Debug, Args)]
pub(in crate::cli) struct AmendArgs {
    #[command(flatten)]
    which: Which,

    /// What it is to be: compat, lazy_refcounts or refcount_bits, as in `-o compat=1.1`; may be repeated
    #[arg(short, long, value_name = "OPTIONS", required = true)]
    option: Vec<String>,

    /// Tell what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &AmendArgs) -> Result<()> {
    let hypervisor = session.connect_unless(args.dry_run)?;
    let mut options = ImageOptions::new(ImageFormat::Qcow2);
    for list in &args.option {
        options.add(list, &[]).map_err(wrong)?;
    }
    let request = AmendRequest {
        subject: args.which.subject(&hypervisor)?,
        options,
        allow_dirs: args.which.allow_dir.clone(),
        dry_run: args.dry_run,
    };
    let all = amend::amend(session.host(&hypervisor), &request)?;
    let text: String = all.iter().map(text).collect();
    ui.result(&text, &all)
}

fn text(amended: &Amended) -> String {
    let changes = amended
        .changes
        .iter()
        .map(|change| format!("{} {} → {}", change.option, change.before, change.after));
    let changes: Vec<String> = changes.collect();
    let what = match changes.is_empty() {
        true => "as wanted already".to_owned(),
        false => changes.join(", "),
    };
    format!(
        "{}: {}\n",
        named(amended.target.as_ref(), &amended.path),
        one_line(&what)
    )
}
