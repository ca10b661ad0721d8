//! `vmkin image …`: one file per subcommand.

mod build;

use clap::Subcommand;

use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;

/// Make images
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImageCommand {
    Build(Box<build::BuildArgs>),
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, command: &ImageCommand) -> Result<()> {
    match command {
        ImageCommand::Build(args) => build::run(ui, session, args),
    }
}
