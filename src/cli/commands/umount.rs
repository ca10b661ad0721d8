use std::path::PathBuf;

use clap::Args;

use crate::cli::session::{Session, batch_result};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::image::shown;
use crate::ops::Observer as _;
use crate::ops::mount::{Ended, Unmounted, Unmounting, Which, find, unmount};
use crate::store::FoundMount;

/// Unmount guests
///
/// What was written to one that was mounted with --rw is put into the guest then,
/// all of it or nothing; the exit code says which.
#[derive(Debug, Args)]
#[group(id = "mounts", required = true, multiple = false)]
pub(in crate::cli) struct UmountArgs {
    /// The directory
    #[arg(value_name = "DIR", group = "mounts")]
    dir: Option<PathBuf>,

    /// The guest, by the name or the UUID of its domain
    #[arg(short, long, value_name = "DOMAIN", group = "mounts")]
    domain: Option<String>,

    /// All guests that are mounted
    #[arg(long, group = "mounts")]
    all: bool,

    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
#[group(skip)]
struct How {
    /// Drop what was written: the guest stays as it was
    #[arg(long)]
    discard: bool,

    /// Though somebody uses it: it goes when nobody does any more
    #[arg(short, long)]
    lazy: bool,

    /// Show what would be unmounted, and unmount nothing
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &UmountArgs) -> Result<()> {
    let which = match (&args.dir, &args.domain) {
        (Some(dir), _) => Which::On(dir),
        (None, Some(name)) => Which::Of(name),
        (None, None) => Which::All,
    };
    let how = Unmounting {
        lazy: args.how.lazy,
        discard: args.how.discard,
        dry_run: args.how.dry_run,
    };
    let mut done = Vec::new();
    let mut failed: Vec<(String, Error)> = Vec::new();
    for found in find(session.store(), &which)? {
        match one(ui, session, &found, how) {
            Ok(unmounted) => done.push(unmounted),
            Err(error) => failed.push((found.record.guest.clone(), error)),
        }
    }
    let text = match how.dry_run {
        true => done
            .iter()
            .map(|one| format!("{}: {}\n", one.guest, shown(&one.dir))),
        false => {
            return ui
                .result("", &done)
                .and(batch_result(failed, done.len(), "unmounted"));
        }
    };
    ui.result(&text.collect::<String>(), &done)
}

fn one(ui: &Ui, session: &Session<'_>, found: &FoundMount, how: Unmounting) -> Result<Unmounted> {
    if found.record.writable && found.is_served && !how.dry_run && !how.lazy && !how.discard {
        ui.status(&format!(
            "Putting what was written into '{}'…",
            found.record.guest
        ));
    }
    let unmounted = unmount(session.store(), found, how, session.interrupt())?;
    let (guest, dir) = (&unmounted.guest, shown(&unmounted.dir).to_string());
    let said = match unmounted.result {
        Ended::Unmounted => format!("Unmounted '{guest}' from {dir}."),
        Ended::Committed => format!("Unmounted {dir}; what was written is in '{guest}' now."),
        Ended::Discarded => format!("Unmounted {dir}; '{guest}' is as it was."),
        Ended::Stale if found.record.writable => {
            ui.warning(&format!(
                "Nobody served {dir} any more. If something was written to it, it is not in \
                 '{guest}'; `vmkin recover` tidies up its disks."
            ));
            format!("Unmounted {dir}.")
        }
        Ended::Stale => format!("Unmounted {dir}, which nobody served any more."),
        Ended::Lazy => format!("{dir} goes when nobody uses it any more."),
        Ended::Unchanged => return Ok(unmounted),
    };
    ui.status(&said);
    Ok(unmounted)
}
