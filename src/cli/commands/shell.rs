use std::io::IsTerminal as _;

use clap::Args;

use super::on_guest::{OnGuest, tell_about};
use super::to_guest::say;
use crate::cli::session::Session;
use crate::cli::shell::{Shell, Then, lines};
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::guest::tree::Tree;
use crate::ops::Observer as _;
use crate::ops::guest::View;
use crate::ops::write::Pending;

/// Work with the files of a guest line by line
///
/// With history and completion on a terminal; else lines are read from standard
/// input, up to the first that fails, unless it begins with '-'. `help` lists the
/// commands, which also have the names that guestfish gives them. Nothing is changed
/// without --rw, and nothing is on the disks before `commit` or the end.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShellArgs {
    #[command(flatten)]
    guests: OnGuest,

    /// Change files, too; the guest must be shut off
    #[arg(long, conflicts_with_all = ["snapshot", "consistent"])]
    rw: bool,

    /// Do this, and end; may be repeated
    #[arg(
        short = 'e',
        long = "command",
        value_name = "COMMAND",
        allow_hyphen_values = true
    )]
    commands: Vec<String>,

    /// Have guestfish work with the guest, on overlays and with what is mounted
    #[arg(long, conflicts_with_all = ["commands", "key"])]
    guestfish: bool,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &ShellArgs) -> Result<()> {
    args.guests.must_be_given()?;
    if ui.is_json() {
        return Err(
            Error::new(Kind::Usage, "a session has no result to print as JSON")
                .hint("the commands have: `vmkin ls --json`, `vmkin df --json` and so on"),
        );
    }
    let view = View {
        bare: true,
        // Ctrl-C stops a command, and what reads for it goes on.
        interrupt: session.interrupt().only_ending(),
        ..args.guests.view(session)?
    };
    match (args.rw, args.guestfish) {
        (false, true) => with_guestfish(ui, session, args, &view),
        (true, true) => guestfish_to_change(ui, session, args, &view),
        (false, false) => read(ui, session, args, &view),
        (true, false) => change(ui, session, args, view),
    }
}

fn read(ui: &Ui, session: &Session<'_>, args: &ShellArgs, view: &View) -> Result<()> {
    let mut lines = lines(session, &args.commands)?;
    args.guests.alone(ui, session, view, &mut |guest| {
        let mut tree = guest.tree()?;
        tell_about(ui, session, guest);
        arrive(&mut tree, b"/");
        let mut shell = Shell {
            ui,
            session,
            name: guest.name.clone(),
            system: std::mem::take(&mut guest.system),
            tree,
            changing: None,
            remounted: false,
        };
        shell.run(&mut lines).map(drop)
    })
}

fn change(ui: &Ui, session: &Session<'_>, args: &ShellArgs, mut view: View) -> Result<()> {
    let mut lines = lines(session, &args.commands)?;
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    // It stays the same when the user goes to another directory of the host.
    let given = args.guests.one_to_change(host)?;
    let (mut at, mut again) = (b"/".to_vec(), false);
    loop {
        let writing = given.lock(host, &view)?;
        if !again {
            say(ui, session, &writing);
        }
        let (system, mut tree, held) = writing.apart();
        arrive(&mut tree, &at);
        let mut shell = Shell {
            ui,
            session,
            name: held.name().to_owned(),
            system,
            tree,
            changing: Some(Pending::new(&held)),
            remounted: again && !view.mounts.is_empty(),
        };
        match shell.run(&mut lines)? {
            Then::End => return Ok(()),
            Then::Reopen { mounts, at: last } => {
                if !mounts.is_empty() {
                    view.mounts = mounts;
                }
                (at, again) = (last, true);
            }
        }
    }
}

fn with_guestfish(ui: &Ui, session: &Session<'_>, args: &ShellArgs, view: &View) -> Result<()> {
    args.guests.alone(ui, session, view, &mut |guest| {
        let tree = guest.tree()?;
        tell_about(ui, session, guest);
        ui.status("What is changed in this session is dropped at its end; to keep it: `--rw`.");
        let handed = guest.hand_over(&tree, &mut |device| not_mounted(ui, device));
        // Ctrl-C was for guestfish.
        session.interrupt().forget();
        handed
    })
}

fn guestfish_to_change(
    ui: &Ui,
    session: &Session<'_>,
    args: &ShellArgs,
    view: &View,
) -> Result<()> {
    let hypervisor = session.connect_to_change()?;
    let host = session.host(&hypervisor);
    let writing = args.guests.one_to_change(host)?.lock(host, view)?;
    say(ui, session, &writing);
    let (_, tree, held) = writing.apart();
    let agree = || {
        session.interrupt().forget();
        // A script has said what it wants.
        match std::io::stdin().is_terminal() {
            true => ui.confirm(&format!("Write what was changed to '{}'?", held.name())),
            false => Ok(()),
        }
    };
    held.with_guestfish(&tree, &mut |device| not_mounted(ui, device), &agree)?;
    ui.status(&format!("Written to '{}'.", held.name()));
    Ok(())
}

fn not_mounted(ui: &Ui, device: &str) {
    ui.warning(&format!(
        "{device} is not mounted, for guestfish cannot be told where; it can with `mount`."
    ));
}

/// Goes to a directory, or to the root if that is not there any more.
fn arrive(tree: &mut Tree, at: &[u8]) {
    if tree.go_to(at).is_err() {
        // Without any file system there is not even that.
        drop(tree.go_to(b"/"));
    }
}
