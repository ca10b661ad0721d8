use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::on_guest::{OnGuest, tell_about};
use super::to_guest::say;
use crate::cli::session::Session;
use crate::cli::table::columns;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::guest::tree::Tree;
use crate::image::{path_word, shown};
use crate::ops::Observer as _;
use crate::ops::mount::{Access, Place, Serving, list, read_only, writable};
use crate::process::{Tool, leave_terminal, say_to};
use crate::store::MountRecord;

/// Says that this process is the one that stays behind a mount, and which number
/// the mount has on record.
const SERVE_VARIABLE: &str = "VMKIN_MOUNT_SERVE";

/// How often it is looked whether that has mounted.
const PAUSE: Duration = Duration::from_millis(10);

/// Mount the file systems of a guest on a directory
///
/// Read-only, by vmkin itself, with all file systems where the guest has them.
/// The command returns when the mount is there; `vmkin umount` ends it.
/// Without a directory: list what is mounted.
#[derive(Debug, Args)]
pub(in crate::cli) struct MountArgs {
    #[command(flatten)]
    guest: OnGuest,

    /// Mount for reading, which is what is done without it
    #[arg(short, long)]
    ro: bool,

    /// Mount for writing too, by libguestfs; what is written gets into the guest when it is unmounted
    #[arg(short = 'w', long, conflicts_with = "ro")]
    rw: bool,

    /// Let others than you look into it, as far as the modes of the files let them
    #[arg(long)]
    allow_other: bool,

    /// Options as mount(8) has them: ro, rw, allow_other, noexec, nosuid, nodev
    #[arg(short = 'o', long, value_name = "OPTIONS", value_delimiter = ',')]
    options: Vec<MountWord>,

    /// Stay in the foreground; Ctrl-C unmounts
    #[arg(short, long)]
    foreground: bool,

    /// Show what would be mounted where, and mount nothing
    #[arg(long)]
    dry_run: bool,

    /// List what is mounted
    #[arg(long, conflicts_with_all = ["domain", "add", "dir"])]
    list: bool,

    /// An empty directory of this host
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// An option as mount(8) has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum MountWord {
    /// Read-only
    Ro,
    /// For writing too
    Rw,
    /// Let others look into it
    AllowOther,
    /// Run nothing that is there
    Noexec,
    /// Give no rights by set-id bits, as always
    Nosuid,
    /// Take no file for a device of this host, as always
    Nodev,
}

/// A file system, and where it is mounted.
#[derive(Serialize)]
struct FileSystem {
    device: String,
    at: String,
    kind: &'static str,
}

/// What was mounted, for JSON.
#[derive(Serialize)]
struct Mounted {
    guest: String,
    dir: PathBuf,
    writable: bool,
    dry_run: bool,
    /// The process that serves it.
    pid: Option<u32>,
    file_systems: Vec<FileSystem>,
}

impl MountArgs {
    fn has(&self, word: MountWord) -> bool {
        self.options.contains(&word)
    }

    fn is_writable(&self) -> bool {
        self.rw || self.has(MountWord::Rw)
    }
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &MountArgs) -> Result<()> {
    let Some(dir) = &args.dir else {
        if args.guest.is_given() {
            return Err(
                Error::new(Kind::Usage, "no directory is named to mount it on")
                    .hint("name an empty directory: `vmkin mount -d NAME DIR`"),
            );
        }
        return show_all(ui, session);
    };
    args.guest.must_be_given()?;
    if args.is_writable() && (args.ro || args.has(MountWord::Ro)) {
        return Err(Error::new(Kind::Usage, "`ro` and `rw` do not go together"));
    }
    let has = |word| args.has(word);
    let access = Access {
        allow_other: args.allow_other || has(MountWord::AllowOther),
        no_exec: has(MountWord::Noexec),
    };
    let place = |rehearsal| Place::find(session.store(), dir, access, rehearsal);
    if args.dry_run {
        return rehearse(ui, session, args, &place(true)?);
    }
    match std::env::var(SERVE_VARIABLE).ok() {
        Some(id) => {
            let id = Uuid::try_parse(&id)
                .map_err(|e| Error::wrap(Kind::Usage, format!("${SERVE_VARIABLE}"), e))?;
            leave_terminal();
            serve(ui, session, args, &place(false)?, id, true)
        }
        None if args.foreground => serve(ui, session, args, &place(false)?, Uuid::new_v4(), false),
        None => {
            // Told before a process is started for it.
            place(false)?;
            behind(session)
        }
    }
}

/// Starts this program once more, and waits until that has mounted. What there is
/// to say by then, it says itself.
fn behind(session: &Session<'_>) -> Result<()> {
    let id = Uuid::new_v4();
    let this = Tool::at("/proc/self/exe");
    let run = this.command(std::env::args_os().skip(1));
    let mut process = run.env(SERVE_VARIABLE, id.to_string()).background()?;
    let mut stopped = false;
    loop {
        if session.store().has_mount(id) {
            return Ok(());
        }
        match process.ended()?.map(u8::try_from) {
            // It was unmounted already.
            Some(Ok(0)) => return Ok(()),
            Some(code) => {
                session.check().map_err(Error::told)?;
                let kind = code.ok().and_then(Kind::of_exit_code);
                return Err(Error::new(kind.unwrap_or(Kind::Storage), "not mounted").told());
            }
            None => {}
        }
        if session.check().is_err() && !stopped {
            stopped = true;
            process.stop();
        }
        std::thread::sleep(PAUSE);
    }
}

