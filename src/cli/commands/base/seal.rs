use clap::Args;

use super::Which;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::ImageFormat;
use crate::ops::{Observer as _, base};

/// Seal base images: make them read-only and remember what they look like
///
/// The mode becomes 0444 and, where the file system can, the file immutable,
/// so that not even root changes, moves or deletes it by mistake. Clones still
/// start.
#[derive(Debug, Args)]
pub(in crate::cli) struct SealArgs {
    #[command(flatten)]
    which: Which,

    /// Do not read the whole image to remember its SHA-256
    #[arg(long)]
    no_hash: bool,

    /// The format of images that no domain uses [default: by the header]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ImageFormat>,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &SealArgs) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let mut records = Vec::new();
    for (path, format) in args.which.resolve(host)? {
        let record = base::seal(host, &path, args.format.or(format), !args.no_hash)?;
        let how = if record.immutable {
            "read-only and immutable"
        } else {
            "read-only; this file system has no immutable files"
        };
        ui.status(&format!("Sealed {} ({how}).", path.display()));
        records.push(record);
    }
    ui.result("", &records)
}
