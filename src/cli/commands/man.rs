use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::{Error, Kind, Result};

/// Write the manual pages into a directory
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// The directory
    dir: PathBuf,
}

pub(in crate::cli) fn run(args: &ManArgs) -> Result<()> {
    let mut root = crate::cli::Cli::command().name("vmkin");
    root.build();
    page(&args.dir, &root, "vmkin")
}

/// Writes the page of a command and those of its subcommands.
fn page(dir: &Path, command: &Command, name: &str) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    let cannot = |e| Error::io(format!("cannot write {}", path.display()), e);
    // A date or a version in the page would make it stale by itself.
    let man = Man::new(command.clone().name(name.to_owned()).version(None))
        .title(name.to_uppercase())
        .source("vmkin");
    let mut text = Vec::new();
    man.render(&mut text).map_err(cannot)?;
    if name == "vmkin" {
        sections().to_writer(&mut text).map_err(cannot)?;
    }
    fs::write(&path, text).map_err(cannot)?;
    for sub in command.get_subcommands() {
        if !sub.is_hide_set() && sub.get_name() != "help" {
            page(dir, sub, &format!("{name}-{}", sub.get_name()))?;
        }
    }
    Ok(())
}

/// What a user needs to know beyond the options.
fn sections() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    roff.control("TP", []);
    roff.text([bold("0")]);
    roff.text([roman("done")]);
    for kind in Kind::ALL {
        roff.control("TP", []);
        roff.text([bold(kind.exit_code().to_string())]);
        roff.text([roman(kind.meaning())]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, text) in [
        (
            "LIBVIRT_DEFAULT_URI",
            "the hypervisor to connect to without -c; read by libvirt itself",
        ),
        (
            "VMKIN_STATE_DIR",
            "where journals and seal records are, instead of the directories below",
        ),
        ("NO_COLOR", "if set, no colours are used"),
    ] {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(text)]);
    }
    roff.control("SH", ["FILES"]);
    for (name, text) in [
        ("/var/lib/vmkin", "journals and seal records of root"),
        (
            "/etc/vmkin/hosts.toml, ~/.config/vmkin/hosts.toml",
            "the hosts and groups that --host knows ($XDG_CONFIG_HOME is heeded)",
        ),
        (
            "~/.local/state/vmkin",
            "journals and seal records of other users ($XDG_STATE_HOME is heeded)",
        ),
    ] {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(text)]);
    }
    roff.control("SH", ["EXAMPLES"]);
    for (text, command) in [
        (
            "Make twenty clones of a golden domain and start them:",
            "vmkin clone -d golden --name 'web-{n:02}' --count 20 --start",
        ),
        (
            "Log in to one as soon as it has an address:",
            "ssh root@$(vmkin ip -d web-01 --wait)",
        ),
        ("See what is there:", "vmkin list"),
        (
            "Throw two of them away:",
            "vmkin delete --yes -d web-01 web-02",
        ),
    ] {
        roff.control("PP", []);
        roff.text([roman(text)]);
        roff.control("PP", []);
        roff.control("RS", ["4"]);
        roff.text([bold(command)]);
        roff.control("RE", []);
    }
    roff
}
