use std::path::{Path, PathBuf};

use clap::Args;

use super::to_guest::ToGuest;
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::guest::scratch::Scratch;
use crate::ops::write::Writing;
use crate::ops::write::plan::Draft;

/// Unpack a tar archive into guests that are shut off
///
/// Into a directory of the guest that is there, by the rules of copy-in; modes,
/// times and, by number, owners are those in the archive. No name in it leads out
/// of the directory. All is unpacked or nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct TarInArgs {
    #[command(flatten)]
    guests: ToGuest,

    /// The archive, which is not compressed; '-' is standard input
    #[arg(value_name = "ARCHIVE")]
    archive: PathBuf,

    /// The directory, by its absolute path in the guest
    #[arg(value_name = "DIR")]
    dir: String,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &TarInArgs) -> Result<()> {
    // It is read once for each guest.
    let scratch = Scratch::new()?;
    let archive = match args.archive == Path::new("-") {
        true => scratch.file_from("archive", &mut std::io::stdin().lock())?,
        false => args.archive.clone(),
    };
    let mut plan =
        |_: &Writing<'_>, draft: &mut Draft<'_>| draft.tar_in(&archive, args.dir.as_bytes());
    args.guests.each(ui, session, &mut plan)
}
