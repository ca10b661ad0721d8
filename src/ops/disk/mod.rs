//! The work of `qemu-img` on the disks of domains: one file per command.

pub mod amend;
pub mod check;
pub mod commit;
pub mod compare;
pub mod convert;
pub mod create;
pub mod info;
mod looked;
pub mod map;
pub mod rebase;
pub mod resize;

use std::path::PathBuf;

use super::base::compare_with_known;
use super::flatten::overlays_of;
use super::guard::{Allowed, LeasedDisk, Wanted, WriteGuard};
use super::images::dirty;
use super::read_guard::{GuardedDisk, ReadGuard};
use super::{Host, ShutOff, Usage};
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{Chain, Disk, DiskTarget, Domain, ImageFormat};

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
    /// The overlays that are meant, each by itself: those that are named, or else all
    /// that the domain has.
    fn overlays(&self, host: Host<'_>, allow_dirs: &[PathBuf]) -> Result<Vec<Self>> {
        let Self::Domain { domain, targets } = self else {
            return Ok(vec![self.clone()]);
        };
        let name = &domain.name;
        ShutOff::check(host.hypervisor, domain)?;
        let found = match targets.is_empty() {
            true => overlays_of(host, domain, allow_dirs)?,
            false => targets.clone(),
        };
        if found.is_empty() {
            return Err(Error::new(
                Kind::WrongState,
                format!("domain '{name}' has no disk that is an overlay"),
            )
            .hint(format!(
                "see what its disks are: `vmkin show -d {}`",
                image::shell_word(name.as_bytes())
            )));
        }
        let alone = found.into_iter().map(|target| Self::Domain {
            domain: domain.clone(),
            targets: vec![target],
        });
        Ok(alone.collect())
    }

    /// The one that is meant where it can be one only.
    fn one_overlay(&self, host: Host<'_>, allow_dirs: &[PathBuf]) -> Result<Self> {
        let mut found = self.overlays(host, allow_dirs)?;
        match found.pop() {
            Some(only) if found.is_empty() => Ok(only),
            last => {
                found.extend(last);
                let names: Vec<&str> = found.iter().flat_map(Self::named).collect();
                Err(Error::new(
                    Kind::Usage,
                    format!(
                        "one overlay at a time, and the domain has several: {}",
                        names.join(", ")
                    ),
                )
                .hint("say which is meant: `--target vda`"))
            }
        }
    }

    /// The disks that are named.
    fn named(&self) -> impl Iterator<Item = &str> {
        let targets = match self {
            Self::Domain { targets, .. } => targets.as_slice(),
            Self::Image { .. } => &[],
        };
        targets.iter().map(DiskTarget::as_str)
    }

    /// Locks the disks against writers.
    pub(super) fn guard(&self, host: Host<'_>, allow: Allowed<'_>) -> Result<ReadGuard> {
        match self {
            Self::Domain { domain, targets } => {
                ReadGuard::of_domain(host, domain, wanted(targets, allow))
            }
            Self::Image { path, format } => ReadGuard::of_image(host, path, *format, allow),
        }
    }

    /// Locks the disks for writing.
    pub(super) fn lock<'a>(&self, host: Host<'a>, allow: Allowed<'_>) -> Result<WriteGuard<'a>> {
        match self {
            Self::Domain { domain, targets } => {
                WriteGuard::of_domain(host, domain, wanted(targets, allow))
            }
            Self::Image { path, format } => WriteGuard::of_image(host, path, *format, allow),
        }
    }
}

fn wanted<'w>(targets: &'w [DiskTarget], allow: Allowed<'w>) -> Wanted<'w> {
    Wanted {
        targets,
        allow,
        ..Wanted::default()
    }
}

/// A disk that is locked in some way.
trait HasTarget {
    /// Its name in the domain, if a domain has it.
    fn target(&self) -> Option<&DiskTarget>;
}

impl HasTarget for GuardedDisk {
    fn target(&self) -> Option<&DiskTarget> {
        self.target.as_ref()
    }
}

impl HasTarget for &Disk {
    fn target(&self) -> Option<&DiskTarget> {
        Some(&self.target)
    }
}

impl HasTarget for LeasedDisk {
    fn target(&self) -> Option<&DiskTarget> {
        self.target()
    }
}

/// The one disk that a command is about which cannot be about several.
fn only_one<D: HasTarget>(disks: &[D]) -> Result<&D> {
    match disks {
        [disk] => Ok(disk),
        [] => Err(Error::new(
            Kind::WrongState,
            "the domain has no disk of its own",
        )),
        several => {
            let names = several.iter().filter_map(HasTarget::target);
            let names: Vec<&str> = names.map(DiskTarget::as_str).collect();
            Err(Error::new(
                Kind::Usage,
                format!("the domain has several disks: {}", names.join(", ")),
            )
            .hint("say which is meant: `--target vda`"))
        }
    }
}

/// Refuses a chain of which an image was not closed well, or is not what it was when
/// clones were made above it.
///
/// # Errors
///
/// [`Kind::Unsafe`].
fn must_be_sound(host: Host<'_>, usage: &Usage, chain: &Chain) -> Result<()> {
    if let Some(layer) = chain.layers().iter().find(|layer| layer.dirty) {
        return Err(dirty(layer));
    }
    for layer in chain.layers().iter().filter(|layer| !layer.block) {
        compare_with_known(host, usage, layer, &image::identity(&layer.path)?)?;
    }
    Ok(())
}
