use clap::Args;

use crate::cli::table::columns;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::template;

/// List the templates
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {}

pub(super) fn run(ui: &Ui, _args: &ListArgs) -> Result<()> {
    let all = template::all()?;
    let rows = all.iter().map(|template| {
        let from = match &template.path {
            Some(path) => path.display().to_string(),
            None => "vmkin".to_owned(),
        };
        vec![template.name.clone(), from, template.summary.clone()]
    });
    let text = columns(&["Name", "From", "What it is for"], &[], rows.collect());
    ui.result(&text, &all)
}
