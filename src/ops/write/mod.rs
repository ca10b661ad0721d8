//! Changing the files of a guest that is shut off.
//!
//! What is to be changed is found out first, by the engine that reads: no time is
//! lost on what cannot be done, or is done already. libguestfs carries it out, for
//! nothing but a kernel writes to file systems safely, and for many guests at once
//! ([`together`]); see [`transaction`] for how the disks get all of it or nothing.

mod fit;
mod guestfish;
mod owner;
mod pending;
pub mod plan;
pub mod recover;
pub(in crate::ops) mod together;
mod transaction;
pub(in crate::ops) mod verify;

use std::path::PathBuf;

pub(in crate::ops) use self::fit::fit;
pub use self::pending::Pending;
pub use self::together::{Job, carry_out};
pub use self::transaction::{Begun, Written};
use super::disk::Subject;
use super::guard::{Allowed, LeasedDisk, WriteGuard};
use super::guest::{Guest, View};
use super::images::path_of;
use super::{Host, ShutOff};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{Drive, Key};
use crate::guest::change::Mountable;
use crate::guest::scratch::Scratch;
use crate::guest::system::System;
use crate::guest::tree::Tree;
use crate::interrupt::Interrupt;
use crate::model::{DiskTarget, Domain, ImageFormat};
use crate::xml::domain;

/// A guest whose files can be changed: its disks are locked, and nobody can start
/// it while this lives.
pub struct Writing<'a> {
    host: Host<'a>,
    guard: WriteGuard<'a>,
    view: View,
    system: System,
    tree: Tree,
    scratch: Scratch,
    /// Its name: that of the domain, or of the image.
    pub name: String,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// What the user may want to know, a sentence each.
    pub details: Vec<String>,
}

impl<'a> Writing<'a> {
    /// Locks all disks of a domain that are its own and on this host, and looks
    /// into them.
    ///
    /// # Errors
    ///
    /// Those of [`WriteGuard::of_domain`]; [`Kind::WrongState`] if a disk is in a
    /// format or a place that cannot be written to, or there is no system.
    pub fn of_domain(host: Host<'a>, domain: &Domain, view: &View) -> Result<Self> {
        host.must_be_here()?;
        ShutOff::check(host.hypervisor, domain)?;
        let subject = Subject::Domain {
            domain: domain.clone(),
            targets: here(host, domain)?,
        };
        Self::lock(host, &subject, domain.name.clone(), view)
    }

    /// The same of one image, whose format the domain says that has it, or else
    /// the user.
    ///
    /// # Errors
    ///
    /// Those of [`Writing::of_domain`] and [`WriteGuard::of_image`].
    pub fn of_image(
        host: Host<'a>,
        path: PathBuf,
        format: Option<ImageFormat>,
        view: &View,
    ) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let subject = Subject::Image { path, format };
        Self::lock(host, &subject, name, view)
    }

    fn lock(host: Host<'a>, subject: &Subject, name: String, view: &View) -> Result<Self> {
        let allow = Allowed {
            dirs: &view.allow_dirs,
            damaged: false,
        };
        let guard = subject.lock(host, allow)?;
        for disk in guard.disks() {
            fit(disk)?;
        }
        let disks = guard.disks().iter().enumerate();
        let disks = disks.map(|(number, disk)| (drive_name(disk, number), disk.chain().clone()));
        let mut guest = Guest::of_locked(name.clone(), disks.collect(), view)?;
        let tree = guest.tree()?;
        let problems = guest.system.problems.iter();
        let mut warnings = guest.warnings.clone();
        warnings.extend(problems.map(|problem| format!("{name}: {problem}.")));
        Ok(Self {
            host,
            guard,
            view: view.clone(),
            system: std::mem::take(&mut guest.system),
            tree,
            scratch: Scratch::new()?,
            name,
            warnings,
            details: guest.details.clone(),
        })
    }

    /// The files as they are.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A place for what is on its way into the guest.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// What is on the disks, its files, and the locks: for a session that has its own
    /// view of the files.
    pub fn apart(mut self) -> (System, Tree, Held<'a>) {
        let system = std::mem::take(&mut self.system);
        let tree = std::mem::take(&mut self.tree);
        (system, tree, self.close())
    }

    /// Lets go of its files, which libguestfs may have open, and keeps the locks.
    pub fn close(self) -> Held<'a> {
        Held {
            host: self.host,
            guard: self.guard,
            mounts: Mountable::all_of(&self.tree),
            keys: self.view.keys,
            interrupt: self.view.interrupt,
            scratch: self.scratch,
            name: self.name,
        }
    }
}

/// A guest whose disks are locked for writing, and not read.
pub struct Held<'a> {
    host: Host<'a>,
    guard: WriteGuard<'a>,
    mounts: Vec<Mountable>,
    keys: Vec<Key>,
    /// Stops what reads for it.
    interrupt: Interrupt,
    /// What is on its way into the guest may be there.
    scratch: Scratch,
    name: String,
}

impl Held<'_> {
    /// Begins to change it: up to `needed` bytes are to be written to each disk.
    ///
    /// # Errors
    ///
    /// Those of [`Begun`]: nothing has changed then.
    pub fn begin(&self, needed: u64) -> Result<Begun<'_>> {
        Begun::new(self.host, &self.guard, &self.name, needed)
    }

    /// Its name: that of the domain, or of the image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file systems, as changes count them.
    pub fn mounts(&self) -> &[Mountable] {
        &self.mounts
    }

    /// The keys of those that are encrypted.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// A place for what is on its way into the guest.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Its disks, as libguestfs is told of them.
    pub fn drives(&self) -> Vec<Drive> {
        let disks = self.guard.disks().iter().enumerate();
        disks
            .map(|(number, disk)| Drive {
                name: drive_name(disk, number),
                chain: disk.chain().clone(),
            })
            .collect()
    }
}

/// What a disk is called in the guest.
fn drive_name(disk: &LeasedDisk, number: usize) -> String {
    match disk.target() {
        Some(target) => target.to_string(),
        None => {
            // There is one.
            let letter = u8::try_from(number).unwrap_or(0).saturating_add(b'a');
            format!("sd{}", char::from(letter))
        }
    }
}

/// The disks of a domain that are its own and on this host.
fn here(host: Host<'_>, domain: &Domain) -> Result<Vec<DiskTarget>> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let mut targets = Vec::new();
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        if path_of(host.hypervisor, &disk.source)?.is_some() {
            targets.push(disk.target.clone());
        }
    }
    if targets.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' has no disk of its own that is an image on this host",
                domain.name
            ),
        ));
    }
    Ok(targets)
}
