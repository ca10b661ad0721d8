use std::path::PathBuf;

use clap::Args;

use super::Domains;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::ops::Observer as _;
use crate::ops::migrate::{self, MigrateRequest, Migrated};

/// Bring guests to another host that has the same storage
///
/// A guest that runs goes on meanwhile; of one that is shut off its definition goes.
/// With its name, UUID, addresses and what is known of its base; here it is no
/// longer then. That its disks are the same files there is tried out first, by a
/// probe in each storage pool.
#[derive(Debug, Args)]
pub(in crate::cli) struct MigrateArgs {
    #[command(flatten)]
    domains: Domains,

    /// Where to: a host of hosts.toml, or a URI
    #[arg(long, value_name = "HOST")]
    to: String,

    /// Where the memory of guests is sent to, tcp://HOST[:PORT] [default: its own name, or that of its URI]
    #[arg(long, value_name = "URI", alias = "migrateuri")]
    migrate_uri: Option<String>,

    /// Allow what libvirt takes for unsafe: disks whose cache hosts may not share
    #[arg(long = "unsafe")]
    unsafe_cache: bool,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Look whether they can go, and leave them where they are
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MigrateArgs) -> Result<()> {
    let fleet = session.one_to_change()?;
    let there = session.fleet_of(std::slice::from_ref(&args.to))?;
    let to = there.only().ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("guests go to one host, and '{}' is several", args.to),
        )
        .hint("name one of them: `--to HOST`")
    })?;
    let request = MigrateRequest {
        address: args.migrate_uri.clone(),
        unsafe_cache: args.unsafe_cache,
        allow_dirs: args.allow_dir.clone(),
    };
    let (done, result) = fleet.each_alone(&args.domains.all(), "migrated", |from, domain| {
        let plan = migrate::plan(from, to, domain, &request)?;
        if !args.dry_run {
            migrate::apply(from, to, &plan, &request)?;
            ui.status(&format!("Domain '{}' is on {} now.", domain.name, plan.to));
        }
        Ok(plan)
    });
    let done: Vec<Migrated> = done.into_iter().map(|one| one.what).collect();
    let text: String = match args.dry_run {
        true => done.iter().map(planned).collect(),
        false => String::new(),
    };
    ui.result(&text, &done)?;
    result
}

fn planned(plan: &Migrated) -> String {
    let how = match plan.live {
        true => "goes while it runs",
        false => "goes as it is, shut off",
    };
    let name = one_line(&plan.domain.name);
    let mut text = format!("Domain '{name}' {how}, to {}\n", one_line(&plan.to));
    for file in &plan.files {
        let file = file.display().to_string();
        text.push_str(&format!("  {} is the same file there\n", one_line(&file)));
    }
    text
}
