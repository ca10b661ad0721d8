use std::path::PathBuf;

use clap::Args;

use super::{Which, named, subject, verdict_of_all};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::model::{DiskTarget, DomainRef, ImageFormat};
use crate::ops::disk::compare::{self, CompareRequest, Compared};

/// Tell whether two disks are the same to a guest, and if not, where they differ
///
/// Whatever their formats and chains. Where one is longer than the other there must
/// be zeros. The guests must be shut off. Exit code 9 if they differ.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    which: Which,

    /// The other image, by its path
    #[arg(
        long,
        value_name = "IMAGE",
        required_unless_present = "with_domain",
        conflicts_with = "with_domain"
    )]
    with: Option<PathBuf>,

    /// The format of the other image, if no domain has it
    #[arg(long, value_name = "FORMAT", requires = "with")]
    with_format: Option<ImageFormat>,

    /// The disks of another domain: those of the same names
    #[arg(long, value_name = "DOMAIN")]
    with_domain: Option<DomainRef>,

    /// Only this disk of it
    #[arg(long, value_name = "DISK", requires = "with_domain")]
    with_target: Option<DiskTarget>,

    /// Disks of different sizes are not the same
    #[arg(short, long)]
    strict: bool,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &CompareArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let targets = match &args.with_target {
        Some(target) => std::slice::from_ref(target),
        None => &args.which.target,
    };
    let image = (args.with.as_deref(), args.with_format);
    let request = CompareRequest {
        one: args.which.subject(&hypervisor)?,
        other: subject(&hypervisor, args.with_domain.as_ref(), targets, image)?,
        strict: args.strict,
        allow_dirs: args.which.allow_dir.clone(),
    };
    let all = compare::compare(session.host(&hypervisor), &request)?;
    let text: String = all.iter().map(text).collect();
    ui.result(&text, &all)?;
    verdict_of_all(all.iter().map(Compared::verdict))
}

fn text(one: &Compared) -> String {
    let how = match (one.same, one.differs_at) {
        (true, _) if one.size == one.other_size => "the same".to_owned(),
        (true, _) => format!(
            "the same, but for the size: {} and {} bytes",
            one.size, one.other_size
        ),
        (false, Some(at)) => format!("differ, from byte {at} on"),
        (false, None) => format!("sizes differ: {} and {} bytes", one.size, one.other_size),
    };
    let other = one_line(&one.other_path.display().to_string());
    let one = named(one.target.as_ref(), &one.path);
    format!("{one} and {other}: {how}\n")
}
