//! One file per command: its arguments, a call into `ops`, and what to print.

pub(super) mod base;
pub(super) mod clone;
pub(super) mod completions;
pub(super) mod delete;
pub(super) mod destroy;
pub(super) mod disk;
pub(super) mod doctor;
mod identity_args;
pub(super) mod import;
pub(super) mod ip;
pub(super) mod list;
mod making;
pub(super) mod man;
pub(super) mod reboot;
pub(super) mod recover;
pub(super) mod reset;
pub(super) mod resume;
pub(super) mod show;
pub(super) mod shutdown;
pub(super) mod start;
pub(super) mod suspend;
pub(super) mod template;
pub(super) mod tree;

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::session::Session;
use super::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Hypervisor;
use crate::model::{Domain, DomainRef};
use crate::ops::Observer as _;
use crate::ops::lifecycle::Change;

/// The domains a command is about.
#[derive(Debug, Args)]
#[group(id = "domains", required = true, multiple = true)]
pub(super) struct Domains {
    /// Domains, by name, UUID or id
    #[arg(short = 'd', long = "domain", value_name = "DOMAIN", num_args = 1..)]
    named: Vec<DomainRef>,

    /// The same as -d, as virsh has it
    #[arg(value_name = "DOMAIN")]
    listed: Vec<DomainRef>,
}

impl Domains {
    /// All of them, in the order of the options.
    fn all(&self) -> Vec<DomainRef> {
        self.named.iter().chain(&self.listed).cloned().collect()
    }
}

/// Whether to wait for guests, and how long.
#[derive(Debug, Args)]
pub(super) struct Patience {
    /// Wait for it
    #[arg(long)]
    wait: bool,

    /// How long to wait for each, such as 90s or 5m
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        value_parser = humantime::parse_duration,
    )]
    timeout: Duration,
}

impl Patience {
    /// How long to wait, if at all.
    fn limit(&self) -> Option<Duration> {
        self.wait.then_some(self.timeout)
    }
}

/// What became of one domain, for JSON.
#[derive(Serialize)]
struct Changed {
    name: String,
    uuid: uuid::Uuid,
    changed: bool,
}

/// Does something to each domain and says so: `done` and `already` are
/// sentences about a domain, `could` completes "could not be …".
fn change_each(
    ui: &Ui,
    session: &Session<'_>,
    hypervisor: &dyn Hypervisor,
    domains: &Domains,
    words: Words,
    mut act: impl FnMut(&Domain) -> Result<Change>,
) -> Result<()> {
    let mut changed = Vec::new();
    let result = session.each(hypervisor, &domains.all(), words.could, |domain| {
        let change = act(domain)?;
        ui.status(&match change {
            Change::Done => format!("Domain '{}' {}.", domain.name, words.done),
            Change::Already => format!("Domain '{}' {} already.", domain.name, words.already),
        });
        changed.push(Changed {
            name: domain.name.clone(),
            uuid: domain.uuid,
            changed: change == Change::Done,
        });
        Ok(())
    });
    ui.result("", &changed)?;
    result
}

/// How to speak of a change.
#[derive(Clone, Copy)]
struct Words {
    /// "was started"
    done: &'static str,
    /// "is running"
    already: &'static str,
    /// "started"
    could: &'static str,
}
