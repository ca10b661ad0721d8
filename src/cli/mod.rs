//! The command line: arguments in, text and an exit code out.

mod commands;
mod connect;
mod dispatch;
mod fleet;
mod hosts;
mod mistake;
mod plan_file;
mod session;
mod shell;
mod table;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{ArgAction, Args, Parser};

use self::dispatch::{Command, dispatch};
use self::ui::{Color, Ui};

/// What the help of the whole program ends with.
const EXAMPLES: &str = "\
Examples:
  vmkin clone -d golden --name 'web-{n:02}' --count 20 --start
  ssh root@$(vmkin ip -d web-01 --wait)
  vmkin delete --yes --force -d web-01 web-02

The exit codes are in vmkin(1).";

/// Clone, run and look after libvirt guests
///
/// vmkin makes many guests from one golden image in milliseconds each, and
/// never writes to the disk of a guest that is not shut off.
// Subcommands and arguments appear in --help in the order they have here.
#[derive(Debug, Parser)]
#[command(version, help_expected = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct GlobalArgs {
    /// Connect to the hypervisor at this libvirt URI
    ///
    /// Without it libvirt decides: $LIBVIRT_DEFAULT_URI, then what libvirt.conf
    /// says, then qemu:///system for root and qemu:///session for anybody else.
    /// May be repeated for commands that can be about several hosts.
    #[arg(short, long, global = true, value_name = "URI")]
    connect: Vec<String>,

    /// Connect to this host, or to all of this group, of hosts.toml; may be repeated
    #[arg(long, global = true, value_name = "NAME")]
    host: Vec<String>,

    /// Print the result as one JSON document
    #[arg(long, global = true)]
    json: bool,

    /// Print only results, warnings and errors
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Show the programs that are run, such as qemu-img; may be repeated
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Do what cannot be undone without asking
    #[arg(short, long, global = true)]
    yes: bool,

    /// When to use colours; NO_COLOR is heeded too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// Runs the program and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    crate::process::forbid_core_files();
    crate::process::allow_many_files();
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && args.iter().any(|arg| arg == "--json") => {
            let error = mistake::usage_error(&error);
            Ui::new(false, true, false, ColorChoice::Never).error(&error);
            return ExitCode::from(error.kind().exit_code());
        }
        Err(error) => {
            // Help and version to stdout, mistakes to stderr. If that cannot
            // be written, there is nobody to tell.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let global = &cli.global;
    let ui = Ui::new(global.quiet, global.json, global.yes, global.color.into());
    if global.verbose > 0 {
        crate::process::observe(ui::show_command);
    }
    match dispatch(&ui, &cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
