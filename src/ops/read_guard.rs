//! The rule that nothing is read off a disk while somebody writes to it.
//!
//! The smaller sister of [`WriteGuard`](super::guard::WriteGuard): others may
//! read too, and be based on what is read.

use std::collections::HashSet;
use std::path::Path;

use super::guard::{Allowed, Wanted, named, not_here};
use super::images::{chain_of, path_of};
use super::{Host, ShutOff, Usage};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Guard, shown};
use crate::model::{Chain, Disk, DiskTarget, Domain, ImageFormat};
use crate::xml::domain;

/// Evidence that disks were seen shut off and are locked against writers.
pub struct ReadGuard {
    disks: Vec<GuardedDisk>,
    /// On every layer, once each.
    _guards: Vec<Guard>,
}

/// An image that nobody writes to.
pub struct GuardedDisk {
    /// Its name in the domain; `None` for an image that no domain has.
    pub target: Option<DiskTarget>,
    /// The image, and what is below it.
    pub chain: Chain,
}

impl ReadGuard {
    /// Locks disks of a domain against writers: those that are named, or all
    /// that are its own.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the domain is not shut off, or a disk is no
    /// image of this host; [`Kind::Busy`] if somebody writes to a layer;
    /// [`Kind::Unsafe`] if a chain cannot be trusted; [`Kind::NotFound`] if
    /// there is no such disk.
    pub fn of_domain(host: Host<'_>, domain: &Domain, wanted: Wanted<'_>) -> Result<Self> {
        host.must_be_here()?;
        ShutOff::check(host.hypervisor, domain)?;
        let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
        let trust = wanted.allow.trust(host, &facts.disks)?;
        let mut disks = Vec::new();
        for disk in chosen(domain, &facts.disks, wanted.targets)? {
            let path = path_of(host.hypervisor, &disk.source)?.ok_or_else(|| not_here(disk))?;
            disks.push(GuardedDisk {
                target: Some(disk.target.clone()),
                chain: chain_of(disk, &path, &trust)?,
            });
        }
        let guard = Self::take(disks)?;
        // Somebody may have started it before the guards were there.
        ShutOff::check(host.hypervisor, domain)?;
        Ok(guard)
    }

    /// Locks an image against writers, by its path. What it is, is for the
    /// domain to say that has it, or else for `format`.
    ///
    /// # Errors
    ///
    /// Those of [`ReadGuard::of_domain`], but for its state: a running domain
    /// holds a lock. [`Kind::Usage`] if nobody says which format it has.
    pub fn of_image(
        host: Host<'_>,
        path: &Path,
        format: Option<ImageFormat>,
        allow: Allowed<'_>,
    ) -> Result<Self> {
        Self::of_image_by(host, path, (format, "--format"), allow)
    }

    /// The same where the user says the format with another option than `--format`.
    ///
    /// # Errors
    ///
    /// Those of [`ReadGuard::of_image`].
    pub fn of_image_by(
        host: Host<'_>,
        path: &Path,
        (format, option): (Option<ImageFormat>, &str),
        allow: Allowed<'_>,
    ) -> Result<Self> {
        host.must_be_here()?;
        let usage = Usage::read_allowing(host.hypervisor, allow.dirs)?;
        let format = format_by(&usage, path, format, option)?;
        let trust = allow.trust(host, &[])?;
        let chain = image::resolve(path, format, &trust)?;
        Self::take(vec![GuardedDisk {
            target: None,
            chain,
        }])
    }

    fn take(disks: Vec<GuardedDisk>) -> Result<Self> {
        let mut seen = HashSet::new();
        let layers = disks.iter().flat_map(|disk| disk.chain.layers());
        let guards = layers
            .filter(|layer| seen.insert(layer.file))
            .map(Guard::layer)
            .collect::<Result<_>>()?;
        Ok(Self {
            disks,
            _guards: guards,
        })
    }

    /// The disks.
    pub fn disks(&self) -> &[GuardedDisk] {
        &self.disks
    }
}

fn chosen<'d>(domain: &Domain, disks: &'d [Disk], targets: &[DiskTarget]) -> Result<Vec<&'d Disk>> {
    if targets.is_empty() {
        return Ok(disks.iter().filter(|disk| disk.is_private()).collect());
    }
    let disks = targets.iter().map(|target| named(domain, disks, target));
    disks.collect()
}

/// The format of an image, by a domain whose chain it is in, or else by the
/// user. It is not looked for in the image: a guest may have written there
/// whatever it likes.
///
/// # Errors
///
/// [`Kind::Usage`] if neither says; [`Kind::Unsafe`] if a domain does, and cannot have
/// it read.
pub(super) fn format_of(
    usage: &Usage,
    path: &Path,
    format: Option<ImageFormat>,
) -> Result<ImageFormat> {
    format_by(usage, path, format, "--format")
}

/// The same where the user says it with another option than `--format`.
pub(super) fn format_by(
    usage: &Usage,
    path: &Path,
    format: Option<ImageFormat>,
    option: &str,
) -> Result<ImageFormat> {
    let file = image::ImageFile::open(path)?.id();
    let of_domain = usage.layer(file).map(|layer| layer.format);
    of_domain.or(format).ok_or_else(|| {
        // A domain has it, and nobody can read what it is there.
        if let Some(unread) = usage.trouble_with(file) {
            return unread;
        }
        let error = Error::new(
            Kind::Usage,
            format!(
                "no domain has {} as a disk, so that its format is not known",
                shown(path)
            ),
        )
        .hint(format!(
            "say which it has: `{option} qcow2`, or `{option} raw`"
        ));
        match image::format_of(path) {
            Ok(looks) if looks != ImageFormat::Raw => error.hint(format!(
                "it begins as {looks} images do, as a raw disk does too if its guest has \
                 written that there"
            )),
            _ => error,
        }
    })
}
