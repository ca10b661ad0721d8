use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Domains;
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::image::shown;
use crate::ops::Observer as _;
use crate::ops::migrate::{self, CopiedFile, CopyStorage, MigrateRequest, Migrated};

/// Bring guests to another host, with the same storage or copies of it
///
/// A guest that runs goes on meanwhile; of one that is shut off its definition goes.
/// With its name, UUID, addresses and what is known of its base; here it is no
/// longer then. Whether its disks are the same files there is tried out first, by a
/// probe in each storage pool; with `--copy-storage`, those that are not are copied, to
/// the same paths.
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

    /// Copy disks that are not the same there: `inc` a guest's own, on bases that are there; `all` those too [default if alone: inc]
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        default_missing_value = "inc",
        conflicts_with_all = ["copy_storage_all", "copy_storage_inc"]
    )]
    copy_storage: Option<What>,

    /// As `--copy-storage all`
    #[arg(long, hide = true, conflicts_with = "copy_storage_inc")]
    copy_storage_all: bool,

    /// As `--copy-storage inc`
    #[arg(long, hide = true)]
    copy_storage_inc: bool,

    /// Remove here what was copied, when the guest is there
    #[arg(long)]
    delete_source: bool,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// Look whether they can go, and leave them where they are
    #[arg(long)]
    dry_run: bool,
}

/// What is copied.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// What a guest has of its own
    Inc,
    /// That, and what it is based on
    All,
}

impl MigrateArgs {
    fn copy(&self) -> Result<Option<CopyStorage>> {
        let copy = match (
            self.copy_storage,
            self.copy_storage_all,
            self.copy_storage_inc,
        ) {
            (Some(What::All), ..) | (_, true, _) => Some(CopyStorage::All),
            (Some(What::Inc), ..) | (.., true) => Some(CopyStorage::Own),
            _ => None,
        };
        if copy.is_none() && self.delete_source {
            return Err(Error::new(
                Kind::Usage,
                "`--delete-source` is about disks that are copied: `--copy-storage`",
            ));
        }
        Ok(copy)
    }
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
    if let Some(from) = fleet.only().filter(|_| !args.dry_run) {
        session.recover_between(&[from.hypervisor.uri(), to.hypervisor.uri()])?;
    }
    let request = MigrateRequest {
        address: args.migrate_uri.clone(),
        unsafe_cache: args.unsafe_cache,
        allow_dirs: args.allow_dir.clone(),
        copy: args.copy()?,
        delete_source: args.delete_source,
    };
    let (done, result) = fleet.each_alone(&args.domains.all(), "migrated", |from, domain| {
        let plan = migrate::plan(from, to, domain, &request)?;
        if args.dry_run {
            return Ok(plan.told);
        }
        let told = migrate::apply(from, to, plan, &request)?;
        ui.status(&format!("Domain '{}' is on {} now.", domain.name, told.to));
        if !told.left.is_empty() {
            ui.status(&left(&told));
        }
        Ok(told)
    });
    let done: Vec<Migrated> = done.into_iter().map(|one| one.what).collect();
    let text: String = match args.dry_run {
        true => done.iter().map(planned).collect(),
        false => String::new(),
    };
    ui.result(&text, &done)?;
    result
}

/// What is left here, and the command that removes it.
fn left(told: &Migrated) -> String {
    let paths = told.left.iter().map(|path| format!(" {}", shown(path)));
    let paths: String = paths.collect();
    format!("Its old disks are here still; when it runs there as it should: `rm --{paths}`.")
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
    for file in &plan.copied {
        let what = match file.what {
            CopiedFile::Disk => "disk",
            CopiedFile::Base => "base",
            CopiedFile::File => "file",
        };
        let path = one_line(&file.path.display().to_string());
        text.push_str(&format!(
            "  {path} is copied there ({what}, {}), into pool '{}'\n",
            file.size,
            one_line(&file.pool)
        ));
    }
    text
}
