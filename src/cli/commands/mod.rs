//! One file per command: its arguments, a call into `ops`, and what to print.

pub(super) mod base;
pub(super) mod cat;
pub(super) mod chmod;
pub(super) mod chown;
pub(super) mod clone;
pub(super) mod completions;
pub(super) mod copy_in;
pub(super) mod copy_out;
pub(super) mod customize;
pub(super) mod delete;
pub(super) mod destroy;
pub(super) mod df;
pub(super) mod diff;
pub(super) mod disk;
pub(super) mod doctor;
pub(super) mod edit;
pub(super) mod export;
pub(super) mod find;
pub(super) mod flatten;
mod formats;
pub(super) mod grep;
mod identity_args;
pub(super) mod image;
pub(super) mod import;
pub(super) mod inspect;
pub(super) mod ip;
pub(super) mod list;
pub(super) mod ln;
pub(super) mod log;
pub(super) mod ls;
mod making;
pub(super) mod man;
pub(super) mod migrate;
pub(super) mod mkdir;
pub(super) mod mount;
pub(super) mod mv;
mod on_guest;
pub(super) mod promote;
pub(super) mod prune;
pub(super) mod reboot;
pub(super) mod recover;
pub(super) mod rescue;
pub(super) mod reset;
pub(super) mod restore;
pub(super) mod resume;
pub(super) mod rm;
pub(super) mod save;
pub(super) mod shell;
pub(super) mod show;
pub(super) mod shutdown;
pub(super) mod snapshot;
pub(super) mod start;
pub(super) mod suspend;
pub(super) mod tar_in;
pub(super) mod template;
pub(super) mod to_guest;
pub(super) mod touch;
pub(super) mod tree;
pub(super) mod umount;
pub(super) mod write;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::fleet::{Fleet, Of};
use super::session::batch_result;
use super::ui::Ui;
use crate::error::{Kind, Result};
use crate::model::{Address, DiskTarget, Domain, DomainRef};
use crate::ops::lifecycle::Change;
use crate::ops::wait::{Reached, Waited};
use crate::ops::{Host, Observer as _};

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

/// The own disks of domains that a command is about.
#[derive(Debug, Args)]
#[group(skip)]
struct OwnDisks {
    /// Only this disk, such as vda; may be repeated
    #[arg(long, value_name = "DISK")]
    target: Vec<DiskTarget>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,
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
    /// Its addresses, if they were waited for and are known.
    addresses: Option<Vec<Address>>,
    #[serde(skip)]
    domain: Domain,
}

/// Does something to each domain and says so: `done` and `already` are
/// sentences about a domain, `could` completes "could not be …".
fn change_each(
    ui: &Ui,
    fleet: &Fleet<'_>,
    domains: &Domains,
    words: Words,
    act: impl Fn(Host<'_>, &Domain) -> Result<Change> + Sync,
) -> Result<()> {
    let act = |host: Host<'_>, (): &(), domain: &Domain| act(host, domain);
    let (changed, result) = change_all(ui, fleet, domains, words, |_| Ok(()), act);
    ui.result("", &changed)?;
    result
}

/// The same with a look at each host before, and without printing what became of
/// them.
fn change_all<C>(
    ui: &Ui,
    fleet: &Fleet<'_>,
    domains: &Domains,
    words: Words,
    prepare: impl Fn(Host<'_>) -> Result<C> + Sync,
    act: impl Fn(Host<'_>, &C, &Domain) -> Result<Change> + Sync,
) -> (Vec<Of<Changed>>, Result<()>) {
    fleet.each(&domains.all(), words.could, prepare, |at, known, domain| {
        let change = act(at.host, known, domain)?;
        let name = at.shown(&domain.name);
        ui.status(&match change {
            Change::Done => format!("Domain '{name}' {}.", words.done),
            Change::Already => format!("Domain '{name}' {} already.", words.already),
        });
        Ok(Changed {
            name: domain.name.clone(),
            uuid: domain.uuid,
            changed: change == Change::Done,
            addresses: None,
            domain: domain.clone(),
        })
    })
}

/// Addresses for people: of one guest alone, for `ssh $(vmkin ip -d web-01)`; of
/// several with their names.
fn addresses_text(all: &[Reached], alone: bool) -> String {
    let mut text = String::new();
    for one in all {
        for address in &one.addresses {
            if alone {
                text.push_str(&format!("{}\n", address.ip));
            } else {
                text.push_str(&format!("{} {}\n", one.name, address.ip));
            }
        }
    }
    text
}

/// The addresses of this domain, if they were waited for and are known.
fn addresses_of(waited: &Waited, uuid: uuid::Uuid) -> Option<Vec<Address>> {
    let mut reached = waited.reached.iter();
    let reached = reached.find(|reached| reached.uuid == uuid);
    reached.map(|reached| reached.addresses.clone())
}

/// What to end with where guests were started with this result and then waited
/// for.
fn with_waited(started: Result<()>, waited: Waited) -> Result<()> {
    let Waited {
        reached,
        failed,
        stopped,
    } = waited;
    let Err(mut error) = started else {
        return match stopped {
            Some(stopped) => {
                Err(stopped.context("the guests run, and not all of them have an address yet"))
            }
            None => batch_result(failed, reached.len(), "given an address in time"),
        };
    };
    for (name, cause) in failed {
        error = error.part(format!("{name}: {cause}"));
    }
    Err(match stopped.map(|stopped| stopped.kind()) {
        // That there is something to recover must not be lost.
        Some(kind) if error.kind() != Kind::NotUndone => error.with_kind(kind),
        _ => error,
    })
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
