use clap::Args;

use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;

/// Finish or take back what an interrupted vmkin left behind
///
/// Safe to run at any time, and as often as you like. Commands that change
/// disks do this by themselves before they begin.
#[derive(Debug, Args)]
pub(in crate::cli) struct RecoverArgs {}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, _args: &RecoverArgs) -> Result<()> {
    let recovered = session.recover_where(&|_| true)?;
    for one in &recovered {
        session.say(one);
    }
    if recovered.is_empty() {
        crate::ops::Observer::status(ui, "There is nothing to recover.");
    }
    ui.result("", &recovered)
}
