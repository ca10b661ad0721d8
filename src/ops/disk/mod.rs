//! The work of `qemu-img` on the disks of domains: one file per command.

pub mod check;

use std::path::PathBuf;

use super::Host;
use super::guard::{Allowed, Wanted, WriteGuard};
use crate::error::Result;
use crate::model::{DiskTarget, Domain, ImageFormat};

/// The disks that a command is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Those of a domain.
    Domain {
        /// The domain.
        domain: Domain,
        /// The disks by name; empty for all that are the domain's own.
        targets: Vec<DiskTarget>,
    },
    /// An image by its path, whether a domain has it or not.
    Image {
        /// Where it is.
        path: PathBuf,
        /// Its format, needed if no domain has it.
        format: Option<ImageFormat>,
    },
}

impl Subject {
    /// Locks the disks for writing.
    pub(super) fn lock<'a>(&self, host: Host<'a>, allow: Allowed<'_>) -> Result<WriteGuard<'a>> {
        match self {
            Self::Domain { domain, targets } => {
                let wanted = Wanted {
                    targets,
                    allow,
                    ..Wanted::default()
                };
                WriteGuard::of_domain(host, domain, wanted)
            }
            Self::Image { path, format } => WriteGuard::of_image(host, path, *format, allow),
        }
    }
}
