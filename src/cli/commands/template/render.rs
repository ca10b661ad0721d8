use clap::Args;

use crate::cli::commands::import::pair;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::model::DomainName;
use crate::ops::import::sample;

/// Print the XML that a template makes of a made-up guest
///
/// The guest has one disk and one interface, and whatever the template says it
/// should have. What it makes of a real one `vmkin import --print-xml` shows.
#[derive(Debug, Args)]
pub(in crate::cli) struct RenderArgs {
    /// The template, by name or by path
    #[arg(value_name = "TEMPLATE")]
    template: String,

    /// The name of the guest
    #[arg(short, long, value_name = "NAME", default_value = "guest")]
    name: DomainName,

    /// A value for the template; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

pub(super) fn run(ui: &Ui, args: &RenderArgs) -> Result<()> {
    let xml = sample(&args.template, &args.name, &args.set)?;
    ui.result(&xml, &xml)
}
