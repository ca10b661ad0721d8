//! `vmkin snapshot …`: one file per subcommand.

mod apply;
mod create;
mod delete;
mod list;
mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::hypervisor::Hypervisor;
use crate::model::{DomainRef, ImageFormat};
use crate::ops::snapshot::create::ImageOf;
use crate::ops::snapshot::{NamedRequest, Subject};

/// Make snapshots of guests, and go back to them: all disks, or none
///
/// A snapshot is in the qcow2 images of the guest's disks, or with --external in
/// overlays, and on record with libvirt: virsh and qemu-img see it too. UEFI
/// variables belong to it. Those that virsh or qemu-img has made are listed,
/// applied and deleted as well.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SnapshotCommand {
    Create(create::CreateArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Show(show::ShowArgs),
    #[command(visible_alias = "revert")]
    Apply(apply::ApplyArgs),
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArgs),
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, command: &SnapshotCommand) -> Result<()> {
    match command {
        SnapshotCommand::Create(args) => create::run(ui, session, args),
        SnapshotCommand::List(args) => list::run(ui, session, args),
        SnapshotCommand::Show(args) => show::run(ui, session, args),
        SnapshotCommand::Apply(args) => apply::run(ui, session, args),
        SnapshotCommand::Delete(args) => delete::run(ui, session, args),
    }
}

/// Whose snapshots a command is about.
#[derive(Debug, Args)]
#[group(skip)]
struct Whose {
    /// A domain, by name, UUID or id
    #[arg(
        short,
        long,
        value_name = "DOMAIN",
        required_unless_present = "add",
        conflicts_with = "add"
    )]
    domain: Option<DomainRef>,

    /// An image that no domain has, by its path
    #[arg(short, long, value_name = "IMAGE")]
    add: Option<PathBuf>,

    /// The format of that image: it is not guessed
    #[arg(short, long, value_name = "FORMAT", requires = "add")]
    format: Option<ImageFormat>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,
}

impl Whose {
    fn subject(&self, hypervisor: &dyn Hypervisor) -> Result<Subject> {
        match (&self.domain, &self.add) {
            (Some(which), _) => hypervisor.find(which).map(Subject::Domain),
            (None, path) => Ok(Subject::Image {
                path: path.clone().unwrap_or_default(),
                format: self.format,
            }),
        }
    }
}

/// Which snapshot a command is about.
#[derive(Debug, Args)]
#[group(skip)]
struct Which {
    #[command(flatten)]
    whose: Whose,

    /// The snapshot; of an image by its path, its id will do
    #[arg(value_name = "NAME")]
    name: String,
}

impl Which {
    fn request(&self, hypervisor: &dyn Hypervisor) -> Result<NamedRequest> {
        Ok(NamedRequest {
            subject: self.whose.subject(hypervisor)?,
            name: self.name.clone(),
            allow_dirs: self.whose.allow_dir.clone(),
        })
    }
}

/// Whose snapshot something is, for messages.
fn whose(domain: Option<&str>, images: &[ImageOf]) -> String {
    match (domain, images.first()) {
        (Some(domain), _) => format!("'{domain}'"),
        (None, Some(image)) => image.path.display().to_string(),
        (None, None) => "nothing".to_owned(),
    }
}

/// One line for each image, and one for the UEFI variables.
fn lines(images: &[ImageOf], variables: Option<&Path>) -> String {
    let mut text = String::new();
    let mut line = |what: &str, path: &Path| {
        let path = one_line(&path.display().to_string());
        text.push_str(&format!("  {what}  {path}\n"));
    };
    for image in images {
        let target = image.target.as_ref();
        line(target.map_or("---", |target| target.as_str()), &image.path);
    }
    if let Some(path) = variables {
        line("UEFI variables", path);
    }
    text
}