fn serve(
    ui: &Ui,
    session: &Session<'_>,
    args: &MountArgs,
    place: &Place,
    id: Uuid,
    in_background: bool,
) -> Result<()> {
    if args.is_writable() {
        return serve_writable(ui, session, args, place, (id, in_background));
    }
    let (mut guest, domain) = args.guest.only(session)?;
    let tree = guest.tree()?;
    tell_about(ui, session, &guest);
    let ready =
        |record: &MountRecord| announce(ui, session, record, file_systems(&tree), in_background);
    let serving = Serving {
        id,
        store: session.store(),
        interrupt: session.interrupt(),
        observer: ui,
        ready: &ready,
    };
    let uuid = domain.map(|domain| domain.uuid);
    read_only(&mut guest, &tree, uuid, place, serving)
}

fn serve_writable(
    ui: &Ui,
    session: &Session<'_>,
    args: &MountArgs,
    place: &Place,
    (id, in_background): (Uuid, bool),
) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let (writing, domain) = args.guest.writing(session, host)?;
    say(ui, session, &writing);
    let all = std::cell::Cell::new(Some(file_systems(writing.tree())));
    let ready = |record: &MountRecord| {
        let all = all.take().unwrap_or_default();
        announce(ui, session, record, all, in_background)
    };
    let serving = Serving {
        id,
        store: session.store(),
        interrupt: session.interrupt(),
        observer: ui,
        ready: &ready,
    };
    writable(writing, domain.map(|domain| domain.uuid), place, serving)
}

/// Says that it is mounted, and lets whoever waits for that go on.
fn announce(
    ui: &Ui,
    session: &Session<'_>,
    record: &MountRecord,
    file_systems: Vec<FileSystem>,
    in_background: bool,
) -> Result<()> {
    tell_mounted(ui, record, file_systems)?;
    match in_background {
        true => let_go(ui, session, record),
        false => Ok(()),
    }
}

fn tell_mounted(ui: &Ui, record: &MountRecord, file_systems: Vec<FileSystem>) -> Result<()> {
    ui.status(&format!(
        "Mounted '{}' on {}; unmount it: `vmkin umount {}`.",
        record.guest,
        shown(&record.dir),
        path_word(&record.dir)
    ));
    let mounted = Mounted {
        guest: record.guest.clone(),
        dir: record.dir.clone(),
        writable: record.writable,
        dry_run: false,
        pid: Some(record.pid),
        file_systems,
    };
    ui.result("", &mounted)
}

/// Goes on where nobody looks: what is said from now on is in a file.
fn let_go(ui: &Ui, session: &Session<'_>, record: &MountRecord) -> Result<()> {
    let (_, log) = session.store().mount_log()?;
    say_to(&log)?;
    ui.status(&format!(
        "{}: process {} has mounted '{}' on {}.",
        record.since,
        record.pid,
        record.guest,
        shown(&record.dir)
    ));
    Ok(())
}

fn rehearse(ui: &Ui, session: &Session<'_>, args: &MountArgs, place: &Place) -> Result<()> {
    let (name, file_systems) = if args.is_writable() {
        let hypervisor = session.connect()?;
        let (writing, _) = args.guest.writing(session, session.host(&hypervisor))?;
        (writing.name.clone(), file_systems(writing.tree()))
    } else {
        let (mut guest, _) = args.guest.only(session)?;
        let tree = guest.tree()?;
        guest.finish()?;
        tell_about(ui, session, &guest);
        (guest.name.clone(), file_systems(&tree))
    };
    let mut text = String::new();
    for one in &file_systems {
        let at = match one.at.trim_start_matches('/') {
            "" => place.dir.clone(),
            below => place.dir.join(below),
        };
        let line = format!("{name}: {} ({}) on {}", one.device, one.kind, shown(&at));
        text.push_str(&one_line(&line));
        text.push('\n');
    }
    let mounted = Mounted {
        guest: name,
        dir: place.dir.clone(),
        writable: args.is_writable(),
        dry_run: true,
        pid: None,
        file_systems,
    };
    ui.result(&text, &mounted)
}

fn file_systems(tree: &Tree) -> Vec<FileSystem> {
    let mounts = tree.mounts().iter().map(|mount| FileSystem {
        device: mount.device.clone(),
        at: String::from_utf8_lossy(&mount.at).into_owned(),
        kind: mount.fs.kind().as_str(),
    });
    mounts.collect()
}

fn show_all(ui: &Ui, session: &Session<'_>) -> Result<()> {
    let all = list(session.store())?;
    for one in &all {
        if let Some((what, hint)) = one.complaint() {
            ui.warning(&format!("{what}; {hint} says why, and tidies up."));
        }
    }
    let rows = all.iter().map(|one| {
        let how = if one.writable { "rw" } else { "ro" };
        vec![
            one.guest.clone(),
            one.dir.display().to_string(),
            how.to_owned(),
            one.state.as_str().to_owned(),
            one.pid.to_string(),
            one.since.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let text = match rows.is_empty() {
        true => String::new(),
        false => columns(
            &["Guest", "Directory", "", "State", "PID", "Since"],
            &[4],
            rows,
        ),
    };
    ui.result(&text, &all)
}
