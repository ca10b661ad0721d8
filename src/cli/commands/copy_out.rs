use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;

use super::on_guest::{OnGuest, in_tree};
use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::guest::extract::{self, Copied, Keep};
use crate::guest::tree::Tree;
use crate::interrupt::Interrupt;
use crate::ops::Observer as _;

/// Copy files and directories of a guest to the host
///
/// Read off the disks, whether the guest boots or not. Everything is copied or
/// nothing; what is there already is not replaced. Modes, times, hard links and
/// holes are kept; symbolic links are copied as links and never followed, but for
/// one that is named. With `-` as directory a tar archive goes to standard output.
#[derive(Debug, Args)]
pub(in crate::cli) struct CopyOutArgs {
    #[command(flatten)]
    guests: OnGuest,

    #[command(flatten)]
    kept: Kept,

    /// Files and directories, by their absolute paths in the guest; then a directory of the host
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    paths: Vec<String>,
}

/// What is kept of files besides what always is.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Kept {
    /// Keep owners and set-user-id bits, too; only for root
    #[arg(long)]
    owners: bool,

    /// Keep extended attributes, too
    #[arg(long)]
    xattrs: bool,
}

impl Kept {
    fn keep(&self) -> Result<Keep> {
        if self.owners && !rustix::process::geteuid().is_root() {
            return Err(Error::new(Kind::Usage, "only root can keep owners"));
        }
        Ok(Keep {
            owners: self.owners,
            xattrs: self.xattrs,
        })
    }
}

/// How much is copied, of all guests: several are copied from at a time.
#[derive(Default)]
struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

/// Copies paths of one guest to a directory of the host.
fn copy(
    ui: &Ui,
    tree: &Tree,
    (paths, to): (&[String], &Path),
    keep: Keep,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Vec<Copied>> {
    let Progress { done, total } = progress;
    let more = |more: u64| {
        let done = done.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        ui.progress("copying", done, total.load(Ordering::Relaxed));
    };
    // It takes a look at every file.
    if ui.shows_progress() {
        for path in paths {
            let bytes = extract::measure(tree, path, interrupt)?;
            total.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    extract::copy(tree, paths, to, keep, interrupt, &more)
}

fn warn_of_left_out(ui: &Ui, all: &[Copied]) {
    let left_out: u64 = all.iter().map(|one| one.left_out).sum();
    if left_out > 0 {
        ui.warning(&format!(
            "{left_out} devices, pipes or sockets were not copied."
        ));
    }
}

/// Copies paths of a guest that is open to a directory of the host.
pub(in crate::cli) fn copy_out(
    ui: &Ui,
    tree: &Tree,
    (paths, to): (&[String], &Path),
    kept: &Kept,
    interrupt: &Interrupt,
) -> Result<()> {
    let progress = Progress::default();
    let all = copy(ui, tree, (paths, to), kept.keep()?, interrupt, &progress)?;
    warn_of_left_out(ui, &all);
    Ok(())
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &CopyOutArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let Some((to, paths)) = args.paths.split_last() else {
        return Err(Error::new(Kind::Usage, "nothing is to be copied"));
    };
    let keep = args.kept.keep()?;
    if to == "-" {
        return archive(ui, session, args, paths);
    }
    let to = PathBuf::from(OsStr::new(to));
    let mut all: Vec<Copied> = Vec::new();
    let progress = Progress::default();
    let act = |guest: &mut crate::ops::guest::Guest| {
        in_tree(guest, |tree| {
            copy(ui, tree, (paths, &to), keep, session.interrupt(), &progress)
        })
    };
    let result = args
        .guests
        .each(ui, session, "copied from", &act, |copied| {
            all.extend(copied);
            Ok(())
        });
    warn_of_left_out(ui, &all);
    ui.result("", &all)?;
    result
}

fn archive(ui: &Ui, session: &Session<'_>, args: &CopyOutArgs, paths: &[String]) -> Result<()> {
    if ui.is_terminal() {
        return Err(
            Error::new(Kind::Usage, "an archive is nothing for a terminal")
                .hint("send it elsewhere: `> FILE`, `| tar -x`"),
        );
    }
    if ui.is_json() || args.kept.xattrs {
        return Err(Error::new(
            Kind::Usage,
            "an archive is no JSON document and holds no extended attributes",
        ));
    }
    if args.guests.domain.len() > 1 {
        return Err(Error::new(
            Kind::Usage,
            "an archive holds files of one guest",
        ));
    }
    let act = |guest: &mut crate::ops::guest::Guest| {
        in_tree(guest, |tree| {
            let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
            extract::write_tar(tree, paths, &mut out, session.interrupt())?;
            io::Write::flush(&mut out)
                .map_err(|e| Error::io("cannot write the archive", e).with_kind(Kind::Environment))
        })
    };
    args.guests.each(ui, session, "copied from", &act, Ok)
}
