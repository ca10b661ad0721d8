use clap::Args;
use serde::Serialize;

use crate::cli::ui::Ui;
use crate::error::Result;
use crate::template::{self, DomainTemplate};

/// Print the text of a template
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The template, by name or by path
    #[arg(value_name = "TEMPLATE")]
    template: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    template: &'a DomainTemplate,
    text: &'a str,
}

pub(super) fn run(ui: &Ui, args: &ShowArgs) -> Result<()> {
    let template = template::find(&args.template)?;
    let text = template.text();
    let shown = Shown {
        template: &template,
        text,
    };
    ui.result(text, &shown)
}
