//! The command line: arguments in, text and an exit code out.

mod commands;
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
use clap::{ArgAction, Args, Parser, Subcommand};

use self::commands as c;
use self::session::Session;
use self::ui::{Color, Ui};
use crate::error::Result;

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

#[derive(Debug, Subcommand)]
enum Command {
    List(c::list::ListArgs),
    Show(c::show::ShowArgs),
    Tree(c::tree::TreeArgs),
    Clone(Box<c::clone::CloneArgs>),
    Import(Box<c::import::ImportArgs>),
    #[command(subcommand)]
    Template(c::template::TemplateCommand),
    Start(c::start::StartArgs),
    Shutdown(c::shutdown::ShutdownArgs),
    Reboot(c::reboot::RebootArgs),
    Suspend(c::suspend::SuspendArgs),
    Resume(c::resume::ResumeArgs),
    Save(c::save::SaveArgs),
    Restore(c::restore::RestoreArgs),
    Destroy(c::destroy::DestroyArgs),
    Ip(c::ip::IpArgs),
    Reset(c::reset::ResetArgs),
    Delete(c::delete::DeleteArgs),
    #[command(subcommand)]
    Base(c::base::BaseCommand),
    Flatten(c::flatten::FlattenArgs),
    Promote(c::promote::PromoteArgs),
    Prune(c::prune::PruneArgs),
    #[command(subcommand)]
    Disk(c::disk::DiskCommand),
    #[command(subcommand)]
    Image(c::image::ImageCommand),
    Inspect(c::inspect::InspectArgs),
    Ls(c::ls::LsArgs),
    Cat(c::cat::CatArgs),
    Df(c::df::DfArgs),
    CopyOut(c::copy_out::CopyOutArgs),
    Grep(c::grep::GrepArgs),
    Find(c::find::FindArgs),
    Diff(c::diff::DiffArgs),
    Log(c::log::LogArgs),
    Rescue(c::rescue::RescueArgs),
    Mount(Box<c::mount::MountArgs>),
    Umount(c::umount::UmountArgs),
    Shell(c::shell::ShellArgs),
    Edit(c::edit::EditArgs),
    Write(c::write::WriteArgs),
    CopyIn(c::copy_in::CopyInArgs),
    TarIn(c::tar_in::TarInArgs),
    Customize(Box<c::customize::CustomizeArgs>),
    Mkdir(c::mkdir::MkdirArgs),
    Rm(c::rm::RmArgs),
    Mv(c::mv::MvArgs),
    Ln(c::ln::LnArgs),
    Touch(c::touch::TouchArgs),
    Chmod(c::chmod::ChmodArgs),
    Chown(c::chown::ChownArgs),
    #[command(subcommand)]
    Snapshot(c::snapshot::SnapshotCommand),
    Doctor(c::doctor::DoctorArgs),
    Recover(c::recover::RecoverArgs),
    Completions(c::completions::CompletionsArgs),
    #[command(hide = true)]
    Man(c::man::ManArgs),
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

fn dispatch(ui: &Ui, cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Completions(args) => return c::completions::run(args),
        Command::Man(args) => return c::man::run(args),
        Command::Template(command) => return c::template::run(ui, command),
        _ => {}
    }
    let session = Session::new(ui, &cli.global)?;
    match &cli.command {
        Command::List(args) => c::list::run(ui, &session, args),
        Command::Show(args) => c::show::run(ui, &session, args),
        Command::Tree(args) => c::tree::run(ui, &session, args),
        Command::Clone(args) => c::clone::run(ui, &session, args),
        Command::Import(args) => c::import::run(ui, &session, args),
        Command::Start(args) => c::start::run(ui, &session, args),
        Command::Shutdown(args) => c::shutdown::run(ui, &session, args),
        Command::Reboot(args) => c::reboot::run(ui, &session, args),
        Command::Suspend(args) => c::suspend::run(ui, &session, args),
        Command::Resume(args) => c::resume::run(ui, &session, args),
        Command::Save(args) => c::save::run(ui, &session, args),
        Command::Restore(args) => c::restore::run(ui, &session, args),
        Command::Destroy(args) => c::destroy::run(ui, &session, args),
        Command::Ip(args) => c::ip::run(ui, &session, args),
        Command::Reset(args) => c::reset::run(ui, &session, args),
        Command::Delete(args) => c::delete::run(ui, &session, args),
        Command::Base(command) => c::base::run(ui, &session, command),
        Command::Flatten(args) => c::flatten::run(ui, &session, args),
        Command::Promote(args) => c::promote::run(ui, &session, args),
        Command::Prune(args) => c::prune::run(ui, &session, args),
        Command::Disk(command) => c::disk::run(ui, &session, command),
        Command::Image(command) => c::image::run(ui, &session, command),
        Command::Inspect(args) => c::inspect::run(ui, &session, args),
        Command::Ls(args) => c::ls::run(ui, &session, args),
        Command::Cat(args) => c::cat::run(ui, &session, args),
        Command::Df(args) => c::df::run(ui, &session, args),
        Command::CopyOut(args) => c::copy_out::run(ui, &session, args),
        Command::Grep(args) => c::grep::run(ui, &session, args),
        Command::Find(args) => c::find::run(ui, &session, args),
        Command::Diff(args) => c::diff::run(ui, &session, args),
        Command::Log(args) => c::log::run(ui, &session, args),
        Command::Rescue(args) => c::rescue::run(ui, &session, args),
        Command::Mount(args) => c::mount::run(ui, &session, args),
        Command::Umount(args) => c::umount::run(ui, &session, args),
        Command::Shell(args) => c::shell::run(ui, &session, args),
        Command::Edit(args) => c::edit::run(ui, &session, args),
        Command::Write(args) => c::write::run(ui, &session, args),
        Command::CopyIn(args) => c::copy_in::run(ui, &session, args),
        Command::TarIn(args) => c::tar_in::run(ui, &session, args),
        Command::Customize(args) => c::customize::run(ui, &session, args),
        Command::Mkdir(args) => c::mkdir::run(ui, &session, args),
        Command::Rm(args) => c::rm::run(ui, &session, args),
        Command::Mv(args) => c::mv::run(ui, &session, args),
        Command::Ln(args) => c::ln::run(ui, &session, args),
        Command::Touch(args) => c::touch::run(ui, &session, args),
        Command::Chmod(args) => c::chmod::run(ui, &session, args),
        Command::Chown(args) => c::chown::run(ui, &session, args),
        Command::Snapshot(command) => c::snapshot::run(ui, &session, command),
        Command::Doctor(args) => c::doctor::run(ui, &session, args),
        Command::Recover(args) => c::recover::run(ui, &session, args),
        Command::Completions(_) | Command::Man(_) | Command::Template(_) => Ok(()),
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
