mod list;
mod render;
mod show;

use clap::Subcommand;

use crate::cli::ui::Ui;
use crate::error::Result;

/// Templates of domains: what there is, and what they make
///
/// `vmkin import` and `vmkin clone --base` make the domain XML of guests by
/// templates: those that vmkin ships, those in /etc/vmkin/templates, and the
/// user's own in ~/.config/vmkin/templates, files that end with .xml.hbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TemplateCommand {
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Show(show::ShowArgs),
    Render(render::RenderArgs),
}

pub(in crate::cli) fn run(ui: &Ui, command: &TemplateCommand) -> Result<()> {
    match command {
        TemplateCommand::List(args) => list::run(ui, args),
        TemplateCommand::Show(args) => show::run(ui, args),
        TemplateCommand::Render(args) => render::run(ui, args),
    }
}
