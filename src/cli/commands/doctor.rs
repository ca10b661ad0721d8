use clap::Args;

use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::ops::doctor::{Finding, Health};

/// Find out what this host lacks, and how to get it
///
/// Looks at libvirt, KVM, qemu-img and its image locks, what vmkin has left
/// unfinished, and what the directories of the storage pools can do.
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, _args: &DoctorArgs) -> Result<()> {
    let findings = session.examine();
    let text: String = findings.iter().map(text).collect();
    ui.result(&text, &findings)?;
    let bad = findings.iter().filter(|f| f.health == Health::Bad).count();
    match bad {
        0 => Ok(()),
        1 => Err(Error::new(Kind::Environment, "one thing does not work")),
        n => Err(Error::new(
            Kind::Environment,
            format!("{n} things do not work"),
        )),
    }
}

fn text(finding: &Finding) -> String {
    let mark = match finding.health {
        Health::Good => "good",
        Health::Fair => "fair",
        Health::Bad => "BAD ",
    };
    let mut text = format!(
        "{mark}  {}: {}\n",
        one_line(&finding.what),
        one_line(&finding.found)
    );
    for hint in &finding.hints {
        text.push_str(&format!("      hint: {}\n", one_line(hint)));
    }
    text
}
