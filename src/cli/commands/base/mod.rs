//! `vmkin base …`: one file per subcommand.

mod children;
mod list;
mod moving;
mod push;
mod rebase;
mod seal;
mod unseal;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::model::{DomainRef, ImageFormat};
use crate::ops::base::{BaseStatus, images_of};
use crate::ops::{Host, Observer as _};

/// Look after the images that clones are based on
///
/// A base that changes under its clones corrupts them, and neither QEMU nor
/// libvirt notices. A sealed base is hard to change, and a change is found.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BaseCommand {
    Seal(seal::SealArgs),
    Unseal(unseal::UnsealArgs),
    Verify(verify::VerifyArgs),
    List(list::ListArgs),
    Children(children::ChildrenArgs),
    Move(moving::MoveArgs),
    Rebase(rebase::RebaseArgs),
    Push(push::PushArgs),
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, command: &BaseCommand) -> Result<()> {
    match command {
        BaseCommand::Seal(args) => seal::run(ui, session, args),
        BaseCommand::Unseal(args) => unseal::run(ui, session, args),
        BaseCommand::Verify(args) => verify::run(ui, session, args),
        BaseCommand::List(args) => list::run(ui, session, args),
        BaseCommand::Children(args) => children::run(ui, session, args),
        BaseCommand::Move(args) => moving::run(ui, session, args),
        BaseCommand::Rebase(args) => rebase::run(ui, session, args),
        BaseCommand::Push(args) => push::run(ui, session, args),
    }
}

/// The base images a command is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The disks of a domain, by name, UUID or id
    #[arg(short, long, value_name = "DOMAIN")]
    domain: Option<DomainRef>,

    /// The paths of images
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
}

impl Which {
    /// The images, with their formats where the domain tells them.
    fn resolve(&self, host: Host<'_>) -> Result<Vec<(PathBuf, Option<ImageFormat>)>> {
        let Some(which) = &self.domain else {
            return self
                .images
                .iter()
                .map(|image| real(image).map(|path| (path, None)))
                .collect();
        };
        let domain = host.hypervisor.find(which)?;
        images_of(host, &domain)?
            .into_iter()
            .map(|(path, format)| real(&path).map(|path| (path, Some(format))))
            .collect()
    }
}

/// The path that records and overlays know an image by: free of `..` and of
/// symbolic links. Of one that is missing, its directory's.
fn real(image: &Path) -> Result<PathBuf> {
    let cannot = |e| Error::io(format!("cannot use the path {}", image.display()), e);
    if let Ok(real) = image.canonicalize() {
        return Ok(real);
    }
    let path = std::path::absolute(image).map_err(cannot)?;
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(dir)), Some(name)) => Ok(dir.join(name)),
        _ => Ok(path),
    }
}

/// Says what is wrong with bases; whether anything is.
fn say_problems(ui: &Ui, bases: &[BaseStatus]) -> bool {
    let mut any = false;
    for base in bases {
        for problem in base.problems.iter().chain(&base.warnings) {
            ui.warning(&format!("{}: {problem}", base.path.display()));
        }
        any |= !base.problems.is_empty();
    }
    any
}
