use std::path::PathBuf;

use clap::Args;

use super::to_guest::{Drafts, ToGuest};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::ops::write::plan::Draft;

/// Copy files and directories of the host into guests that are shut off
///
/// Into a directory of the guest that is there. What is new gets the mode, the
/// time and, by number, the owner of the original, and the SELinux label of its
/// directory; a file that is there gets the contents and keeps all else. All is
/// copied or nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct CopyInArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    what: CopiedIn,
}

/// What is copied where.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct CopiedIn {
    /// Files and directories of the host; then a directory, by its absolute path in the guest
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    paths: Vec<PathBuf>,
}

impl Drafts for CopiedIn {
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()> {
        let Some((to, from)) = self.paths.split_last() else {
            return Err(Error::new(Kind::Usage, "nothing is to be copied"));
        };
        let to = to.as_os_str().as_encoded_bytes();
        from.iter().try_for_each(|source| draft.copy_in(source, to))
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &CopyInArgs) -> Result<()> {
    args.guests.change(ui, session, &args.what)
}
