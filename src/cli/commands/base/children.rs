use clap::Args;

use super::{Which, say_problems};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::ops::base;

/// List what depends on base images
///
/// Prints the names of domains, and the paths of overlays that no domain uses.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChildrenArgs {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(ui: &Ui, session: &Session<'_>, args: &ChildrenArgs) -> Result<()> {
    let hypervisor = session.connect()?;
    let host = session.host(&hypervisor);
    let mut bases = Vec::new();
    for (path, _) in args.which.resolve(host)? {
        bases.push(base::children(host, &path)?);
    }
    let mut text = String::new();
    for base in &bases {
        let strays = base.strays.iter().map(|path| path.display().to_string());
        for child in base.children.iter().cloned().chain(strays) {
            text.push_str(&one_line(&child));
            text.push('\n');
        }
    }
    ui.result(&text, &bases)?;
    // A base that has changed matters to whoever asks for its children.
    say_problems(ui, &bases);
    Ok(())
}
