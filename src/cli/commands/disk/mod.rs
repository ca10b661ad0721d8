//! `vmkin disk …`: one file per subcommand.

mod amend;
mod check;
mod commit;
mod compare;
mod convert;
mod create;
mod info;
mod map;
mod rebase;
mod resize;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::model::options::InvalidOption;
use crate::model::{DiskTarget, DomainRef, ImageFormat};
use crate::ops::disk::Subject;

/// Work on the disks of guests, or on images
///
/// What qemu-img does, by the name of the domain: with formats from its XML
/// and not guessed, and never while somebody else has the image open.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DiskCommand {
    Amend(amend::AmendArgs),
    Check(check::CheckArgs),
    Commit(commit::CommitArgs),
    Compare(compare::CompareArgs),
    Convert(convert::ConvertArgs),
    Create(create::CreateArgs),
    Info(info::InfoArgs),
    Map(map::MapArgs),
    Rebase(rebase::RebaseArgs),
    Resize(resize::ResizeArgs),
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, command: &DiskCommand) -> Result<()> {
    match command {
        DiskCommand::Amend(args) => amend::run(ui, session, args),
        DiskCommand::Check(args) => check::run(ui, session, args),
        DiskCommand::Commit(args) => commit::run(ui, session, args),
        DiskCommand::Compare(args) => compare::run(ui, session, args),
        DiskCommand::Convert(args) => convert::run(ui, session, args),
        DiskCommand::Create(args) => create::run(ui, session, args),
        DiskCommand::Info(args) => info::run(ui, session, args),
        DiskCommand::Map(args) => map::run(ui, session, args),
        DiskCommand::Rebase(args) => rebase::run(ui, session, args),
        DiskCommand::Resize(args) => resize::run(ui, session, args),
    }
}

/// The disks a command is about.
#[derive(Debug, Args)]
#[group(skip)]
struct Which {
    /// The disks of a domain, by name, UUID or id
    #[arg(
        short,
        long,
        value_name = "DOMAIN",
        required_unless_present = "add",
        conflicts_with = "add"
    )]
    domain: Option<DomainRef>,

    /// Only this disk of it, such as vda; may be repeated
    #[arg(long, value_name = "DISK", requires = "domain")]
    target: Vec<DiskTarget>,

    /// An image, by its path
    #[arg(short, long, value_name = "IMAGE")]
    add: Option<PathBuf>,

    /// The format of an image that no domain has
    #[arg(short, long, value_name = "FORMAT", requires = "add")]
    format: Option<ImageFormat>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,
}

impl Which {
    fn subject(&self, hypervisor: &dyn Hypervisor) -> Result<Subject> {
        let image = (self.add.as_deref(), self.format);
        subject(hypervisor, self.domain.as_ref(), &self.target, image)
    }
}

/// The disks of a domain, if one is named, or else an image.
fn subject(
    hypervisor: &dyn Hypervisor,
    domain: Option<&DomainRef>,
    targets: &[DiskTarget],
    (path, format): (Option<&Path>, Option<ImageFormat>),
) -> Result<Subject> {
    Ok(match domain {
        Some(which) => Subject::Domain {
            domain: hypervisor.find(which)?,
            targets: targets.to_vec(),
        },
        None => Subject::Image {
            path: path.map(Path::to_owned).unwrap_or_default(),
            format,
        },
    })
}

/// The error for options of an image that make no sense.
fn wrong(why: InvalidOption) -> Error {
    Error::new(Kind::Usage, why)
}

/// An image and what is said of it, as it is named in a line of its own.
fn named(target: Option<&DiskTarget>, path: &Path) -> String {
    let path = one_line(&path.display().to_string());
    match target {
        Some(target) => format!("{target}  {path}"),
        None => path,
    }
}

/// The last failure, with the others as parts of it.
fn verdict_of_all(verdicts: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut bad: Vec<Error> = verdicts.filter_map(Result::err).collect();
    match bad.pop() {
        None => Ok(()),
        Some(last) => Err(bad
            .into_iter()
            .fold(last, |error, one| error.part(one.to_string()))),
    }
}
