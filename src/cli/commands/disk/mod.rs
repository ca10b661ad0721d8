//! `vmkin disk …`: one file per subcommand.

mod check;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::session::Session;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::hypervisor::Hypervisor;
use crate::model::{DiskTarget, DomainRef, ImageFormat};
use crate::ops::disk::Subject;

/// Work on the disks of guests, or on images
///
/// What qemu-img does, by the name of the domain: with formats from its XML
/// and not guessed, and never while somebody else has the image open.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DiskCommand {
    Check(check::CheckArgs),
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, command: &DiskCommand) -> Result<()> {
    match command {
        DiskCommand::Check(args) => check::run(ui, session, args),
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
        match (&self.domain, &self.add) {
            (Some(which), _) => Ok(Subject::Domain {
                domain: hypervisor.find(which)?,
                targets: self.target.clone(),
            }),
            (None, path) => Ok(Subject::Image {
                path: path.clone().unwrap_or_default(),
                format: self.format,
            }),
        }
    }
}
