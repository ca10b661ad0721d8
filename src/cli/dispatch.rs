//! Which command it is, and what runs it.

use clap::Subcommand;

use super::Cli;
use super::commands as c;
use super::session::Session;
use super::ui::Ui;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    Export(c::export::ExportArgs),
    Migrate(c::migrate::MigrateArgs),
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

/// Runs it.
pub(super) fn dispatch(ui: &Ui, cli: &Cli) -> Result<()> {
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
        Command::Export(args) => c::export::run(ui, &session, args),
        Command::Migrate(args) => c::migrate::run(ui, &session, args),
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
